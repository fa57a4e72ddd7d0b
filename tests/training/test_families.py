"""What is trained is the model's own loss, on every architecture, with every kind of adapter, recomputed or not."""

import pytest
import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from glm_core import models
from glm_core.adapters import attach
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.loss import AnswerLoss
from glm_core.training.steps.recompute import recompute
from tests.closeness import gap
from tests.training.small import prompts, small, stir

KINDS = ("chatglm", "chatglm3", "glm", "glm4", "bloom")
SETTINGS = {
    "lora": TrainingSettings(lora_rank=4, lora_dropout=0.0, lora_targets="all-linear"),
    "prefix": TrainingSettings(method="ptuning", prefix_length=5),
}


@pytest.fixture(params=KINDS)
def base(request, tmp_path):
    return small(request.param, tmp_path / "base")


@pytest.fixture(params=SETTINGS)
def settings(request):
    return SETTINGS[request.param]


def batch(loaded):
    """Right-padded rows of unlike lengths; the answers are what is learnt."""
    ids = prompts(loaded, count=3, length=12)
    labels, mask = ids.clone(), torch.ones_like(ids)
    labels[:, :-2] = -100
    pad = loaded.model.config.pad_token_id or 0
    ids = torch.cat([ids, torch.full((3, 3), pad)], 1)
    labels, mask = (torch.cat([t, torch.full((3, 3), fill)], 1) for t, fill in ((labels, -100), (mask, 0)))
    ids[0, -3:] = torch.tensor([7, 8, 9])
    labels[0, -3:], mask[0, -3:] = ids[0, -3:], 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def gradients(loaded, loss):
    loaded.model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in loaded.model.named_parameters() if p.requires_grad}


def prepare(base, settings):
    loaded = models.load(base)
    attach.attach(loaded, settings)
    stir(loaded)
    loaded.model.eval()  # no dropout; whether gradients flow does not depend on it
    return loaded


def test_loss_and_gradients_are_the_models_own(base, settings):
    loaded = prepare(base, settings)
    rows = batch(loaded)
    expected = loaded.model(**rows, use_cache=False).loss
    wanted = gradients(loaded, expected)
    found = AnswerLoss(loaded.model, loaded.family.architecture)(**rows)["loss"]
    assert abs(found - expected) < 1e-5
    assert wanted and max(gradient.abs().max() for gradient in wanted.values()) > 1e-4
    for name, gradient in gradients(loaded, found).items():
        assert gap(gradient, wanted[name]) < 2e-4, name


@pytest.mark.parametrize("layers", [1, 2])
def test_recomputing_activations_changes_no_gradient(base, settings, layers, monkeypatch):
    monkeypatch.setattr("glm_core.models.prefix_tuning.DROPOUT", 0.0)
    loaded = prepare(base, settings)
    rows = batch(loaded)
    for module in loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    loaded.model.train()
    loss = AnswerLoss(loaded.model, loaded.family.architecture)
    plain = gradients(loaded, loss(**rows)["loss"])
    recompute(loaded.model, layers)
    blocks = [module for module in loaded.model.modules() if isinstance(module, GradientCheckpointingLayer)]
    assert [block.gradient_checkpointing for block in blocks] == [number < layers for number in range(len(blocks))]
    for name, gradient in gradients(loaded, loss(**rows)["loss"]).items():
        assert gap(gradient, plain[name]) < 1e-5, name


def test_padding_does_not_change_what_a_row_teaches(base, settings):
    loaded = prepare(base, settings)
    rows = batch(loaded)
    loss = AnswerLoss(loaded.model, loaded.family.architecture)
    together = loss(**rows, num_items_in_batch=1)["loss"]
    alone = sum(
        loss(
            **{name: t[i : i + 1, : int(rows["attention_mask"][i].sum())] for name, t in rows.items()},
            num_items_in_batch=1,
        )["loss"]
        for i in range(3)
    )
    assert abs(together - alone) < 1e-3


def test_lora_on_the_head_trains_it(tmp_path):
    """A trainable head takes the ordinary way."""
    loaded = models.load(small("glm", tmp_path / "base"))
    rows = batch(loaded)
    loaded.model.requires_grad_(False)
    loaded.model.lm_head.weight.requires_grad_(True)
    expected = gradients(loaded, loaded.model(**rows).loss)["lm_head.weight"]
    found = gradients(loaded, AnswerLoss(loaded.model, loaded.family.architecture)(**rows)["loss"])["lm_head.weight"]
    assert gap(found, expected) < 2e-4 and expected.abs().max() > 1e-4
