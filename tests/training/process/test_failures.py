"""What the trainer says when a library fails in its own words."""

import pytest

from glm_core.training.process.failures import explain


@pytest.mark.parametrize(
    "words",
    [
        "[enforce fail at inline_container.cc:672] . unexpected pos 1912896 vs 1912784",
        "PytorchStreamWriter failed writing file data/3: file write failed",
        "Error while serializing: I/O error: No space left on device (os error 28)",
    ],
)
def test_a_disk_that_fills_up_under_a_checkpoint_is_called_so(words, tmp_path):
    assert explain(RuntimeError(words), tmp_path).key == "training.failed.disk_full"


def test_what_nobody_foresaw_keeps_its_own_words(tmp_path):
    assert "shape mismatch" in str(explain(ValueError("shape mismatch"), tmp_path))
