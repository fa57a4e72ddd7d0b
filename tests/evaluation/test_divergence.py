# ruff: noqa: F811 (the engine with a tiny model is the one of tests/engine.py here)
"""The self-check tells models that differ from models that do not, and names causes it has verified."""

import time

import pytest
import torch

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.evaluation import divergence
from glm_core.serving.served_models import ServedModel
from glm_core.training.settings import TrainingSettings
from tests.engine import ask, engine, home, shared_engine, tiny_folder  # noqa: F401


def adapter(tiny_folder, folder, step=60, scale=0.3, rate=1e-3):
    """A LoRA run on the tiny model whose B is random with `scale` (0 = as before training)."""
    loaded = models.load(tiny_folder)
    attach.attach(loaded, TrainingSettings(), "x")
    for name, tensor in loaded.model.named_parameters():
        if "lora_B" in name:
            tensor.data += scale * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))
    attach.save(loaded, folder, {"step": step, "settings": {"learning_rate": rate}}, "x")
    return ServedModel("run", "训练", tiny_folder.resolve(), folder, step)


def test_a_tuned_model_differs(engine, tiny_folder, tmp_path):
    measured = divergence.differ(engine, adapter(tiny_folder, tmp_path / "a"), ["我的问题"])
    assert measured.differs and measured.identical == [] and measured.causes == ()
    assert measured.distances[0][0] == "我的问题" and len(measured.distances) == 10


def test_an_adapter_that_never_moved_is_found_out(engine, tiny_folder, tmp_path):
    measured = divergence.differ(engine, adapter(tiny_folder, tmp_path / "a", step=3, scale=0.0, rate=1e-7))
    assert not measured.differs and len(measured.identical) == 10
    assert [key for key, _values in measured.causes] == [
        "proof.cause.zero",
        "proof.cause.few_updates",
        "proof.cause.low_rate",
    ]
    assert "完全一样" in measured.sentences()[0] and "3" in measured.sentences()[2]


def test_a_slight_difference_is_no_difference_and_has_no_invented_cause(engine, tiny_folder, tmp_path):
    measured = divergence.differ(engine, adapter(tiny_folder, tmp_path / "a", scale=1e-4))
    assert not measured.differs and measured.largest > divergence.IDENTICAL and measured.causes == ()
    assert len(measured.sentences()) == 2


def test_an_adapter_of_nans_is_named(engine, tiny_folder, tmp_path):
    choice = adapter(tiny_folder, tmp_path / "a", scale=float("nan"))
    assert ("proof.cause.not_finite", {}) in list(divergence.causes(choice))


def test_an_answer_of_nans_ends_in_a_sentence(engine, home, tiny_folder, tmp_path):
    choice = adapter(tiny_folder, home / "runs" / "nan" / "adapter", scale=float("nan"))
    record = {"id": "nan", "name": "坏", "model": str(tiny_folder), "settings": {}, "dataset": {"name": "x"}}
    workspace.write_json(choice.adapter.parent / "run.json", record)
    handle = engine.submit(ask(model="nan"))
    with pytest.raises(Exception, match="NaN"):
        "".join(handle)
    assert "".join(engine.submit(ask()))


def test_the_check_comes_between_two_steps_of_a_running_answer(engine, tiny_folder, tmp_path):
    choice = adapter(tiny_folder, tmp_path / "a")
    expected = "".join(engine.submit(ask(max_new_tokens=400)))
    handle = engine.submit(ask(max_new_tokens=400))
    while handle.completion_tokens < 3:
        time.sleep(0.001)
    assert divergence.differ(engine, choice).differs
    assert not handle.done
    assert "".join(handle) == expected
