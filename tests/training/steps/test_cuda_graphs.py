"""What is recorded computes the same loss and gradients, whatever rows of one shape come; needs a CUDA GPU to replay."""

from contextlib import nullcontext

import pytest
import torch

from glm_core import models
from glm_core.adapters import attach, fused_lora
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps import cuda_graphs
from glm_core.training.steps.loss import IGNORED, AnswerLoss
from glm_core.training.steps.recompute import recompute
from tests.training.small import prompts, small, stir

METHODS = {
    "lora": TrainingSettings(lora_rank=4, lora_dropout=0.0),
    "pissa": TrainingSettings(lora_rank=4, lora_dropout=0.0, pissa=True),
    "prefix": TrainingSettings(method="ptuning", prefix_length=5),
}


def prepare(kind, method, folder, device="cpu", way="kept"):
    loaded = models.load(small(kind, folder), device=torch.device(device))
    attach.attach(loaded, METHODS[method])
    stir(loaded)
    fused_lora.fuse_lora_layers(loaded.model)
    loaded.model.train()
    loss = AnswerLoss(loaded.model, loaded.family.architecture, packed=way == "packed")
    if way == "recomputed":
        assert recompute(loaded.model, 2)
    return loaded, loss, [weight for weight in loss.parameters() if weight.requires_grad]


def batch(loaded, number):
    """Three rows of 16 tokens, other ones and another number of padded ones and of targets for every `number`."""
    ids = prompts(loaded, count=3, length=16)
    ids[:, :10] = torch.randint(6, 60, (3, 10), generator=torch.Generator().manual_seed(number))
    labels, mask = ids.clone(), torch.ones_like(ids)
    labels[:, : 10 + number % 3] = IGNORED
    labels[0, 15 - number % 2 :], mask[0, 15 - number % 2 :] = IGNORED, 0
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


@pytest.mark.parametrize("rows", [1, 4, 16])
@pytest.mark.parametrize("length", range(1, 700, 7))
def test_lengths_are_rounded_by_little(length, rows):
    rounded = cuda_graphs.round_length(length, rows)
    few = max(8, cuda_graphs.FEW_TOKENS // rows)
    assert rounded % 8 == 0 and length <= rounded <= max(length + few - 1, length * 1.13)
    assert cuda_graphs.round_length(rounded, rows) == rounded


def test_few_lengths_remain():
    assert len({cuda_graphs.round_length(length, 16) for length in range(1, 577)}) <= 40
    assert {cuda_graphs.round_length(length, 1) for length in range(1, 129)} == {64, 128}


@pytest.mark.parametrize("kind", ["chatglm", "glm", "glm4", "bloom"])
def test_a_plan_with_room_to_spare_gives_the_same_loss_and_gradients(kind, tmp_path):
    loaded, loss, weights = prepare(kind, "lora", tmp_path)
    rows = batch(loaded, 0)
    exact, roomy = loss.plan(**rows), loss.plan(**rows, most=24)
    assert len(roomy["places"]) == 24 > len(exact["places"])
    one, other = loss.compute(**exact), loss.compute(**roomy)
    assert abs(one - other) < 1e-6
    for a, b in zip(torch.autograd.grad(one, weights), torch.autograd.grad(other, weights), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
@pytest.mark.parametrize("way", ["kept", "recomputed", "packed"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["chatglm", "glm", "glm4", "bloom"])
def test_replayed_steps_equal_ordinary_ones(kind, method, way, tmp_path, monkeypatch):
    monkeypatch.setattr("glm_core.models.prefix_tuning.DROPOUT", 0.0)
    loaded, loss, weights = prepare(kind, method, tmp_path, "cuda", way)
    errors = []
    steps = cuda_graphs.CudaGraphStep(loss, batch(loaded, 0), errors.append)
    for number in range(6):
        rows = batch(loaded, number)
        on_gpu = {name: tensor.cuda() for name, tensor in rows.items()}
        expected = loss(**on_gpu, num_items_in_batch=20)["loss"]
        wanted = torch.autograd.grad(expected, weights)
        for times in (1, 2):  # the second time the gradients add up
            found = steps(rows, 20)
            assert found is not None, errors
            assert abs(found - expected) < 1e-4
            for weight, gradient in zip(weights, wanted, strict=True):
                slack = 1e-3 * times * gradient.abs().max()  # a GPU adds up in another order
                assert (weight.grad - times * gradient).abs().max() < slack + 1e-5
        loss.zero_grad()
    assert not errors


def test_what_cannot_be_recorded_is_computed_the_ordinary_way(tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.random, "fork_rng", lambda _devices: nullcontext())
    loaded, loss, _ = prepare("chatglm", "lora", tmp_path)
    errors = []
    steps = cuda_graphs.CudaGraphStep(loss, batch(loaded, 0), errors.append, refuse)
    assert [steps(batch(loaded, 0), 3) for _ in range(5)] == [None] * 5
    assert len(errors) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
def test_dropout_goes_on_after_a_recording_that_failed(tmp_path, monkeypatch):
    compute = AnswerLoss.compute

    def wait(self, **plan):
        result = compute(self, **plan)
        if torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize()  # which is not allowed
        return result

    monkeypatch.setattr(AnswerLoss, "compute", wait)
    loaded, loss, weights = prepare("chatglm", "prefix", tmp_path, "cuda")
    errors = []
    steps = cuda_graphs.CudaGraphStep(loss, batch(loaded, 0), errors.append)
    assert steps(batch(loaded, 0), 3) is None and len(errors) == 1
    on_gpu = {name: tensor.cuda() for name, tensor in batch(loaded, 0).items()}
    losses = [loss(**on_gpu, num_items_in_batch=20)["loss"] for _ in range(2)]
    assert losses[0] != losses[1]  # something else was dropped
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(losses[0], weights))
