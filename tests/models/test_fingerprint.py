"""A fingerprint tells retrained weights from the earlier ones of the same name, in milliseconds, and is empty where there are none."""

import psutil
import pytest
import torch

from glm_core.models.checkpoints import BLOCKS, DIGITS, fingerprint, weights_differ
from tests.models.shards import LAYOUTS, relay
from tests.tiny import tiny_chatglm


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_weights_have_another_fingerprint_in_every_layout(tmp_path, layout):
    folders = [tiny_chatglm(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    for folder in folders:
        relay(folder, layout)
    first, again, other = (fingerprint(folder) for folder in folders)
    assert first == again != other and len(first) == DIGITS
    assert weights_differ(folders[2], first) and not weights_differ(folders[1], first)


def test_a_change_of_any_part_of_a_trained_file_shows(tmp_path):
    folder = tiny_chatglm(tmp_path / "a")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    known = {fingerprint(folder)}
    for place in range(1, BLOCKS):
        changed = bytearray(content)
        changed[len(content) * place // BLOCKS] ^= 1
        weights.write_bytes(changed)
        known.add(fingerprint(folder))
    assert len(known) == BLOCKS


@pytest.mark.skipif(
    not hasattr(psutil.Process, "io_counters"), reason="this system does not count what a process reads"
)
def test_of_large_files_little_is_read(tmp_path):
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.truncate(20 << 30)  # sparse
    before = psutil.Process().io_counters().read_chars
    assert fingerprint(tmp_path)
    assert psutil.Process().io_counters().read_chars - before < 16 << 20


def test_where_nothing_is_known_nothing_is_claimed(tmp_path):
    assert fingerprint(tmp_path) == "" and fingerprint(tmp_path / "no folder") == ""
    assert not weights_differ(tmp_path, "ab" * 16)
    folder = tiny_chatglm(tmp_path / "a")
    assert not any(weights_differ(folder, unknown) for unknown in ("", None, 5, []))


def test_what_a_run_trains_carries_the_fingerprint_of_its_base(tmp_path):
    from glm_core import models
    from glm_core.adapters import attach, files
    from glm_core.training.settings import TrainingSettings

    folder = tiny_chatglm(tmp_path / "a")
    loaded = models.load(folder)
    torch.manual_seed(0)
    attach.attach(loaded, TrainingSettings(method="lora", lora_rank=2))
    attach.save(loaded, tmp_path / "adapter")
    assert files.read_info(tmp_path / "adapter")["fingerprint"] == fingerprint(folder)
