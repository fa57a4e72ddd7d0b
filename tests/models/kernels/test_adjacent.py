"""Layers of one input whose weights lie one behind the other; without a GPU the kernels run in Triton's interpreter."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from glm_core.models import quantization
from glm_core.models.kernels import adjacent
from glm_core.models.kernels.processor import side_by_side
from glm_core.serving.batching import batched_lora
from glm_core.serving.batching.batched_lora import RowLora

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WIDTHS = {"q_proj": 512, "k_proj": 256, "v_proj": 256}


class Attention(nn.Module):
    """The layers of an attention that have one input."""

    def __init__(self, bias=True):
        super().__init__()
        for name, width in WIDTHS.items():
            setattr(self, name, nn.Linear(64, width, bias=bias))


class Network(nn.Module):
    """What a batch of adapters asks of a model."""

    def __init__(self, bias=True):
        super().__init__()
        self.attention, self.embedding = Attention(bias), nn.Embedding(3, 64)

    def get_input_embeddings(self):
        return self.embedding


def make(bias=True) -> Network:
    torch.manual_seed(1)
    return Network(bias).to(DEVICE).requires_grad_(False)


def siblings(model) -> list[nn.Module]:
    return [getattr(model.attention, name) for name in WIDTHS]


@pytest.fixture
def kernels(monkeypatch):
    """Let the kernels serve, whatever device there is."""
    pytest.importorskip("triton", reason="Triton comes with torch for NVIDIA cards")
    from glm_core.models.kernels import triton

    for module in (adjacent, batched_lora):
        monkeypatch.setattr(module, "kernels_for", lambda states: triton)
    return triton


@pytest.mark.parametrize("bias", [True, False])
def test_weights_are_moved_one_behind_the_other_and_kept_once(bias):
    model, states = make(bias), torch.randn(3, 64, device=DEVICE)
    before = [layer(states) for layer in siblings(model)]
    adjacent.lay_adjacent(model)
    weights = [layer.weight for layer in siblings(model)]
    joined = adjacent.adjoining(weights)
    assert joined.shape == (1024, 64) and torch.equal(joined, torch.cat(list(weights)))
    assert len({weight.untyped_storage().data_ptr() for weight in weights}) == 1
    assert joined.untyped_storage().nbytes() == 1024 * 64 * 4
    torch.testing.assert_close([layer(states) for layer in siblings(model)], before)
    adjacent.lay_adjacent(model)
    assert adjacent.adjoining(weights).data_ptr() == joined.data_ptr(), "what lies right stays"


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("method", [None, "int8"])
def test_one_product_gives_what_each_layer_gives(rows, method, kernels):
    model, states = make(), torch.randn(rows, 64, device=DEVICE)
    for name in WIDTHS if method else ():
        quantization.quantize(model.attention, name, method)
    layers = siblings(model)
    with torch.no_grad():
        assert adjacent.adjacent_product(states, layers) is None, "they lie apart"
        adjacent.lay_adjacent(model)
        product = adjacent.adjacent_product(states, layers)
        expected = torch.cat([layer(states) for layer in layers], 1)
    torch.testing.assert_close(product, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


def test_layers_on_which_an_adapter_acts_are_asked_one_by_one(kernels):
    model, states = make(), torch.randn(3, 64, device=DEVICE)
    adjacent.lay_adjacent(model)
    plain = [layer(states) for layer in siblings(model)]
    peft = get_peft_model(model, LoraConfig(target_modules=["q_proj", "v_proj"], r=2, init_lora_weights=False))
    with torch.no_grad():
        assert adjacent.adjacent_product(states, siblings(model)) is None
        changed = side_by_side(states, *siblings(model))
        assert not torch.allclose(changed[0], plain[0]) and torch.allclose(changed[1], plain[1])
        with peft.disable_adapter():
            assert adjacent.adjacent_product(states, siblings(model)).shape == (3, 1024)


RANKS = {"a": 2, "bb": 3}


def factors(slot, names=("q_proj", "v_proj")):
    """Of query and value; the key has none."""
    torch.manual_seed(len(slot))
    rank = RANKS[slot]
    return {
        f"attention.{name}": (torch.randn(rank, 64, device=DEVICE), torch.randn(WIDTHS[name], rank, device=DEVICE), 0.5)
        for name in names
    }


def answers(model, states, lora):
    with torch.no_grad(), lora.acting():
        return [part.clone() for part in side_by_side(states, *siblings(model))]


def test_rows_get_the_adapters_of_all_siblings_at_once_or_by_each_ones_hook(kernels, monkeypatch):
    model, states = make(), torch.randn(3, 64, device=DEVICE)
    with torch.no_grad():
        plain = [layer(states) for layer in siblings(model)]
    adjacent.lay_adjacent(model)
    held, calls = {slot: factors(slot) for slot in RANKS}, []
    own = kernels.add_lora
    monkeypatch.setattr(kernels, "add_lora", lambda *given: calls.append(len(given)) or own(*given))
    lora = RowLora(model, held.__getitem__)
    lora.arrange(["bb", None, "a"], 3)
    together = answers(model, states, lora)
    assert len(calls) == 1, "one kernel for all of them"
    vars(model.attention.q_proj).pop("add_together")
    by_kernels = answers(model, states, lora)
    assert len(calls) == 1 + 3
    monkeypatch.setattr(batched_lora, "kernels_for", lambda states: None)
    by_torch = answers(model, states, lora)
    torch.testing.assert_close(together, by_torch, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(by_kernels, by_torch, rtol=1e-4, atol=1e-4)
    for number, (name, found, without) in enumerate(zip(WIDTHS, together, plain, strict=True)):
        expected = without.clone()
        for row, slot in ((0, "bb"), (2, "a")):
            if f"attention.{name}" in held[slot]:
                first, second, scale = held[slot][f"attention.{name}"]
                expected[row] += scale * (second @ (first @ states[row]))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert torch.allclose(found, without, rtol=1e-4, atol=1e-4) is (number == 1), "the key has no adapter"


def test_what_is_recorded_with_some_adapters_holds_for_those_of_other_layers():
    model, seen = make(), []
    held = {"a": factors("a"), "bb": factors("bb", ("q_proj", "k_proj", "v_proj"))}
    lora = RowLora(model, held.__getitem__)
    for slot in ("bb", "a", "bb", "a"):
        lora.arrange([slot], 1)
        seen.append((lora.generation, [len(layer._forward_hooks) for layer in siblings(model)]))
        states = torch.randn(1, 64, device=DEVICE)
        with torch.no_grad():
            plain = [layer(states) for layer in siblings(model)]
        for name, found, without in zip(WIDTHS, answers(model, states, lora), plain, strict=True):
            assert torch.allclose(found, without) is (f"attention.{name}" not in held[slot])
    assert seen == 4 * [(seen[0][0], [1, 1, 1])]
