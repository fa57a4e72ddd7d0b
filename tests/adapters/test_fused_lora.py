"""LoRA's light forward equals PEFT's, in value and gradient, and leaves what it cannot do to PEFT."""

import torch

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


def outcome(loaded):
    """Logits of a prompt, and the gradient of every trained weight."""
    ids = torch.tensor(
        [loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好，请问你是谁？"}])]
    )
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
        ids = torch.tensor(
            [loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好，请问你是谁？"}])]
        )
        assert (loaded.model(ids, use_cache=False).logits - logits).abs().max() > 1e-2  # the adapter does something
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
