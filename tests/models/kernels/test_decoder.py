"""The kernels of a decode step of pre-normalized decoders against the library's own forward of the whole network."""

import pytest
import torch
import torch.nn.functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytest.importorskip("triton", reason="Triton comes with torch for NVIDIA cards")

from transformers import DynamicCache  # noqa: E402
from transformers.models.auto import AutoModelForCausalLM  # noqa: E402

from glm_core.generation.kv_cache import SlotKVCache  # noqa: E402
from glm_core.generation.prefill import cache_argument  # noqa: E402
from glm_core.models.architectures import decoder_step  # noqa: E402
from glm_core.models.kernels import decoder, triton  # noqa: E402
from tests.models.kernels.networks import NETWORKS, SIZES  # noqa: E402


def randn(*shape):
    return torch.randn(*shape, device=DEVICE)


def rms(states, weight, eps):
    return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + eps) * weight


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("rows", [1, 5])
def test_the_residual_is_added_and_normalized(rows, before):
    states, residual, weight, other = randn(rows, 48), randn(rows, 48), randn(48), randn(48) if before else None
    total, normed = decoder.add_rms_norm(states, residual, weight, 1e-5, other)
    expected = residual + (rms(states, other, 1e-5) if before else states)
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(normed, rms(expected, weight, 1e-5), rtol=1e-4, atol=1e-5)


def test_the_gate_opens_as_silu_does():
    both = randn(3, 1200)
    gate, up = both.chunk(2, -1)
    torch.testing.assert_close(decoder.silu_mul(gate, up), F.silu(gate) * up, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("heads", [4, 12])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_step_gives_the_logits_of_the_networks_own_forward(kind, heads, monkeypatch):
    """Three rows of different lengths, two steps, beside whole forwards of each row; two or six heads of queries to one of keys."""
    monkeypatch.setattr(decoder_step, "kernels_for", lambda states: triton)
    made, more, pairs = NETWORKS[kind]
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(made(**SIZES | {"num_attention_heads": heads}, **more)).to(DEVICE).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(std=2 / parameter.shape[-1] ** 0.5)
        else:
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    assert decoder_step.rotation_of(model) is pairs
    rows = [torch.randint(1, 64, (1, length + 2), device=DEVICE) for length in (3, 9, 40)]
    with torch.inference_mode():
        cache = None
        for number, ids in enumerate(rows):
            own = DynamicCache()
            model(ids[:, :-2], use_cache=True, **{cache_argument(type(model)): own})
            if cache is None:
                cache = SlotKVCache(own)
                cache.reserve(len(rows), 64)
            cache.fill(number, own, 0, ids.shape[1] - 2, None, 0.0)
        cache.window(len(rows), cache.capacity, masked=True)
        for back in (2, 1):
            ids = torch.cat([row[:, row.shape[1] - back][:, None] for row in rows])
            places = torch.tensor([[row.shape[1] - back] for row in rows], device=DEVICE)
            found = decoder_step.step(model, ids, places, cache)
            cache.lengths += 1
            for logits, row in zip(found, rows, strict=True):
                whole = model(row[:, : row.shape[1] - back + 1]).logits[0, -1]
                assert (logits - whole).abs().max() < 1e-4 * whole.abs().max().clamp(min=1)
        changed = rows[2].clone()
        changed[0, 1] += 1
        assert (model(changed).logits[0, -1] - model(rows[2]).logits[0, -1]).abs().max() > 1e-2


@pytest.mark.parametrize("heads", [2, 8])
def test_parts_may_lie_in_one_tensor_or_apart(heads):
    rows, width, capacity = 3, 16, 64
    joint, lengths = randn(rows, (heads + 4) * width), torch.tensor([0, 5, 40], device=DEVICE)
    parts = joint.split([heads * width, 2 * width, 2 * width], 1)
    cosine, sine = randn(rows, width), randn(rows, width)
    keys, values, none = randn(rows, 2, capacity, width), randn(rows, 2, capacity, width), torch.zeros_like(lengths)
    found = []
    for apart in ((), (0, 1, 2), (1,), (2,)):
        given = [part.contiguous() if number in apart else part for number, part in enumerate(parts)]
        kept = keys.clone(), values.clone()
        found.append(
            (
                decoder.attend_grouped(*given, cosine, sine, *kept, lengths, none, none.float(), scale=0.3, pairs=True),
                *kept,
            )
        )
        assert all(map(torch.equal, found[-1], found[0]))
    gate, up = joint.chunk(2, 1)
    expected = F.silu(gate) * up
    for given in ((gate, up), (gate.contiguous(), up), (gate, up.contiguous())):
        torch.testing.assert_close(decoder.silu_mul(*given), expected, rtol=1e-5, atol=1e-6)


def test_other_networks_keep_their_own_forward():
    from transformers import Gemma3TextConfig

    sizes = {**SIZES, "sliding_window": 8}
    assert decoder_step.rotation_of(AutoModelForCausalLM.from_config(Gemma3TextConfig(**sizes))) is None
