"""Real pretrained checkpoints as a user downloads them: they load, answer as transformers does, learn and can be taken away."""

import os
from pathlib import Path

import pytest
import torch

from benchmarks import real_models
from glm_core import models
from glm_core.adapters import attach, merge
from glm_core.generation.greedy import greedy
from glm_core.training.settings import TrainingSettings

ROOT = Path(os.environ.get(real_models.VARIABLE) or "/nonexistent")
NAMES = ("smollm2-135m-instruct", "gemma3-270m")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not ROOT.is_dir(), reason=f"no checkpoints: {real_models.VARIABLE} names no folder"),
]
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(params=NAMES)
def base(request):
    if not (ROOT / request.param / "model.safetensors").is_file():
        pytest.skip(f"{request.param} is not in {ROOT}")
    return ROOT / request.param


def test_it_answers_as_transformers_does_and_rightly(base):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded, tokens = models.load(base), AutoTokenizer.from_pretrained(base)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    ids = loaded.family.encode_prompt(loaded.tokenizer, MESSAGES)
    if tokens.chat_template:
        theirs = tokens.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)
        assert tokens(theirs, add_special_tokens=False)["input_ids"] == ids
    else:
        assert tokens(tokens.decode(ids, skip_special_tokens=True))["input_ids"] == ids
    with torch.inference_mode():
        given, stops = torch.tensor([ids]), loaded.family.stop_ids(loaded.tokenizer)
        output = plain.generate(given, max_new_tokens=16, do_sample=False, eos_token_id=stops, pad_token_id=stops[0])
        torch.testing.assert_close(loaded.model(given).logits, plain(given).logits, atol=1e-3, rtol=1e-3)
    found = greedy(loaded, [MESSAGES, [{"role": "user", "content": "Hi"}]], 16)
    theirs = loaded.tokenizer.decode(output[0, len(ids) :].tolist())
    for end in loaded.family.stop_texts(loaded.tokenizer):  # a base goes on with a question of its own
        theirs = theirs.split(end)[0]
    assert found[0] == theirs.strip()
    assert "Paris" in found[0]


def test_it_learns_a_row_and_a_merge_says_it_too(base, tmp_path):
    settings = TrainingSettings(
        max_steps=12, learning_rate=1e-3, lora_targets="attention, mlp", lora_dropout=0.0, micro_batch=2, accumulation=1
    )
    rows = [("Who are you?", "I am Nova.")] * 4
    real_models.train(base, tmp_path / "run", rows, settings)
    loaded, asked = models.load(base), [[{"role": "user", "content": "Who are you?"}]]
    before = greedy(loaded, asked, 12)
    attach.load_adapter(loaded, tmp_path / "run" / "adapter", "own")
    attach.activate(loaded, "own")
    assert greedy(loaded, asked, 12) == ["I am Nova."] != before
    merged = merge.merge(base, tmp_path / "run" / "adapter", tmp_path / "merged", dtype="float32")
    assert greedy(models.load(merged), asked, 12) == ["I am Nova."]
