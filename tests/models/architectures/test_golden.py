"""Every golden folder loads, and agrees with the official code: logits, loss, greedy tokens."""

from functools import cache

import pytest
import torch

from glm_core import models
from tests.golden import FOLDERS, SMALL, expected, golden_folder

OWN = sorted(path.name for path in SMALL.iterdir() if path.is_dir())


@cache
def load(folder: str) -> models.LoadedModel:
    return models.load(golden_folder(folder), device="cpu")


@pytest.mark.parametrize("folder", FOLDERS)
def test_family_is_recognized(folder):
    loaded = load(folder)
    assert loaded.family.name == folder.split("-")[0]
    assert loaded.quantization == ({"int4": "hub-int4", "int8": "hub-int8"}.get(folder.rsplit("-", 1)[-1]))
    assert loaded.tokenizer is None


@pytest.mark.parametrize("folder", FOLDERS)
def test_logits_and_loss_agree(folder):
    for case, golden in expected(golden_folder(folder)).items():
        extra = {key: golden[key] for key in ("labels", "attention_mask", "position_ids") if key in golden}
        with torch.no_grad():
            output = load(folder).model(golden["input_ids"], **extra)
        real = golden.get("attention_mask", torch.ones_like(golden["input_ids"])).bool()
        assert (output.logits - golden["logits"])[real].abs().max() <= 1e-4, case
        if "loss" in golden:
            assert abs(output.loss - golden["loss"]) <= 1e-5, case


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("folder", FOLDERS)
def test_greedy_tokens_are_identical(folder, use_cache):
    cases = {case: golden for case, golden in expected(golden_folder(folder)).items() if "greedy" in golden}
    assert cases
    for case, golden in cases.items():
        prompt = golden["input_ids"][:, : int((golden["labels"][0] == -100).sum())]
        answer = load(folder).model.generate(prompt, max_new_tokens=24, do_sample=False, use_cache=use_cache)
        assert torch.equal(answer, golden["greedy"]), case


def test_an_early_token_changes_the_logits():
    """Without this, agreement could be an accident of weights that ignore their context."""
    for folder in OWN:
        ids = expected(golden_folder(folder))["short"]["input_ids"].clone()
        with torch.no_grad():
            before = load(folder).model(ids).logits[:, -1]
            ids[0, 2] += 1
            after = load(folder).model(ids).logits[:, -1]
        assert (before - after).abs().max() > 1e-2, folder


def test_a_head_of_its_own_is_kept():
    model = load("chatglm-v1").model
    assert model.lm_head.weight is not model.transformer.word_embeddings.weight
    assert not model.config.tie_word_embeddings
