"""Recomputed activations see the dropout of the forward, without a random state that is read and set again."""

import pytest
import torch

from glm_core import models
from glm_core.adapters import attach, fused_lora
from glm_core.training.memory.memory_estimate import estimate, is_recorded
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.loss import AnswerLoss
from glm_core.training.steps.recompute import recompute
from tests.training.small import prompts, small, stir

SETTINGS = {
    "lora": TrainingSettings(lora_rank=4, lora_dropout=0.4, lora_targets="all-linear"),
    "prefix": TrainingSettings(method="ptuning", prefix_length=5),
    "dora": TrainingSettings(lora_rank=4, lora_dropout=0.4, dora=True),
}


def prepare(kind, method, folder):
    loaded = models.load(small(kind, folder), device="cpu")
    attach.attach(loaded, SETTINGS[method])
    stir(loaded)
    fused_lora.fuse_lora_layers(loaded.model)
    loaded.model.train()
    return loaded


def step(loaded, recomputed=False):
    """Loss, gradients, and the next random number, of one batch with dropout."""
    ids = prompts(loaded, count=3, length=16)
    labels = ids.clone()
    labels[:, :10] = -100
    loss = AnswerLoss(loaded.model, loaded.family.architecture)
    torch.manual_seed(7)
    found = loss(ids, torch.ones_like(ids), labels)["loss"]
    gradients = torch.autograd.grad(found, [weight for weight in loss.parameters() if weight.requires_grad])
    return found, gradients, torch.rand(())


@pytest.mark.parametrize("method", SETTINGS)
@pytest.mark.parametrize("kind", ["chatglm", "glm", "bloom"])
def test_loss_gradients_and_random_numbers_are_those_of_kept_activations(kind, method, tmp_path):
    loaded = prepare(kind, method, tmp_path)
    kept = step(loaded)
    assert recompute(loaded.model, 2) == (method != "dora")
    again = step(loaded)
    assert torch.equal(kept[0], again[0]) and torch.equal(kept[2], again[2])
    for one, other in zip(kept[1], again[1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    torch.manual_seed(8)
    loaded.model.eval()
    without = AnswerLoss(loaded.model, loaded.family.architecture)
    ids = prompts(loaded, count=3, length=16)
    if method != "prefix":
        assert not torch.equal(without(ids, torch.ones_like(ids), ids)["loss"], kept[0]), "dropout acts"


def test_a_network_with_dropout_of_its_own_is_recomputed_but_not_recorded(tmp_path):
    loaded = prepare("bloom", "lora", tmp_path)
    for block in loaded.model.transformer.h:
        block.self_attention.attention_dropout.p = 0.1
    assert recompute(loaded.model, 2) is False
    assert not is_recorded("cuda", "bfloat16", False) and is_recorded("cuda", "bfloat16", True)
    assert not is_recorded("cuda", "float16", True)


def test_the_estimate_counts_the_masks_that_are_kept():
    config = {"model_type": "chatglm", "vocab_size": 130528, "hidden_size": 4096, "num_layers": 28}
    config |= {"num_attention_heads": 32, "inner_hidden_size": 16384}
    settings = TrainingSettings(micro_batch=16, gradient_checkpointing="on", precision="bfloat16")
    without, with_masks = (
        estimate(config, settings.changed(lora_dropout=rate), longest=128, device="cuda").parts["activations"]
        for rate in (0.0, 0.1)
    )
    assert with_masks - without >= 28 * 16 * 128 * 4096
