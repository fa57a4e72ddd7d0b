"""Rows packed one behind the other teach what padded rows teach."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from glm_core import models
from glm_core.adapters import attach, fused_lora
from glm_core.models import LoadedModel, registry
from glm_core.models.architectures.packing import pack, round_tokens
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.loss import AnswerLoss
from glm_core.training.steps.recompute import recompute
from tests.tiny import randomize
from tests.training.small import small, stir

METHODS = {
    "lora": TrainingSettings(lora_rank=4, lora_dropout=0.0, lora_targets="all-linear"),
    "prefix": TrainingSettings(method="ptuning", prefix_length=5),
}
LENGTHS = (13, 12, 24, 13)


def load(kind, folder):
    if kind not in ("llama", "mistral"):
        return models.load(small(kind, folder), device="cpu")
    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0}
    model = (
        LlamaForCausalLM(LlamaConfig(**sizes))
        if kind == "llama"
        else MistralForCausalLM(MistralConfig(**sizes, sliding_window=8))
    )
    randomize(model, 3)
    return LoadedModel(model.eval(), None, registry.find(model.config.to_dict()), folder, kind)


def rows_of(loaded):
    """Rows of several lengths, padded at the right."""
    ids = torch.randint(10, 60, (len(LENGTHS), max(LENGTHS)), generator=torch.Generator().manual_seed(1))
    if controls := loaded.family.architecture.control_ids(loaded.model.config.to_dict()):
        ids[:, 9], ids[:, 10] = controls["gmask_token_id"], controls["bos_token_id"]
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :11] = -100
    return ids.masked_fill(mask == 0, 0), mask, labels


def step(loaded, packed):
    loss = AnswerLoss(loaded.model, loaded.family.architecture, packed=packed)
    found = loss(*rows_of(loaded))["loss"]
    return loss, found, torch.autograd.grad(found, [weight for weight in loss.parameters() if weight.requires_grad])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["chatglm", "glm", "glm4", "llama"])
def test_loss_and_gradients_are_those_of_padded_rows(kind, method, tmp_path, monkeypatch):
    monkeypatch.setattr("glm_core.models.prefix_tuning.DROPOUT", 0.0)
    loaded = load(kind, tmp_path)
    attach.attach(loaded, METHODS[method])
    stir(loaded)
    fused_lora.fuse_lora_layers(loaded.model)
    loaded.model.train()
    _, expected, wanted = step(loaded, packed=False)
    for recomputed in (False, True):
        loss, found, gradients = step(loaded, packed=True)
        assert loss.packs and loss.count_packed(rows_of(loaded)[1]) < len(LENGTHS) * max(LENGTHS)
        assert abs(found - expected) < 1e-5
        assert max(gradient.abs().max() for gradient in wanted) > 1e-4
        for one, other in zip(gradients, wanted, strict=True):
            assert (one - other).abs().max() <= 1e-4 * other.abs().max() + 1e-7
        if not recomputed:
            recompute(loaded.model, 2)


@pytest.mark.parametrize("kind", ["bloom", "mistral"])
def test_where_attention_is_not_plain_rows_stay_padded(kind, tmp_path):
    loaded = load(kind, tmp_path)
    attach.attach(loaded, METHODS["lora"].changed(lora_targets=""))
    loss, found, _ = step(loaded, packed=True)
    assert not loss.packs and torch.equal(found, step(loaded, packed=False)[1])


def test_evaluation_after_packed_training_is_that_of_an_untouched_model(tmp_path):
    loaded = load("glm", tmp_path)
    ids, mask, _ = rows_of(loaded)
    with torch.no_grad():
        expected = loaded.model(ids, attention_mask=mask).logits[mask.bool()]
        AnswerLoss(loaded.model, loaded.family.architecture, packed=True)
        torch.testing.assert_close(loaded.model(ids, attention_mask=mask).logits[mask.bool()], expected)


def test_every_token_finds_its_place_and_fillers_stand_on_padding():
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]])
    packing = pack(mask, 8)
    states = torch.arange(8.0)[None, None, :, None].expand(1, 2, 8, 3)
    rows = packing.spread(states)
    assert rows[:, 0, :, 0][mask.bool()].tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(packing.gather(rows.transpose(1, 2))[0, :6, 0, 0], torch.arange(6.0))
    assert not mask.flatten()[packing.packed[6:]].any()


@pytest.mark.parametrize("count", range(1, 5000, 97))
def test_packed_lengths_are_rounded_by_little(count):
    assert count <= round_tokens(count, 10_000) <= max(count + 63, count * 17 / 16 + 1)
    assert round_tokens(count, count) == count
