"""Packed hub checkpoints stay packed and train adapters; int8 and nf4 ask for their library in a sentence."""

import importlib
import json
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from glm_core import models
from glm_core.models import ModelError, quantization
from glm_core.models.kernels.processor import decoding
from glm_core.models.quantization import PackedLinear, unpack
from tests.golden import GOLDEN, expected, golden_folder, needs_golden
from tests.models.packing import pack, pack_state
from tests.tiny import tiny_chatglm


@pytest.fixture(params=[4, 8])
def packed_folder(request, tmp_path):
    folder = tiny_chatglm(tmp_path, quantization_bit=request.param)
    save_file(pack_state(load_file(folder / "model.safetensors"), request.param), folder / "model.safetensors")
    return folder


def prompt(loaded) -> torch.Tensor:
    return torch.tensor(
        [loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "今天天气怎么样"}])]
    )


def test_unpacking_reads_the_even_column_from_the_high_nibble():
    packed = torch.tensor([[(3 << 4) | (-2 & 15), (-7 << 4) | (7 & 15)]]).to(torch.int8)
    assert unpack(packed, torch.tensor([0.5]), 4, torch.float32).tolist() == [[1.5, -1.0, -3.5, 3.5]]


@pytest.mark.parametrize("bits", [4, 8])
def test_packing_loses_at_most_half_a_step(bits):
    weight = torch.randn(16, 32)
    packed, scale = pack(weight, bits)
    assert packed.shape == (16, 32 * bits // 8)
    assert ((unpack(packed, scale, bits, torch.float32) - weight).abs() <= 0.51 * scale.float()[:, None] + 1e-3).all()


@pytest.mark.parametrize("folder", ["chatglm-v1-int4", "chatglm-v1-int8"])
def test_published_weights_stay_packed_in_memory(folder):
    model = models.load(golden_folder(folder), device="cpu").model
    linears = [module for module in model.transformer.layers.modules() if isinstance(module, nn.Linear)]
    assert len(linears) == 12 and all(isinstance(module, PackedLinear) for module in linears)
    stored = load_file(golden_folder(folder) / "model.safetensors")["transformer.layers.1.mlp.dense_h_to_4h.weight"]
    assert torch.equal(model.transformer.layers[1].mlp.dense_h_to_4h.weight, stored)


def test_a_packed_model_answers_as_its_unpacked_weights_do(packed_folder):
    loaded = models.load(packed_folder, device="cpu")
    dense = models.load(packed_folder, device="cpu").model
    for name, layer in list(dense.named_modules()):
        if isinstance(layer, PackedLinear):
            plain = nn.Linear(layer.in_features, layer.out_features)
            plain.weight, plain.bias = nn.Parameter(layer.dense()), layer.bias
            quantization.replace_module(dense, name, plain)
    with torch.no_grad():
        assert torch.allclose(loaded.model(prompt(loaded)).logits, dense(prompt(loaded)).logits, atol=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_lora_trains_through_packed_weights(packed_folder, checkpointing):
    loaded = models.load(packed_folder, device="cpu")
    before = {name: parameter.clone() for name, parameter in loaded.model.named_parameters()}
    targets = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]
    tuned = get_peft_model(loaded.model, LoraConfig(r=4, lora_alpha=16, target_modules=targets)).train()
    if checkpointing:
        loaded.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    ids = prompt(loaded)
    optimizer = torch.optim.Adam([weight for weight in tuned.parameters() if weight.requires_grad], lr=1e-2)
    losses = []
    for _ in range(20):
        loss = tuned(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    after = {
        name.replace(".base_layer", "").removeprefix("base_model.model."): parameter
        for name, parameter in tuned.named_parameters()
    }
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_gradients_through_packed_weights_are_those_of_dense_ones():
    packed = PackedLinear(8, 6, True, 4)
    packed.weight.data, packed.weight_scale.data = pack(torch.randn(6, 8), 4)
    nn.init.normal_(packed.bias)
    states = torch.randn(3, 5, 8, requires_grad=True)
    packed(states).square().sum().backward()
    dense = states.detach().clone().requires_grad_()
    nn.functional.linear(dense, packed.dense(), packed.bias).square().sum().backward()
    assert torch.allclose(states.grad, dense.grad, atol=1e-5)


def test_a_packed_layer_answers_before_it_trains():
    """What it unpacks weights into is first used where no gradient will ever be taken, and then where one is."""
    packed = PackedLinear(8, 6, True, 8)
    packed.weight.data, packed.weight_scale.data = pack(torch.randn(6, 8), 8)
    with torch.inference_mode():
        packed(torch.randn(2, 8))
    states = torch.randn(2, 8, requires_grad=True)
    packed(states).sum().backward()
    assert torch.allclose(states.grad, packed.dense().sum(0).expand(2, 8), atol=1e-5)


def test_kernels_which_read_memory_as_it_lies_are_given_states_that_lie_in_rows(monkeypatch):
    def product(states, weight, scale, bias):
        return F.linear(
            states.as_strided(states.shape, (states.shape[1], 1)), unpack(weight, scale, 8, torch.float32), bias
        )

    layer = PackedLinear(64, 32, False, 8)
    packed, scale = quantization.pack8(torch.randn(32, 64))
    layer.weight.data, layer.weight_scale.data = packed, scale
    states = torch.randn(3, 1, 128)[..., 64:]  # half of what a wider layer computed
    monkeypatch.setattr(quantization, "kernels_for", lambda rows: SimpleNamespace(linear=product))
    torch.testing.assert_close(layer(states), F.linear(states, layer.dense()))


def test_layers_share_what_they_unpack_into(packed_folder):
    layers = [
        module
        for module in models.load(packed_folder, device="cpu").model.modules()
        if isinstance(module, PackedLinear)
    ]
    assert len({id(layer._scratch) for layer in layers}) == 1 and len(layers) > 1


def test_packed_embeddings_of_the_first_checkpoints_are_unpacked(tmp_path):
    folder = tiny_chatglm(tmp_path, quantization_bit=4, quantization_embeddings=True)
    state = load_file(folder / "model.safetensors")
    save_file(pack_state(state, 4, ("layers", "word_embeddings")), folder / "model.safetensors")
    embedding = models.load(folder, device="cpu").model.transformer.word_embeddings.weight
    assert embedding.dtype == torch.float32
    assert (embedding - state["transformer.word_embeddings.weight"]).abs().max() < 0.5


@needs_golden
@pytest.mark.parametrize("bits", [4, 8])
def test_packed_successors_are_split_packed(tmp_path, bits):
    """ChatGLM2's fused rows are split without unpacking them."""
    config = json.loads((GOLDEN / "chatglm2/config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "quantization_bit": bits, "_name_or_path": "chatglm2-6b-int4"})
    )
    save_file(pack_state(load_file(GOLDEN / "chatglm2/model.safetensors"), bits), tmp_path / "model.safetensors")
    loaded = models.load(tmp_path, device="cpu")
    assert loaded.quantization == f"hub-int{bits}"
    assert isinstance(loaded.model.model.layers[0].self_attn.k_proj, PackedLinear)
    case = expected(golden_folder("chatglm2"))["short"]
    with torch.no_grad():
        error = (loaded.model(case["input_ids"]).logits - case["logits"]).abs().mean() / case["logits"].abs().mean()
    assert error < (0.6 if bits == 4 else 0.05)


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ModelError, match="pip install bitsandbytes"):
        models.load(tiny_chatglm(tmp_path), device="cpu", quantization="nf4")


def test_an_unknown_method_is_named(tmp_path):
    with pytest.raises(ModelError, match="int2"):
        models.load(tiny_chatglm(tmp_path), device="cpu", quantization="int2")


def test_packed_weights_are_not_quantized_again(packed_folder):
    with pytest.raises(ModelError, match="不能再量化"):
        models.load(packed_folder, device="cpu", quantization="int8")


def test_nf4_without_a_gpu_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: None)
    with pytest.raises(ModelError, match="nf4"):
        models.load(tiny_chatglm(tmp_path), device="cpu", quantization="nf4")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_int8_is_right_to_half_a_step(dtype):
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(0)).to(dtype) * torch.tensor(
        [1e-3, 0.1, 1, 5, 0, 2]
    )[:, None].to(dtype)
    packed, scale = quantization.pack8(weight)
    back = quantization.unpack(packed, scale, 8, torch.float32)
    slack = 1.01 if dtype == torch.float32 else 2.5  # a half type's own rounding of the quotient
    assert ((back - weight.float()).abs() <= slack * 0.5 * scale.float()[:, None]).all()
    assert (back[4] == 0).all() and packed.abs().amax(1)[:4].min() >= 126


def test_int8_base_trains_an_adapter(tmp_path):
    dense, small = (models.load(tiny_chatglm(tmp_path), device="cpu", quantization=method) for method in (None, "int8"))
    with torch.no_grad():
        exact, near = dense.model(prompt(dense)).logits, small.model(prompt(dense)).logits
    assert (exact - near).abs().mean() / exact.abs().mean() < 0.1
    tuned = get_peft_model(small.model, LoraConfig(r=4, target_modules=["query_key_value"])).train()
    tuned(input_ids=prompt(dense), labels=prompt(dense)).loss.backward()
    assert all(weight.grad is not None for weight in tuned.parameters() if weight.requires_grad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", ["int8", "nf4"])
def test_quantized_bases_answer_and_train_on_a_gpu(tmp_path, method):
    if method == "nf4":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    dense, small = (models.load(tiny_chatglm(tmp_path), dtype="bfloat16", quantization=kind) for kind in (None, method))
    ids = prompt(dense).cuda()
    with torch.no_grad():
        exact, near = dense.model(ids).logits.float(), small.model(ids).logits.float()
    # Random weights of this size are the worst case: noise of the fourth bit grows from layer to layer.
    likeness = torch.nn.functional.cosine_similarity(exact.flatten(), near.flatten(), dim=0)
    assert likeness > (0.98 if method == "int8" else 0.6)
    tuned = get_peft_model(small.model, LoraConfig(r=4, target_modules=["query_key_value"])).train()
    tuned(input_ids=ids, labels=ids).loss.backward()
    assert all(weight.grad is not None for weight in tuned.parameters() if weight.requires_grad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_packed_weights_answer_and_train_on_a_gpu(packed_folder, dtype):
    loaded, exact = models.load(packed_folder, dtype=dtype), models.load(packed_folder, device="cpu")
    ids = prompt(exact)
    with torch.no_grad():
        near = loaded.model(ids.cuda()).logits.float().cpu()
        difference = (near - exact.model(ids).logits).abs().mean()
    assert difference < 0.3
    tuned = get_peft_model(loaded.model, LoraConfig(r=4, target_modules=["query_key_value"])).train()
    tuned(input_ids=ids.cuda(), labels=ids.cuda()).loss.backward()
    assert all(weight.grad.isfinite().all() for weight in tuned.parameters() if weight.requires_grad)


def test_steps_on_a_cpu_multiply_whole_numbers_row_by_row():
    dense = torch.nn.Linear(96, 64)
    model = torch.nn.Sequential(dense)
    expected_weight, bias = dense.weight.detach().clone(), dense.bias.detach()
    quantization.quantize(model, "0", "int8")
    rows = torch.randn(5, 96, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 0.01, 30, 1, 2.0])[:, None]
    expected = rows @ expected_weight.T + bias
    with torch.inference_mode():
        usual = model(rows)
        with decoding():
            together, alone = model(rows), torch.cat([model(row[None]) for row in rows])
            deep = model(rows[None, :, :])
    assert torch.equal(together, alone) and torch.equal(deep[0], together)
    for found, bound in ((usual, 0.01), (together, 0.04)):
        assert ((found - expected).norm(dim=1) / expected.norm(dim=1)).max() < bound
    with decoding():
        trained = model(rows.requires_grad_())
    torch.testing.assert_close(trained, usual.clone())


def test_weights_that_come_later_are_laid_out_anew():
    model = torch.nn.Sequential(torch.nn.Linear(32, 16))
    quantization.quantize(model, "0", "int8")
    row = torch.randn(1, 32)
    with torch.no_grad(), decoding():
        before = model(row)
        model[0].weight.copy_(-model[0].weight)
        after = model(row)
    bias = model[0].bias
    torch.testing.assert_close(after - bias, -(before - bias))
