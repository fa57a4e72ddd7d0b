"""The chunked loss equals the library's, in value and gradient, and never needs all logits."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers.loss.loss_utils import ForCausalLMLoss

from glm_core import models
from glm_core.training.steps.loss import answer_loss, noisy, sum_divergences
from tests.tiny import tiny_chatglm

VOCABULARY, WIDTH = 97, 16


@pytest.fixture
def case():
    torch.manual_seed(0)
    hidden = (torch.randn(3, 11, WIDTH) * 3).requires_grad_()
    head = nn.Linear(WIDTH, VOCABULARY, bias=False).requires_grad_(False)
    labels = torch.randint(0, VOCABULARY, (3, 11))
    labels[0, :6] = labels[1, 3:] = labels[2, ::2] = -100
    return hidden, head, labels


def library(hidden, head, labels, items=None):
    return ForCausalLMLoss(head(hidden), labels, VOCABULARY, num_items_in_batch=items)


@pytest.mark.parametrize("chunk", [1, 5, 256])
@pytest.mark.parametrize("items", [None, torch.tensor(40)])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_the_library_in_value_and_gradient(case, chunk, items, bias):
    hidden, head, labels = case
    if bias:
        head.bias = nn.Parameter(torch.randn(VOCABULARY), requires_grad=False)
    (expected := library(hidden, head, labels, items)).backward()
    wanted, hidden.grad = hidden.grad, None
    (loss := answer_loss(hidden, head, labels, items, chunk)).backward()
    assert abs(loss - expected) < 1e-6
    assert (hidden.grad - wanted).abs().max() < 1e-6
    assert wanted.abs().max() > 1e-3


def test_upstream_factor_reaches_the_gradient(case):
    hidden, head, labels = case
    (3 * answer_loss(hidden, head, labels)).backward()
    tripled, hidden.grad = hidden.grad, None
    answer_loss(hidden, head, labels).backward()
    assert torch.allclose(tripled, 3 * hidden.grad)


def test_trainable_head_gets_its_gradient(case):
    hidden, head, labels = case
    head.weight.requires_grad_(True)
    library(hidden, head, labels).backward()
    wanted, head.weight.grad = head.weight.grad, None
    answer_loss(hidden, head, labels, chunk=4).backward()
    assert (head.weight.grad - wanted).abs().max() < 1e-6


@pytest.mark.parametrize("trainable", [False, True])
def test_without_any_label_loss_and_gradient_are_zero(case, trainable):
    hidden, head, labels = case
    head.weight.requires_grad_(trainable)
    loss = answer_loss(hidden, head, torch.full_like(labels, -100))
    loss.backward()
    assert loss == 0 and hidden.grad.abs().max() == 0


def test_first_column_is_no_target(case):
    hidden, head, labels = case
    changed = labels.clone()
    changed[:, 0] = 5
    assert answer_loss(hidden, head, changed) == answer_loss(hidden, head, labels)


def test_no_gradient_is_computed_in_evaluation(case):
    hidden, head, labels = case
    with torch.no_grad():
        assert abs(answer_loss(hidden, head, labels) - library(hidden, head, labels)) < 1e-6


def test_half_precision_keeps_the_sum_in_float32(case):
    hidden, head, labels = case
    half = hidden.detach().bfloat16().requires_grad_()
    loss = answer_loss(half, head.bfloat16(), labels)
    loss.backward()
    assert loss.dtype == torch.float32 and half.grad.dtype == torch.bfloat16
    assert torch.allclose(loss, library(half, head, labels), rtol=1e-3)


def test_noise_on_the_embeddings_is_bounded_and_only_there_while_training(tmp_path):
    loaded = models.load(tiny_chatglm(tmp_path / "tiny"))
    table, ids = loaded.model.get_input_embeddings(), torch.tensor([[5, 6, 7, 8]], device=loaded.model.device)
    plain = table(ids)
    with noisy(loaded.model, 5.0):
        loaded.model.train()
        one, other = table(ids), table(ids)
        loaded.model.eval()
        assert torch.equal(table(ids), plain)
    bound = 5.0 / (4 * plain.shape[-1]) ** 0.5
    assert not torch.equal(one, other) and 0.1 * bound < (one - plain).abs().max() <= bound + 1e-6
    loaded.model.train()
    assert torch.equal(table(ids), plain)


@pytest.mark.parametrize("chunk", [1, 5, 256])
@pytest.mark.parametrize("plain", [True, False], ids=["head", "capped"])
def test_divergence_equals_the_library_in_value_and_gradient(case, chunk, plain):
    hidden, head, _ = case
    head.bias = nn.Parameter(torch.randn(VOCABULARY), requires_grad=False)
    makes = head if plain else lambda states: 5 * torch.tanh(head(states) / 5)
    places, states = torch.tensor([1, 2, 7, 12, 20, 30, 32]), torch.randn(7, WIDTH) * 3
    scores = F.log_softmax(makes(hidden.flatten(0, 1)[places]), -1)
    expected = F.kl_div(scores, F.log_softmax(makes(states), -1), reduction="sum", log_target=True)
    (3 * expected).backward()
    wanted, hidden.grad = hidden.grad, None
    (3 * (found := sum_divergences(hidden, makes, places, states, chunk))).backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5) and expected > 1
    assert (hidden.grad - wanted).abs().max() < 1e-5 < 1e-2 < wanted.abs().max()


def test_divergence_of_no_place_and_of_equal_states_is_zero(case):
    hidden, head, _ = case
    places = torch.arange(4)
    for some, states in ((places, hidden.flatten(0, 1)[places].detach()), (places[:0], hidden[0, :0].detach())):
        (found := sum_divergences(hidden, head, some, states)).backward()
        assert abs(found) < 1e-5 and hidden.grad.abs().max() < 1e-5
