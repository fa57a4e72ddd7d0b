"""Decoding steps on a processor read weights in few bytes, and give what the layers themselves give."""

import pytest
import torch
from torch import nn

from glm_core import models
from glm_core.models import quantization
from glm_core.models.kernels import processor
from glm_core.models.kernels.processor import HalfReadLinear, decoding, read_as_halves, side_by_side
from tests.tiny import tiny_chatglm

WIDE, OUT = 96, 64
needs_products = pytest.mark.skipif(not processor._has_products(), reason="no such products for this processor")


def linear(out=OUT, dtype=torch.bfloat16, bias=True, seed=0):
    torch.manual_seed(seed)
    layer = nn.Linear(WIDE, out, bias=bias).requires_grad_(False)
    layer.weight.copy_(layer.weight.to(dtype))
    return layer


def rows(count, seed=1):
    return torch.randn(count, WIDE, generator=torch.Generator().manual_seed(seed))


@needs_products
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_a_half_type_are_read_as_halves_without_loss(dtype):
    layer, states = linear(dtype=dtype), rows(5)
    exact = (states.double() @ layer.weight.double().T + layer.bias.double()).float()
    halved = HalfReadLinear(layer)
    with torch.inference_mode(), decoding():
        found, alone = halved(states), torch.cat([halved(row[None]) for row in states])
        deep = halved(states[None])
    assert halved.laid_out[1][1] is not None
    torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-6)
    assert torch.equal(deep[0], found)
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        assert torch.equal(found, alone)
    else:  # FBGEMM sums one row, two rows and more in ways of their own there
        torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-6)


def test_weights_that_halves_cannot_hold_are_read_as_they_are():
    layer, states = linear(dtype=torch.float32), rows(2)
    halved = HalfReadLinear(layer)
    with torch.inference_mode(), decoding():
        assert torch.equal(halved(states), layer(states))


@pytest.mark.parametrize("count", [3, processor.MOST_ROWS + 1])
def test_training_and_many_rows_take_the_usual_way(count):
    layer = linear()
    halved, states = HalfReadLinear(layer), rows(count).requires_grad_(count == 3)
    with decoding(), torch.set_grad_enabled(count == 3):
        assert torch.equal(halved(states), layer(states))
    assert not halved.laid_out


@needs_products
@pytest.mark.parametrize("method", [None, "int8"])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_one_input_give_side_by_side_what_each_gives_alone(method, bias):
    model = nn.ModuleList([linear(out, bias=bias, seed=out) for out in (64, 32, 32)])
    if method:
        for name in list(dict(model.named_children())):
            quantization.quantize(model, name, method)
    else:
        read_as_halves(model)
    model[1].register_forward_hook(lambda module, inputs, output: output + inputs[0].sum(1, keepdim=True))
    states = rows(3)
    with torch.inference_mode(), decoding():
        together = side_by_side(states, *model)
        assert [list(layer.laid_out) for layer in model] == [[3], [], []]
        alone = [layer(states) for layer in model]
        assert [list(layer.laid_out) for layer in model] == [[1], [1], [1]], "each weight once"
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert [one.shape[1] for one in side_by_side(states, *model)] == [64, 32, 32]  # outside of a step


@needs_products
def test_layers_of_which_one_cannot_be_laid_out_are_not_laid_out_anew_at_every_step():
    layers = [HalfReadLinear(linear(dtype=dtype)) for dtype in (torch.bfloat16, torch.float32)]
    with torch.inference_mode(), decoding():
        first = side_by_side(rows(2), *layers)
        kept = [dict(layer.laid_out) for layer in layers]
        assert all(map(torch.equal, first, side_by_side(rows(2), *layers)))
    assert [sorted(one) for one in kept] == [[1, 2], [1]] and kept[0][1][1] is not None
    assert all(layer.laid_out[count] is one[count] for layer, one in zip(layers, kept, strict=True) for count in one)


@needs_products
def test_a_bias_of_some_layers_only_keeps_products_apart():
    layers = [HalfReadLinear(linear(bias=bias, seed=bias)) for bias in (True, False)]
    states = rows(2)
    with torch.inference_mode(), decoding():
        together = side_by_side(states, *layers)
        for one, layer in zip(together, layers, strict=True):
            assert torch.equal(one, layer(states))


@needs_products
def test_weights_that_come_later_are_laid_out_anew():
    layer = HalfReadLinear(linear(bias=False))
    states = rows(1)
    with torch.no_grad(), decoding():
        before = layer(states)
        layer.weight.neg_()
        assert torch.equal(layer(states), -before)


@pytest.mark.parametrize(("free", "halved"), [(2**30, True), (2**10, False)])
def test_a_model_on_a_processor_is_read_as_halves_where_there_is_room(tmp_path, monkeypatch, free, halved):
    monkeypatch.setattr(processor, "memory", lambda: (2**31, free))
    loaded = models.load(tiny_chatglm(tmp_path), device="cpu")
    layers = [module for module in loaded.model.modules() if isinstance(module, nn.Linear)]
    assert all(isinstance(layer, HalfReadLinear) is halved for layer in layers)
    assert loaded.model.lm_head.weight is loaded.model.transformer.word_embeddings.weight
