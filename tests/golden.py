"""The official code's outputs, folder by folder and case by case.

A small part of them lies in this repository (`golden_small/`: packed ChatGLM-6B weights, ChatGLM3 with a prefix, their
short cases, and what the embedded tokenizers make of 20 texts), so that a plain clone compares each network, the packed
layout and a prefix. The whole set is beside the repository where the project has it; what is absent is skipped with a reason.
"""

from functools import cache
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.paths import ROOT, SHARED

GOLDEN = SHARED / "golden"
SMALL = ROOT / "tests" / "golden_small"
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


def golden_folder(name: str) -> Path:
    """The checkpoint `name` of the official outputs, the repository's own part of it where the whole is absent."""
    found = next((place / name for place in (GOLDEN, SMALL) if (place / name).is_dir()), None)
    return found or pytest.skip(f"no official outputs in {GOLDEN}")


@cache
def expected(folder: Path) -> dict[str, dict]:
    """case -> {input_ids, labels, logits, loss, greedy, ...} of one checkpoint folder."""
    cases: dict[str, dict] = {}
    for key, tensor in load_file(folder / "expected.safetensors").items():
        case, _, kind = key.rpartition(".")
        cases.setdefault(case, {})[kind] = tensor
    return cases
