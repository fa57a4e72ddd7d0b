"""The official code's outputs, folder by folder and case by case; absent folders are skipped with a reason."""

from functools import cache

import pytest
from safetensors.torch import load_file

from tests.paths import SHARED

GOLDEN = SHARED / "golden"
TOKENIZERS = SHARED / "tokenizers"
FOLDERS = (
    "chatglm-v1",
    "chatglm-v1-int4",
    "chatglm-v1-int8",
    "chatglm-v1-ptuning",
    "chatglm-v1-ptuning-projected",
    "chatglm2",
    "chatglm2-ptuning",
    "chatglm2-ptuning-projected",
    "chatglm3",
    "chatglm3-ptuning",
    "chatglm3-ptuning-projected",
)

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no official outputs in {GOLDEN}")
needs_tokenizers = pytest.mark.skipif(not TOKENIZERS.is_dir(), reason=f"no published tokenizers in {TOKENIZERS}")


@cache
def expected(folder: str) -> dict[str, dict]:
    """case -> {input_ids, labels, logits, loss, greedy, ...} of one golden folder."""
    cases: dict[str, dict] = {}
    for key, tensor in load_file(GOLDEN / folder / "expected.safetensors").items():
        case, _, kind = key.rpartition(".")
        cases.setdefault(case, {})[kind] = tensor
    return cases
