"""Going on from an adapter: its shape decides the settings, its weights are where the new run begins."""

import pytest
import torch

from glm_core import models, workspace
from glm_core.adapters import attach, start
from glm_core.adapters.errors import AdapterError
from glm_core.training.settings import TrainingSettings

BASE = workspace.ASSETS / "models" / "bloom-demo"
SETTINGS = TrainingSettings(lora_rank=4, lora_alpha=8, lora_targets="dense_h_to_4h")


def saved(folder, settings=SETTINGS):
    """An adapter of random weights in `folder`."""
    loaded = models.load(BASE)
    attach.attach(loaded, settings)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    attach.save(loaded, folder)
    return attach.tensors(loaded)


@pytest.mark.parametrize("settings", [SETTINGS, TrainingSettings(method="ptuning", prefix_length=6)])
def test_a_new_adapter_begins_with_the_weights_of_the_old_one(tmp_path, settings):
    before = saved(tmp_path / "adapter", settings)
    start.copy(tmp_path / "adapter", tmp_path / "run" / start.FOLDER)
    fixed = start.settings_of(tmp_path / "run" / start.FOLDER, BASE)
    assert all(getattr(settings, name) == value for name, value in fixed.items())
    loaded = models.load(BASE)
    attach.attach(loaded, TrainingSettings().changed(**fixed))
    start.begin_from(loaded, tmp_path / "run" / start.FOLDER, attach.NAME)
    after = attach.tensors(loaded)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_an_adapter_of_another_rank_is_refused(tmp_path):
    saved(tmp_path / "adapter")
    loaded = models.load(BASE)
    attach.attach(loaded, SETTINGS.changed(lora_rank=8))
    with pytest.raises(AdapterError):
        start.begin_from(loaded, tmp_path / "adapter", attach.NAME)
