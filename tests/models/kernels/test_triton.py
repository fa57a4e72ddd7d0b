"""The Triton kernels against the plain computation; without a GPU in Triton's interpreter (conftest.py), where it is installed."""

import pytest
import torch
import torch.nn.functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytest.importorskip("triton", reason="Triton comes with torch for NVIDIA cards")

from glm_core.models import quantization  # noqa: E402
from glm_core.models.architectures.chatglm import attention  # noqa: E402
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig  # noqa: E402
from glm_core.models.architectures.chatglm.decode_step import step_mlp  # noqa: E402
from glm_core.models.architectures.chatglm.modeling import ChatGLMMLP  # noqa: E402
from glm_core.models.kernels import dispatch, triton  # noqa: E402

ROWS = (1, 3, 16)


def randn(*shape):
    return torch.randn(*shape, device=DEVICE)


def linear(states, weight, *others, **more):
    """The kernel's product with a weight that has just been made, which it does not wait for."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return triton.linear(states, weight, *others, **more)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("width", [64, 96])
def test_the_sum_is_normalized(rows, width):
    states, normed, weight, bias = randn(rows, width), randn(rows, width), randn(width), randn(width)
    expected = F.layer_norm(states + 7.5 * normed, (width,), weight, bias, 1e-5)
    torch.testing.assert_close(triton.add_norm(states, normed, 7.5, weight, bias, 1e-5), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("two_axes", [True, False])
@pytest.mark.parametrize("capacity", [256, 40])
@pytest.mark.parametrize("matrix_units", [True, False])
def test_a_token_is_rotated_remembered_and_attends_to_its_own_row(rows, two_axes, capacity, matrix_units, monkeypatch):
    monkeypatch.setattr(triton, "MATRIX_UNITS", matrix_units)
    heads, width = 2, 32
    config = ChatGLMConfig(hidden_size=heads * width, num_attention_heads=heads, position_encoding_2d=two_axes)
    lengths = torch.randint(0, capacity, (rows,), device=DEVICE)
    lengths[0] = 0
    lengths[-1] = capacity // 2 + 2
    fused, positions = randn(rows, 3 * heads * width), torch.randint(0, 200, (rows, 2, 1), device=DEVICE)
    keys, values = randn(rows, heads, capacity, width), randn(rows, heads, capacity, width)
    cosine, sine = attention.Rotary(config)(positions, 300, fused)
    query, key, value = attention.split_rotated(fused.view(rows, 1, heads, 3, width), cosine, sine)
    all_keys, all_values = keys.clone(), values.clone()
    number = torch.arange(rows, device=DEVICE)
    all_keys[number, :, lengths], all_values[number, :, lengths] = key[:, :, 0], value[:, :, 0]
    column = torch.arange(capacity, device=DEVICE)
    ahead, log_scale = torch.randint(0, 9, (rows,), device=DEVICE).clamp(max=lengths), randn(rows)
    log_scale[-1] = -torch.inf
    mask = torch.where(column < ahead[:, None], log_scale[:, None], 0.0).masked_fill(
        column > lengths[:, None], -torch.inf
    )
    expected = F.scaled_dot_product_attention(query, all_keys, all_values, mask[:, None, None]).reshape(rows, -1)
    found = triton.attend(fused, cosine, sine, keys, values, lengths, ahead, log_scale)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(keys, all_keys, rtol=1e-5, atol=1e-6)
    assert torch.equal(values, all_values)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("outputs, wide", [(64, 1024), (40, 96), (24, 5000), (2048, 8192)])
def test_a_packed_weight_is_multiplied_as_it_is(bits, rows, dtype, outputs, wide):
    if DEVICE == "cpu" and (dtype != torch.float32 or outputs > 64):
        pytest.skip("Triton's interpreter has no assembly, and no time")
    weight = torch.randint(-128, 128, (outputs, wide * bits // 8), dtype=torch.int8, device=DEVICE)
    states, scale, bias = randn(rows, wide).to(dtype), (randn(outputs).abs() / 100).half(), randn(outputs)
    plain = F.linear(states.float(), quantization.unpack(weight, scale, bits, torch.float32))
    most = 1e-3 if dtype != torch.bfloat16 else 3e-3  # bfloat16 rounds the result by 2e-3
    for found, expected in (
        (linear(states, weight, scale, bias), plain + bias),
        (linear(states, weight, scale, None), plain),
    ):
        assert (found.float() - expected).norm() < most * expected.norm()


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("outputs, wide", [(64, 1024), (40, 96), (8192, 4096)])
def test_a_plain_weight_is_multiplied_too(rows, outputs, wide):
    if DEVICE == "cpu" and outputs > 64:
        pytest.skip("Triton's interpreter has no time")
    states, weight, bias = randn(rows, wide), randn(outputs, wide), randn(outputs)
    torch.testing.assert_close(
        linear(states, weight, None, bias),
        F.linear(states, weight, bias),
        rtol=1e-4,
        atol=1e-3 if wide > 2048 else 1e-4,
    )


def test_each_row_gets_its_own_adapter():
    rows, wide, outputs = 5, 700, 530
    states, out, a, b = randn(rows, wide), randn(rows, outputs), randn(12, wide), randn(12, outputs)
    start = torch.tensor([0, 0, 4, 9, 9], dtype=torch.int32, device=DEVICE)
    count = torch.tensor([4, 0, 5, 3, 0], dtype=torch.int32, device=DEVICE)
    expected = out.clone()
    for row in range(rows):
        own = slice(int(start[row]), int(start[row] + count[row]))
        expected[row] += (states[row] @ a[own].T) @ b[own]
    triton.add_lora(out, states, a, b, start, count, 5)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("widths", [(512, 256, 40), (256, 300)])
def test_layers_side_by_side_get_their_own_adapters_at_once(widths):
    rows, wide, ranks = 3, 70, 9
    states, out = randn(rows, wide), randn(rows, sum(widths))
    a, b = randn(len(widths) * ranks, wide), randn(ranks, sum(widths))
    start = torch.tensor([0, 4, 0], dtype=torch.int32, device=DEVICE)
    count = torch.tensor([4, 5, 0], dtype=torch.int32, device=DEVICE)
    expected = out.clone()
    for own_a, own_b, own in zip(a.split(ranks), b.split(widths, 1), expected.split(widths, 1), strict=True):
        for row in range(rows):
            ours = slice(int(start[row]), int(start[row] + count[row]))
            own[row] += (states[row] @ own_a[ours].T) @ own_b[ours]
    triton.add_lora(out, states, a, b, start, count, 5, widths)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("rows", ROWS)
def test_gelu_is_the_tanh_form(rows):
    states = 3 * randn(rows, 700)
    torch.testing.assert_close(triton.gelu(states), F.gelu(states, approximate="tanh"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("outputs, wide", [(64, 1024), (40, 96), (8192, 256), (16384, 256)])
def test_a_product_makes_its_own_gelu(rows, outputs, wide):
    states, weight = randn(rows, wide), randn(outputs, wide) / wide**0.5
    bias = randn(outputs)
    expected = F.gelu(F.linear(states, weight, bias), approximate="tanh")
    torch.testing.assert_close(linear(states, weight, None, bias, gelu=True), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("width", [7, 4096, 13000])
def test_the_first_of_the_highest_logits_is_chosen_if_it_is_a_number(width, dtype):
    logits = torch.randn(6, width, device=DEVICE).to(dtype)
    logits[1, [2, 5, -1]] = 9.0
    logits[2, -1], logits[3, 3], logits[4] = 11.0, float("nan"), -float("inf")
    logits[5, 4], logits[0, 1] = float("inf"), -float("inf")
    found = triton.argmax_finite(logits)
    assert found.tolist() == [int(logits[0].argmax()), 2, width - 1, -1, -1, -1] and found.dtype == torch.long
    wide = torch.randn(3, 2 * width, device=DEVICE).to(dtype)
    for part in (wide[:, :width], wide[:, ::2]):
        assert triton.argmax_finite(part).tolist() == part.argmax(-1).tolist()


def test_large_products_and_gelus_of_one_row_are_the_kernels(monkeypatch):
    calls = []
    for name in ("linear", "gelu"):
        own = getattr(triton, name)
        monkeypatch.setattr(triton, name, lambda *arguments, name=name, own=own: calls.append(name) or own(*arguments))
    wide, narrow, states = torch.nn.Linear(64, 1024).to(DEVICE), torch.nn.Linear(64, 8).to(DEVICE), randn(1, 64)
    with torch.no_grad():
        expected = [
            wide(states),
            narrow(states),
            F.gelu(states, approximate="tanh"),
            wide(states)[None],
            F.gelu(states),
        ]
        with dispatch.decode_kernels(triton, 1):
            found = [
                wide(states),
                narrow(states),
                F.gelu(states, approximate="tanh"),
                wide(states[None]),
                F.gelu(states),
            ]
        assert calls == ["linear", "gelu", "linear"]
        calls.clear()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        half = torch.nn.Linear(64, 1024, dtype=torch.float16, device=DEVICE)
        for several in (True, False):  # whether this card has room for the tiles of several rows
            monkeypatch.setattr(triton, "SEVERAL", several)
            with dispatch.decode_kernels(triton, 2), dispatch.decode_kernels(None, 1):
                half(randn(2, 64).half())
        assert calls == ["linear"]
        with dispatch.decode_kernels(triton, 1):
            F.linear(states, wide.weight * 2)  # a weight that has just been computed, as DoRA has them
        assert calls == ["linear"]


def test_a_packed_layer_takes_tokens_in_rows_of_their_own(monkeypatch):
    layer = quantization.PackedLinear(64, 96, True, 8).to(DEVICE)
    packed, scale = quantization.pack8(randn(96, 64))
    layer.weight.data, layer.weight_scale.data, layer.bias.data = packed, scale, randn(96)
    states = randn(3, 1, 64)
    expected = F.linear(states, layer.dense(), layer.bias)
    monkeypatch.setattr(quantization, "kernels_for", lambda rows: triton if rows.dim() == 2 else None)
    with torch.no_grad():
        torch.testing.assert_close(layer(states), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("width", [16, 24])
def test_answers_are_those_of_the_plain_computation(tmp_path, monkeypatch, width):
    """Through a whole step: prefixes at two strengths, LoRA and base in one batch; heads also of a width that is no block of Triton's."""
    from glm_core import models
    from glm_core.models.architectures.chatglm import decode_step
    from glm_core.serving.base import LoadedBase
    from glm_core.serving.session import Session
    from tests.serving import test_families
    from tests.tiny import tiny_chatglm

    folder = tiny_chatglm(tmp_path / "tiny", hidden_size=4 * width, num_attention_heads=4)
    monkeypatch.setattr(test_families, "load", lambda name: models.load(folder))
    choices = test_families.adapt("chatglm", tmp_path)
    texts, calls = [], []
    for use in (False, True):
        monkeypatch.setattr(
            decode_step, "kernels_for", lambda states, use=use: calls.append(use) or (triton if use else None)
        )
        session = Session(models.load(folder), LoadedBase("chatglm", tmp_path, "chatglm", 512, {}, 0.0))
        handles = [test_families.begin(session, choice, "你好", 12) for choice in choices]
        test_families.finish(session)
        texts.append([handle.text for handle in handles])
    assert texts[0] == texts[1] and set(calls) == {False, True} and len(set(texts[0])) == len(choices)


def test_gelu_is_the_products_unless_something_comes_between(monkeypatch):
    config = ChatGLMConfig(hidden_size=32, inner_hidden_size=128, num_attention_heads=2)
    mlp, states, calls = ChatGLMMLP(config).to(DEVICE).requires_grad_(False), randn(1, 32), []
    monkeypatch.setattr(
        triton, "linear", lambda *all_, own=triton.linear, **more: calls.append(1) or own(*all_, **more)
    )
    with torch.no_grad():
        torch.testing.assert_close(step_mlp(mlp, states, triton), mlp(states), rtol=1e-4, atol=1e-5)
        assert calls == [1]
        hook = mlp.dense_h_to_4h.register_forward_hook(
            lambda module, inputs, output: output + 1
        )  # as an adapter has one
        torch.testing.assert_close(step_mlp(mlp, states, triton), mlp(states), rtol=1e-4, atol=1e-5)
        hook.remove()
        mlp.dense_h_to_4h = torch.nn.Sequential(mlp.dense_h_to_4h, torch.nn.Tanh())
        torch.testing.assert_close(step_mlp(mlp, states, triton), mlp(states), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(step_mlp(mlp, states, None), mlp(states))
    assert calls == [1]
