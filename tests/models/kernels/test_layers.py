"""Training layers in fewer kernels: outputs and gradients of the library's own."""

import copy

import pytest
import torch
import torch.nn.functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytest.importorskip("triton", reason="Triton comes with torch for NVIDIA cards")

from peft import LoraConfig, inject_adapter_in_model  # noqa: E402
from transformers.models.auto import AutoModelForCausalLM  # noqa: E402

from glm_core.adapters import fused_lora  # noqa: E402
from glm_core.models.architectures import fused_layers  # noqa: E402
from glm_core.models.kernels import layers  # noqa: E402
from tests.closeness import gap  # noqa: E402
from tests.models.kernels.networks import NETWORKS, SIZES  # noqa: E402


def test_the_gated_activation_and_its_gradient():
    both = torch.randn(5, 2400, device=DEVICE, requires_grad=True)
    gate, up = both.chunk(2, -1)
    expected = F.silu(gate) * up
    wanted = torch.randn_like(expected)
    (slope,) = torch.autograd.grad(expected, both, wanted)
    found = layers.GatedActivation.apply(both)
    assert gap(found, expected) < 1e-5 and gap(torch.autograd.grad(found, both, wanted)[0], slope) < 1e-5
    halves = [half.detach().contiguous().requires_grad_() for half in (gate, up)]
    found = layers.GatedProduct.apply(*halves)
    assert gap(torch.cat(torch.autograd.grad(found, halves, wanted), -1), slope) < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_learns_what_it_would_with_its_own_layers(kind, monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    made, more, _ = NETWORKS[kind]
    torch.manual_seed(2)
    plain = AutoModelForCausalLM.from_config(made(**SIZES, **more)).to(DEVICE).train()
    fused = copy.deepcopy(plain)
    assert fused_layers.fuse_layers(fused)
    ids = torch.randint(1, 64, (2, 11), device=DEVICE)
    results = []
    for model in (plain, fused):
        loss = model(ids, labels=ids, use_cache=False).loss
        loss.backward()
        results.append((loss.detach(), {name: p.grad for name, p in model.named_parameters()}))
    (loss, gradients), (fused_loss, fused_gradients) = results
    assert gap(fused_loss, loss) < 1e-5
    for name, gradient in gradients.items():
        assert gap(fused_gradients[name], gradient) < 1e-3, name


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_adapter_of_query_key_and_value_learns_what_it_would_under_peft(kind, monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    made, more, _ = NETWORKS[kind]
    torch.manual_seed(2)
    config = LoraConfig(r=2, target_modules=["q_proj", "k_proj", "v_proj"], lora_dropout=0.0, init_lora_weights=False)
    plain = inject_adapter_in_model(config, AutoModelForCausalLM.from_config(made(**SIZES, **more)).to(DEVICE)).train()
    fused = copy.deepcopy(plain)
    fused_lora.fuse_lora_layers(fused)
    assert fused_layers.fuse_layers(fused)
    ids = torch.randint(1, 64, (2, 11), device=DEVICE)
    losses = [model(ids, labels=ids, use_cache=False).loss for model in (plain, fused)]
    trained = [[weight for weight in model.parameters() if weight.requires_grad] for model in (plain, fused)]
    gradients, found = (torch.autograd.grad(*pair) for pair in zip(losses, trained, strict=True))
    assert gap(losses[1], losses[0]) < 1e-5 and len(found) == 6 * plain.config.num_hidden_layers
    for one, other in zip(found, gradients, strict=True):
        assert gap(one, other) < 1e-3


def test_a_cpu_keeps_the_networks_own_layers():
    made, more, _ = NETWORKS["llama"]
    model = AutoModelForCausalLM.from_config(made(**SIZES, **more))
    assert not fused_layers.fuse_layers(model)
