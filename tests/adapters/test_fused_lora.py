"""LoRA's light forward equals PEFT's, in value and gradient, and leaves what it cannot do to PEFT."""

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from glm_core import models
from glm_core.adapters import attach, fused_lora
from glm_core.training.settings import TrainingSettings
from tests.training.small import small

SETTINGS = TrainingSettings(lora_rank=4, lora_dropout=0.0)


def prepare(folder, settings=SETTINGS):
    loaded = models.load(small("chatglm", folder))
    torch.manual_seed(5)
    attach.attach(loaded, settings)
    for weight in loaded.model.parameters():
        if weight.requires_grad:
            weight.data = 0.2 * torch.randn_like(weight)
    return loaded


def prompt(loaded):
    ids = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好，请问你是谁？"}])
    return torch.tensor([ids], device=loaded.model.device)


def outcome(loaded):
    """Logits of a prompt, and the gradient of every trained weight."""
    ids = prompt(loaded)
    logits = loaded.model(ids, use_cache=False).logits
    weights = [weight for weight in loaded.model.parameters() if weight.requires_grad]
    return logits, torch.autograd.grad(logits.square().mean(), weights)


def test_equals_pefts_forward_and_gradients(tmp_path):
    loaded = prepare(tmp_path)
    logits, gradients = outcome(loaded)
    fused_lora.fuse_lora_layers(loaded.model)
    lighter, lighter_gradients = outcome(loaded)
    attach.activate(loaded, None)
    with torch.no_grad():
        assert (
            loaded.model(prompt(loaded), use_cache=False).logits - logits
        ).abs().max() > 1e-2  # the adapter does something
    assert (lighter - logits).abs().max() < 1e-4
    for one, other in zip(lighter_gradients, gradients, strict=True):
        assert (one - other).abs().max() < 1e-5 * max(1.0, other.abs().max())


def test_the_gradient_is_that_of_the_dropped_input():
    torch.manual_seed(0)
    states = torch.randn(3, 4, 6, dtype=torch.float64, requires_grad=True)
    a, b = (torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in ((2, 6), (5, 2)))

    def compute(states, a, b):
        torch.manual_seed(1)
        return fused_lora._AddDelta.apply(torch.zeros(3, 4, 5, dtype=torch.float64), states, a, b, 0.7, 0.5)

    assert torch.autograd.gradcheck(compute, (states, a, b))
    assert (compute(states, a, b) - 0.7 * states @ a.T @ b.T).abs().max() > 0.1


def test_dora_stays_with_peft(tmp_path):
    loaded = prepare(tmp_path, SETTINGS.changed(dora=True))
    logits, _ = outcome(loaded)
    fused_lora.fuse_lora_layers(loaded.model)
    assert torch.equal(outcome(loaded)[0], logits)


def test_switched_off_it_is_the_base(tmp_path):
    loaded = prepare(tmp_path)
    fused_lora.fuse_lora_layers(loaded.model)
    ids = torch.tensor([loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好"}])])
    attach.activate(loaded, None)
    bare = models.load(tmp_path)
    with torch.no_grad():
        assert torch.allclose(loaded.model(ids).logits, bare.model(ids).logits, atol=1e-6)


def attention(bias=False):
    """Query, key and value with LoRA as PEFT makes it, of different widths."""
    torch.manual_seed(3)
    names = {"q_proj": 12, "k_proj": 4, "v_proj": 4}
    module = nn.Module()
    for name, out in names.items():
        setattr(module, name, nn.Linear(8, out, bias=bias))
    config = LoraConfig(r=2, lora_alpha=3, target_modules=list(names), lora_dropout=0.0)
    model = inject_adapter_in_model(config, nn.Sequential(module)).double()
    for name, weight in model.named_parameters():
        if "lora" in name:
            weight.data = torch.randn_like(weight)
    return model


@pytest.mark.parametrize("bias", (False, True))
def test_query_key_and_value_together_are_what_they_are_alone(bias):
    model = attention(bias)
    module, states = model[0], torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True)
    trained = [weight for name, weight in model.named_parameters() if "lora" in name]
    kept = [weight.clone() for name, weight in model.named_parameters() if "lora" not in name]
    apart = [getattr(module, name)(states) for name in ("q_proj", "k_proj", "v_proj")]
    wanted = [torch.randn_like(one) for one in apart]
    expected = torch.autograd.grad(apart, [states, *trained], wanted)
    fused_lora.fuse_lora_layers(model)
    joint = module.project(states)
    assert type(joint.grad_fn.next_functions[0][0]).__name__ == "_ProjectTogetherBackward"
    together = joint.split([one.shape[-1] for one in apart], -1)
    for one, other in zip(together, apart, strict=True):
        assert one.shape == other.shape and (one - other).abs().max() < 1e-12
    for one, other in zip(torch.autograd.grad(together, [states, *trained], wanted), expected, strict=True):
        assert (one - other).abs().max() < 1e-12
    now = [weight for name, weight in model.named_parameters() if "lora" not in name]
    assert all(torch.equal(one, other) for one, other in zip(now, kept, strict=True))
    assert len({one.untyped_storage().data_ptr() for one in now if one.dim() == 2}) == 1  # nothing is kept twice


def test_the_gradient_of_query_key_and_value_is_that_of_the_dropped_input():
    torch.manual_seed(0)
    states, weight = torch.randn(4, 6, dtype=torch.float64, requires_grad=True), torch.randn(8, 6, dtype=torch.float64)
    shapes = (2, 6), (2, 6), (5, 2), (3, 2)
    matrices = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def compute(states, *matrices):
        torch.manual_seed(1)
        return fused_lora._ProjectTogether.apply(states, weight, None, 0.7, 0.5, *matrices)

    assert torch.autograd.gradcheck(compute, (states, *matrices))


def test_layers_that_act_differently_are_computed_one_by_one():
    model = attention()
    module, states = model[0], torch.randn(1, 3, 8, dtype=torch.float64)
    fused_lora.fuse_lora_layers(model)
    module.k_proj.scaling["default"] = 5.0
    apart = [getattr(module, name)(states) for name in ("q_proj", "k_proj", "v_proj")]
    assert torch.equal(module.project(states), torch.cat(apart, -1))
    bare = [one.get_base_layer()(states) for one in (module.q_proj, module.k_proj, module.v_proj)]
    for layer in (module.q_proj, module.k_proj, module.v_proj):
        layer.enable_adapters(False)
    assert torch.equal(module.project(states), torch.cat(bare, -1))
