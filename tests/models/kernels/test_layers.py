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
from glm_core.models.architectures.chatglm import attention  # noqa: E402
from glm_core.models.architectures.chatglm.attention import split_rotated  # noqa: E402
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig  # noqa: E402
from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration  # noqa: E402
from glm_core.models.architectures.decoder import RotaryDecoder  # noqa: E402
from glm_core.models.kernels import layers  # noqa: E402
from glm_core.models.kernels.adjacent import lay_adjacent  # noqa: E402
from glm_core.training.steps.recompute import recompute  # noqa: E402
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
def test_what_is_computed_again_has_the_gradients_of_what_is_kept(kind, monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    monkeypatch.setattr(fused_layers, "MANY_TOKENS", 22)
    made, more, _ = NETWORKS[kind]
    torch.manual_seed(2)
    own = {"target_modules": "all-linear", "lora_dropout": 0.3, "init_lora_weights": False}
    model = inject_adapter_in_model(LoraConfig(r=2, **own), AutoModelForCausalLM.from_config(made(**SIZES, **more)))
    model = model.to(DEVICE).train()
    fused_lora.fuse_lora_layers(model)
    ids = torch.randint(1, 64, (2, 11), device=DEVICE)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    gates = [module for name, module in model.named_modules() if name.endswith(("gate_proj", "gate_up_proj"))]
    results, calls, counts = [], [], []
    for gate in gates:
        gate.forward = counting(gate.forward, calls)
    for masks in (None, fused_lora.keep_masks):
        assert fused_layers.fuse_layers(model, masks)
        torch.manual_seed(3)
        loss = model(ids, labels=ids, use_cache=False).loss
        results.append(torch.autograd.grad(loss, trained))
        counts.append(len(calls))
    assert counts == [2, 2 + 2 + 1]  # the second of two layers keeps its gates
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("fused", (False, True))
def test_layers_that_are_computed_again_whole_are_so_in_kernels_too(fused, monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_config(NETWORKS["llama"][0](**SIZES)).to(DEVICE).train()
    if fused:
        assert fused_layers.fuse_layers(model, fused_lora.keep_masks)
    recompute(model, 1)
    calls = [], []
    for layer, found in zip(model.model.layers, calls, strict=True):
        layer.self_attn.o_proj.forward = counting(layer.self_attn.o_proj.forward, found)
    ids = torch.randint(1, 64, (2, 11), device=DEVICE)
    hidden = model.get_input_embeddings()(ids).detach().requires_grad_()
    loss = model(inputs_embeds=hidden, labels=ids, use_cache=False).loss
    before = [len(one) for one in calls]
    loss.backward()
    assert (before, [len(one) for one in calls]) == ([1, 1], [2, 1])


def counting(forward, calls: list):
    """`forward`, each call of which leaves a 1 in `calls`."""

    def call(*args):
        calls.append(1)
        return forward(*args)

    return call


def test_rows_shorter_than_many_tokens_keep_what_they_compute(monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    model = AutoModelForCausalLM.from_config(NETWORKS["llama"][0](**SIZES)).to(DEVICE).train()
    assert fused_layers.fuse_layers(model, fused_lora.keep_masks)
    calls = []
    model.model.layers[0].mlp.gate_proj.forward = counting(model.model.layers[0].mlp.gate_proj.forward, calls)
    ids = torch.randint(1, 64, (2, 11), device=DEVICE)
    model(ids, labels=ids, use_cache=False).loss.backward()
    assert len(calls) == 1


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_mark_of_plainly_causal_attention_changes_nothing(kind, monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    made, more, _ = NETWORKS[kind]
    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_config(made(**SIZES, **more)).to(DEVICE).train()
    ids, mask = torch.randint(1, 64, (2, 11), device=DEVICE), torch.ones(2, 11, device=DEVICE)
    assert RotaryDecoder().training_inputs(model, ids, mask) == {}
    with torch.no_grad():
        expected = model(ids, use_cache=False).logits
        assert fused_layers.fuse_layers(model)
        marked = RotaryDecoder().training_inputs(model, ids, mask)
        assert gap(model(ids, use_cache=False, **marked).logits, expected) < 1e-4
    fused_layers.restore_layers(model)
    assert RotaryDecoder().training_inputs(model, ids, mask) == {}


@pytest.mark.parametrize("width", (70, 5000))
def test_logits_become_the_gradients_of_their_losses(width):
    logits = 4 * torch.randn(6, width, device=DEVICE)
    targets = torch.tensor([3, -100, width - 1, 0, -100, 7], device=DEVICE)
    leaf = logits.clone().requires_grad_()
    expected = F.cross_entropy(leaf, targets, ignore_index=-100, reduction="none")
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    found = layers.logits_to_errors(logits, targets, -100)
    assert gap(found, expected.detach()) < 1e-5 and gap(logits, slope) < 1e-5
    assert found[1] == 0 and not logits[1].any()


@pytest.mark.parametrize("length", (1, 3))
def test_heads_of_two_axes_turn_as_chatglm_turns_them(length):
    fused = torch.randn(2, length, 3, 3, 16, device=DEVICE)  # B, S, heads, query key value, D
    angle = torch.randn(2, length, 1, 2, 4, device=DEVICE)
    query, *_ = split_rotated(fused.cpu(), angle.cos().cpu(), angle.sin().cpu())
    tables = [table.flatten(2) for table in (angle.cos(), angle.sin())]  # B, S, angles
    states, out = fused[:, :, :, 0], torch.empty(2, length, 3, 16, device=DEVICE)
    layers.rotate_heads(states, *tables, out, 16, axes=2)
    assert gap(out.cpu(), query.transpose(1, 2)) < 1e-5
    back = torch.empty(2, 3, length, 16, device=DEVICE).transpose(1, 2)  # as attention hands gradients over
    layers.rotate_heads(out, *tables, back, 16, axes=2, back=True)
    assert gap(back, states) < 1e-5


def test_chatglm_computes_by_the_kernel_what_it_computes_without(monkeypatch):
    sizes = {"hidden_size": 32, "inner_hidden_size": 64, "num_layers": 2, "num_attention_heads": 2, "vocab_size": 64}
    tokens = {"bos_token_id": 61, "gmask_token_id": 62, "mask_token_id": 63, "eos_token_id": 60, "pad_token_id": 0}
    torch.manual_seed(2)
    model = ChatGLMForConditionalGeneration(ChatGLMConfig(**sizes, **tokens, initializer_range=0.5)).to(DEVICE).train()
    ids = torch.randint(1, 60, (2, 12), device=DEVICE)
    ids[0, 5:7], ids[1, 8:10] = torch.tensor([[62, 61]] * 2, device=DEVICE)  # two lengths of context
    results = []
    for kernels in (None, layers):
        monkeypatch.setattr(attention, "training_kernels", lambda device, kernels=kernels: kernels)
        loss = model(ids, labels=ids, use_cache=False).loss
        results.append([loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))])
    for found, expected in zip(results[1], results[0], strict=True):
        assert gap(found, expected) < 1e-5
    assert any(gap(one, other) > 0 for one, other in zip(*results, strict=True)), "they were computed two ways"


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


@pytest.mark.parametrize("shape", [(2, 5), (1, 5)])
def test_a_norm_takes_states_that_are_parts_of_others_or_repeated(shape):
    weight = torch.rand(48, device=DEVICE) + 0.5
    whole = torch.randn(*shape, 96, device=DEVICE)
    for states in (whole[..., :48], whole[..., 1::2], whole[:1, :1, :48].expand(*shape, 48)):
        own = states.detach().requires_grad_()
        straight, wanted = torch.randn(*shape, 48, device=DEVICE), torch.randn(*shape, 48, device=DEVICE)
        expected = torch.autograd.grad((own, F.rms_norm(own, (48,), weight, 1e-5)), own, (straight, wanted))[0]
        found = torch.autograd.grad(layers.Norm.apply(own, weight, 1e-5), own, (straight, wanted))[0]
        assert gap(found, expected) < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_layers_that_lie_side_by_side_are_one_product(kind, monkeypatch):
    monkeypatch.setattr(fused_layers, "training_kernels", lambda device: layers)
    made, more, _ = NETWORKS[kind]
    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_config(made(**SIZES, **more)).to(DEVICE).train().requires_grad_(False)
    hidden = torch.randn(2, 11, SIZES["hidden_size"], device=DEVICE, requires_grad=True)
    linear, results, calls, counts = F.linear, [], [], []
    monkeypatch.setattr(F, "linear", lambda *own: calls.append(1) or linear(*own))
    for lay, fuse in ((False, False), (False, True), (True, True)):
        if lay:
            lay_adjacent(model)
        if fuse:
            assert fused_layers.fuse_layers(model)
        logits = model(inputs_embeds=hidden, use_cache=False).logits
        results.append((logits.detach(), torch.autograd.grad(logits.square().sum(), hidden)[0]))
        counts.append(len(calls))
        calls.clear()
    separate = not hasattr(model.model.layers[0].mlp, "gate_up_proj")
    assert counts[1] - counts[2] == 2 * (2 + separate)  # of two layers
    for found in results[1:]:
        assert gap(found[0], results[0][0]) < 1e-4 and gap(found[1], results[0][1]) < 1e-3


def _turned(states, cosine, sine, turned, pairs, axes):
    """(B, S, heads, D) turned as `rotate_heads` says."""
    if pairs:
        first, second = states[..., 0:turned:2], states[..., 1:turned:2]
    else:
        first, second = states[..., :turned].unflatten(-1, (axes, 2, -1)).unbind(-2)
        first, second = first.flatten(-2), second.flatten(-2)
    a, b = cosine[:, :, None, : turned // 2], sine[:, :, None, : turned // 2]
    one, other = first * a - second * b, second * a + first * b
    if pairs:
        both = torch.stack((one, other), -1).flatten(-2)
    else:
        both = torch.stack((one.unflatten(-1, (axes, -1)), other.unflatten(-1, (axes, -1))), -2).flatten(-3)
    return torch.cat((both, states[..., turned:]), -1)


@pytest.mark.parametrize("normed", (False, True))
@pytest.mark.parametrize(
    ("turned", "pairs", "axes"), [(16, False, 1), (16, True, 1), (16, False, 2), (12, False, 1), (6, True, 1)]
)
def test_heads_are_split_normed_and_turned_and_so_are_their_gradients(turned, pairs, axes, normed):
    sizes = (17, 2, 2)  # more heads than a program has
    joint = torch.randn(2, 3, 2 * sum(sizes) * 16, device=DEVICE)[..., : sum(sizes) * 16].requires_grad_()
    angle = torch.randn(1, 3, turned // 2, device=DEVICE)  # the same for all rows
    tables = angle.cos(), angle.sin()
    norms = tuple(torch.rand(16, device=DEVICE) + 0.5 for _ in range(2)) if normed else ()
    parts = joint.unflatten(-1, (-1, 16)).split(sizes, 2)
    if normed:
        parts = *(F.rms_norm(part, (16,), norm, 1e-3) for part, norm in zip(parts, norms, strict=False)), parts[2]
    expected = *(_turned(part, *tables, turned, pairs, axes) for part in parts[:2]), parts[2]
    if axes == 1:
        wide = [torch.cat((table, table), -1) for table in tables]
        found = layers.SplitRotation.apply(joint, *wide, sizes, pairs, norms, 1e-3)
        wanted = [torch.randn_like(one).transpose(1, 2).contiguous().transpose(1, 2) for one in expected]
        slopes = [torch.autograd.grad(one, joint, wanted)[0] for one in (expected, found)]
        assert gap(slopes[1], slopes[0]) < 1e-5 and all(one.is_contiguous() for one in found)
    else:
        found = [torch.empty_like(part) for part in expected]
        for out, part in zip(found[:2], joint.detach().unflatten(-1, (-1, 16)).split(sizes, 2), strict=False):
            own = (norms[len(out[0, 0]) == 2],) * 2 if normed else ()
            layers.rotate_heads(part, *tables, out, turned, axes=axes, norms=(*own, 1e-3) if normed else None)
        found[2] = expected[2]
    for one, other in zip(found, expected, strict=True):
        assert gap(one, other) < 1e-5


def test_a_cpu_keeps_the_networks_own_layers():
    made, more, _ = NETWORKS["llama"]
    model = AutoModelForCausalLM.from_config(made(**SIZES, **more))
    assert not fused_layers.fuse_layers(model)
