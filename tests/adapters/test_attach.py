"""Adapters go on and off a model of every family, survive their files, and merge to the same answers."""

import gc
import json
import weakref
from dataclasses import replace

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from glm_core import models
from glm_core.adapters import attach, scale
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import read_info
from glm_core.adapters.merge import merge
from glm_core.errors import EasyError
from glm_core.training.settings import TrainingSettings
from tests.closeness import gap
from tests.golden import golden_folder
from tests.training.small import logits, prompts, small, stir

KINDS = ("chatglm", "chatglm3", "glm", "glm4", "bloom")
LORA = TrainingSettings(lora_rank=4, lora_dropout=0.0)
PREFIX = TrainingSettings(method="ptuning", prefix_length=5)
METHODS = {
    "lora": LORA,
    "rslora-all": LORA.changed(rslora=True, lora_targets="all-linear"),
    "dora": LORA.changed(dora=True),
    "prefix": PREFIX,
    "projected": PREFIX.changed(prefix_projection=True),
}


@pytest.fixture(params=KINDS)
def base(request, tmp_path):
    return small(request.param, tmp_path / "base")


@pytest.fixture
def chatglm(tmp_path):
    return small("chatglm", tmp_path / "base")


@pytest.fixture(params=METHODS)
def settings(request):
    return METHODS[request.param]


def same(found, expected, loaded):
    """Bit for bit; BLOOM's attention is another kernel once a prefix has been attached, equal to rounding."""
    if not loaded.family.architecture.caches_prefix:
        return gap(found, expected) < 1e-5
    return torch.equal(found, expected)


def test_a_model_with_adapters_leaves_memory_with_its_last_reference(chatglm, settings, tmp_path):
    loaded, _ = trained(chatglm, settings, tmp_path / "adapter")
    attach.activate(loaded, None)
    gone = weakref.ref(loaded.model)
    del loaded
    gc.collect()
    assert gone() is None


def trained(base, settings, folder):
    """A loaded base with a stirred adapter saved in `folder`, and its logits with the adapter on."""
    loaded = models.load(base)
    attach.attach(loaded, settings)
    stir(loaded)
    attach.save(loaded, folder, {"step": 7})
    return loaded, logits(loaded)


def test_saved_adapter_answers_the_same_on_a_fresh_base_and_off_is_exactly_the_base(base, settings, tmp_path):
    _, expected = trained(base, settings, tmp_path / "adapter")
    fresh = models.load(base)
    plain = logits(fresh)
    info = attach.load_adapter(fresh, tmp_path / "adapter", "run")
    assert info["step"] == 7 and info["method"] == settings.method
    assert same(logits(fresh), plain, fresh)
    attach.activate(fresh, "run")
    assert gap(logits(fresh), expected) < 1e-5
    assert (expected - plain).abs().max() > 0.1
    attach.activate(fresh, None)
    assert same(logits(fresh), plain, fresh)
    attach.unload_adapter(fresh, "run")
    assert same(logits(fresh), plain, fresh) and attach.names(fresh) == []


def test_merged_model_answers_like_base_and_adapter(base, settings, tmp_path):
    _, expected = trained(base, settings, tmp_path / "adapter")
    merged = merge(base, tmp_path / "adapter", tmp_path / "merged", dtype="float32")
    assert gap(logits(models.load(merged)), expected) < 1e-4
    published = set(load_file(base / "model.safetensors"))
    assert published <= set(load_file(merged / "model.safetensors"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_merged_model_is_stored_in_the_precision_asked_for(chatglm, tmp_path, dtype):
    trained(chatglm, LORA, tmp_path / "adapter")
    merged = merge(chatglm, tmp_path / "adapter", tmp_path / "merged", dtype=dtype)
    assert {t.dtype for t in load_file(merged / "model.safetensors").values()} == {getattr(torch, dtype)}
    assert models.load(merged).tokenizer.encode("你好") == models.load(chatglm).tokenizer.encode("你好")


@pytest.mark.parametrize("kind", ["glm", "glm4", "bloom"])
def test_merged_model_loads_in_plain_transformers(kind, tmp_path):
    from transformers import AutoModelForCausalLM

    base = small(kind, tmp_path / "base")
    loaded, expected = trained(base, LORA, tmp_path / "adapter")
    merged = merge(base, tmp_path / "adapter", tmp_path / "merged", dtype="float32")
    plain = AutoModelForCausalLM.from_pretrained(merged).eval()
    with torch.no_grad():
        assert gap(plain(input_ids=prompts(loaded)).logits, expected) < 1e-4


def test_large_models_are_written_in_shards_with_an_index(chatglm, tmp_path, monkeypatch):
    monkeypatch.setattr("glm_core.adapters.merge.SHARD_BYTES", 200_000)
    _, expected = trained(chatglm, LORA, tmp_path / "adapter")
    merged = merge(chatglm, tmp_path / "adapter", tmp_path / "merged", dtype="float32")
    assert len(list(merged.glob("model-*-of-*.safetensors"))) > 2
    assert gap(logits(models.load(merged)), expected) < 1e-4


def test_lora_trained_on_fused_modules_converts_exactly(tmp_path):
    """What the official ChatGLM3 code with PEFT saves: one B over all rows of query_key_value."""
    base, folder = small("chatglm3", tmp_path / "base"), tmp_path / "adapter"
    folder.mkdir()
    torch.manual_seed(0)
    delta, tensors = {}, {}
    for layer in range(2):
        for name, rows in (("self_attention.query_key_value", 64), ("mlp.dense_4h_to_h", 32)):
            module = f"transformer.encoder.layers.{layer}.{name}"
            a, b = torch.randn(4, 48 if "mlp" in name else 32), torch.randn(rows, 4)
            tensors |= {f"base_model.model.{module}.lora_A.weight": a, f"base_model.model.{module}.lora_B.weight": b}
            delta[f"{module}.weight"] = 32 / 4 * b @ a
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 32, "lora_dropout": 0.1, "target_modules": ["query_key_value"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    loaded = models.load(base)
    attach.load_adapter(loaded, folder, "hub")
    attach.activate(loaded, "hub")
    weights = load_file(base / "model.safetensors")
    save_file({name: t + delta.get(name, 0) for name, t in weights.items()}, base / "model.safetensors")
    assert gap(logits(loaded), logits(models.load(base))) < 1e-3


@pytest.mark.parametrize("projection", [False, True])
def test_prefix_is_saved_as_the_official_checkpoint(chatglm, tmp_path, projection):
    trained(chatglm, PREFIX.changed(prefix_projection=projection), tmp_path / "adapter")
    found = torch.load(tmp_path / "adapter" / "pytorch_model.bin", weights_only=True)
    projected = {"trans.0.weight", "trans.0.bias", "trans.2.weight", "trans.2.bias"} if projection else set()
    assert set(found) == {f"transformer.prefix_encoder.{name}" for name in {"embedding.weight"} | projected}
    assert found["transformer.prefix_encoder.embedding.weight"].shape == (5, 64 if projection else 3 * 64 * 2)


def test_plain_peft_reads_what_is_saved(tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = small("bloom", tmp_path / "base")
    loaded, expected = trained(base, LORA, tmp_path / "adapter")
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter").eval()
    with torch.no_grad():
        assert gap(plain(input_ids=prompts(loaded)).logits, expected) < 1e-5


@pytest.mark.parametrize("active", [None, "first", "second"])
def test_an_adapter_goes_off_beside_others_without_a_warning(chatglm, tmp_path, active, recwarn):
    _, wanted = trained(chatglm, METHODS["rslora-all"], tmp_path / "second")
    trained(chatglm, LORA, tmp_path / "first")
    loaded = models.load(chatglm)
    plain = logits(loaded)
    for name in ("first", "second"):
        attach.load_adapter(loaded, tmp_path / name, name)
    attach.activate(loaded, "first")
    attach.activate(loaded, active)
    attach.unload_adapter(loaded, "first")
    assert not [str(one.message) for one in recwarn if "deleted" in str(one.message)]
    assert same(logits(loaded), plain, loaded)
    attach.activate(loaded, "second")
    assert gap(logits(loaded), wanted) < 1e-5


def test_several_adapters_of_both_kinds_live_on_one_base(chatglm, tmp_path):
    wanted = {}
    for name in ("lora", "rslora-all", "prefix", "projected"):
        _, wanted[name] = trained(chatglm, METHODS[name], tmp_path / name)
    loaded = models.load(chatglm)
    plain = logits(loaded)
    for name in wanted:
        attach.load_adapter(loaded, tmp_path / name, name)
    for name in ("prefix", "lora", "projected", "rslora-all"):
        attach.activate(loaded, name)
        assert gap(logits(loaded), wanted[name]) < 1e-5
    attach.unload_adapter(loaded, "lora")
    attach.activate(loaded, "rslora-all")
    assert gap(logits(loaded), wanted["rslora-all"]) < 1e-5
    attach.unload_adapter(loaded, "rslora-all")
    attach.unload_adapter(loaded, "prefix")
    assert torch.equal(logits(loaded), plain)
    attach.load_adapter(loaded, tmp_path / "lora", "again")
    attach.activate(loaded, "again")
    assert gap(logits(loaded), wanted["lora"]) < 1e-5


def test_rows_of_one_batch_answer_with_their_own_adapter(chatglm, tmp_path):
    files = {"lora_v1.5": "lora", "客服.前缀": "prefix", "b": "rslora-all"}
    for method in files.values():
        trained(chatglm, METHODS[method], tmp_path / method)
    loaded = models.load(chatglm)
    ids = prompts(loaded, count=4)
    chosen = ["lora_v1.5", None, "客服.前缀", "b"]
    for name in filter(None, chosen):
        attach.load_adapter(loaded, tmp_path / files[name], name)
    single = []
    for row, name in enumerate(chosen):
        attach.activate(loaded, name)
        single.append(logits(loaded, ids[row : row + 1]))
    with scale.rows(loaded, chosen):
        together = logits(loaded, ids)
    assert gap(together, torch.cat(single)) < 1e-4
    attach.activate(loaded, None)
    assert torch.equal(logits(loaded, ids[1:2]), single[1])


def test_strength_scales_a_lora_between_base_and_beyond(chatglm, tmp_path):
    _, full = trained(chatglm, LORA, tmp_path / "adapter")
    loaded = models.load(chatglm)
    plain = logits(loaded)
    attach.load_adapter(loaded, tmp_path / "adapter", "run")
    attach.activate(loaded, "run")
    scale.set_strength(loaded, "run", 0)
    assert gap(logits(loaded), plain) < 1e-5
    scale.set_strength(loaded, "run", 0.5)
    assert (logits(loaded) - plain).abs().max() > 0.01
    merged = merge(chatglm, tmp_path / "adapter", tmp_path / "half", dtype="float32", strength=0.5)
    assert gap(logits(loaded), logits(models.load(merged))) < 1e-4
    scale.set_strength(loaded, "run", 1)
    assert gap(logits(loaded), full) < 1e-5
    with pytest.raises(AdapterError, match="1.5"):
        scale.set_strength(loaded, "run", 2)


def test_a_weakened_lora_is_what_it_was_at_that_strength_in_memory_and_in_its_files(chatglm, tmp_path):
    trained(chatglm, LORA, tmp_path / "adapter")
    loaded = models.load(chatglm)
    attach.load_adapter(loaded, tmp_path / "adapter", "run")
    attach.activate(loaded, "run")
    scale.set_strength(loaded, "run", 0.5)
    half = logits(loaded)
    scale.set_strength(loaded, "run", 1)
    scale.weaken(loaded, "run", 0.5)
    assert torch.allclose(logits(loaded), half, atol=1e-5)
    attach.save(loaded, tmp_path / "weak", name="run")
    again = models.load(chatglm)
    attach.load_adapter(again, tmp_path / "weak", "run")
    attach.activate(again, "run")
    assert torch.allclose(logits(again), half, atol=1e-5)


def test_a_prefix_has_every_strength_but_is_exported_only_as_trained(chatglm, tmp_path):
    trained(chatglm, METHODS["prefix"], tmp_path / "adapter")
    loaded = models.load(chatglm)
    plain = logits(loaded)
    attach.load_adapter(loaded, tmp_path / "adapter", "run")
    attach.activate(loaded, "run")
    full, found = logits(loaded), {}
    for strength in (0, 0.5, 1, 1.5):
        scale.set_strength(loaded, "run", strength)
        found[strength] = logits(loaded)
    assert gap(found[0], plain) < 1e-5 and gap(found[1], full) < 1e-5
    distances = [(found[strength] - plain).norm() for strength in (0, 0.5, 1, 1.5)]
    assert distances == sorted(distances) and distances[1] > 0.01
    with pytest.raises(AdapterError, match="前缀"):
        merge(chatglm, tmp_path / "adapter", tmp_path / "half", strength=0.5)
    assert not (tmp_path / "half").exists()


def test_dora_has_no_strength_between(chatglm, tmp_path):
    trained(chatglm, METHODS["dora"], tmp_path / "adapter")
    loaded = models.load(chatglm)
    attach.load_adapter(loaded, tmp_path / "adapter", "run")
    assert not scale.is_scalable(loaded, "run")
    scale.set_strength(loaded, "run", 1.0)
    with pytest.raises(AdapterError, match="run"):
        scale.set_strength(loaded, "run", 0.5)


@pytest.mark.parametrize("name", ["lora", "prefix"])
@pytest.mark.parametrize("changes", [{"hidden_size": 32, "inner_hidden_size": 128}, {"num_layers": 2}])
def test_adapter_of_another_base_is_refused(chatglm, tmp_path, name, changes):
    from tests.tiny import tiny_chatglm

    trained(chatglm, METHODS[name], tmp_path / "adapter")
    other = models.load(tiny_chatglm(tmp_path / "other", **changes))
    plain = logits(other)
    for _ in range(2):
        with pytest.raises(AdapterError, match="基座模型"):
            attach.load_adapter(other, tmp_path / "adapter", "run")
        (tmp_path / "adapter" / "easyaigc.json").unlink(missing_ok=True)  # then the shapes alone must tell
    assert torch.equal(logits(other), plain)


def test_adapter_of_another_family_is_refused(chatglm, tmp_path):
    trained(chatglm, LORA, tmp_path / "adapter")
    with pytest.raises(AdapterError, match="chatglm"):
        attach.load_adapter(models.load(small("bloom", tmp_path / "other")), tmp_path / "adapter", "run")


def damage(folder, how):
    weights = folder / "adapter_model.safetensors"
    if how == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "empty":
        weights.unlink()
    elif how == "half":
        save_file({k: t for k, t in load_file(weights).items() if "lora_B" not in k}, weights)
    elif how == "config":
        (folder / "adapter_config.json").write_text("[]")
    elif how == "kind":
        (folder / "adapter_config.json").write_text('{"peft_type": "IA3", "lora_alpha": 1}')
    elif how == "code":
        weights.unlink()
        torch.save({"x": EasyError("k")}, folder / "adapter_model.bin")


@pytest.mark.parametrize("how", ["cut", "empty", "half", "config", "kind", "code"])
def test_damaged_or_dangerous_adapter_gives_a_sentence(chatglm, tmp_path, how):
    trained(chatglm, LORA, tmp_path / "adapter")
    damage(tmp_path / "adapter", how)
    loaded = models.load(chatglm)
    with pytest.raises(EasyError) as caught:
        attach.load_adapter(loaded, tmp_path / "adapter", "run")
    assert str(caught.value) and attach.names(loaded) == []


def test_name_is_taken_only_once(chatglm, tmp_path):
    loaded, _ = trained(chatglm, LORA, tmp_path / "adapter")
    with pytest.raises(AdapterError, match=attach.NAME):
        attach.load_adapter(loaded, tmp_path / "adapter", attach.NAME)
    with pytest.raises(AdapterError, match="nobody"):
        attach.activate(loaded, "nobody")


def test_unknown_target_is_named_with_what_there_is(chatglm):
    with pytest.raises(AdapterError, match="dense_h_to_4h"):
        attach.attach(models.load(chatglm), LORA.changed(lora_targets="q_proj"))


def test_adapter_is_trained_in_float32_on_a_half_precision_base(chatglm):
    loaded = models.load(chatglm, dtype="bfloat16")
    attach.attach(loaded, LORA)
    assert {p.dtype for p in loaded.model.parameters() if p.requires_grad} == {torch.float32}
    other = models.load(chatglm, dtype="bfloat16")
    attach.attach(other, PREFIX)
    assert {p.dtype for p in other.model.parameters() if p.requires_grad} == {torch.float32}


def test_base_with_a_prefix_of_its_own_keeps_it_when_adapters_are_off(chatglm, tmp_path):
    trained(chatglm, PREFIX, tmp_path / "adapter")
    base = merge(chatglm, tmp_path / "adapter", tmp_path / "tuned", dtype="float32")
    loaded = models.load(base)
    plain = logits(loaded)
    attach.attach(loaded, LORA)
    stir(loaded)
    assert (logits(loaded) - plain).abs().max() > 0.1
    attach.activate(loaded, None)
    assert torch.equal(logits(loaded), plain)


def test_failed_save_leaves_the_former_adapter(chatglm, tmp_path, monkeypatch):
    loaded, _ = trained(chatglm, LORA, tmp_path / "adapter")
    before = (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes()

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    stir(loaded, seed=9)
    with pytest.raises(OSError, match="No space"):
        attach.save(loaded, tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "base"]


def test_merging_refuses_a_quantized_base_and_an_existing_folder(chatglm, tmp_path):
    trained(chatglm, LORA, tmp_path / "adapter")
    with pytest.raises(AdapterError, match="已存在"):
        merge(chatglm, tmp_path / "adapter", tmp_path / "adapter")
    config = json.loads((chatglm / "config.json").read_text())
    (chatglm / "config.json").write_text(json.dumps(config | {"quantization_bit": 4}))
    with pytest.raises(AdapterError, match="量化"):
        merge(chatglm, tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_hub_model_name_goes_into_the_adapter(chatglm, tmp_path):
    loaded = replace(models.load(chatglm), name="chatglm-6b")
    attach.attach(loaded, LORA)
    attach.save(loaded, tmp_path / "adapter", {"run": "r1"})
    info = read_info(tmp_path / "adapter")
    assert (info["base"], info["run"], info["family"]) == ("chatglm-6b", "r1", "chatglm")


@pytest.mark.parametrize("name", ["chatglm-v1", "chatglm2", "chatglm3"])
@pytest.mark.parametrize("kind", ["ptuning", "ptuning-projected"])
def test_official_prefix_checkpoint_gives_the_official_logits(tmp_path, name, kind):
    """The golden model taken apart: its base as a folder, its prefix as the official trainer saves it."""
    golden = golden_folder(f"{name}-{kind}")
    base, adapter = tmp_path / name, tmp_path / "adapter"
    base.mkdir()
    adapter.mkdir()
    weights = load_file(golden / "model.safetensors")
    prefix = {key: tensor for key, tensor in weights.items() if "prefix_encoder" in key}
    torch.save(prefix, adapter / "pytorch_model.bin")
    save_file({key: tensor for key, tensor in weights.items() if key not in prefix}, base / "model.safetensors")
    config = json.loads((golden / "config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in ("pre_seq_len", "prefix_projection")}
    (base / "config.json").write_text(json.dumps(kept))
    loaded = models.load(base)
    attach.load_adapter(loaded, adapter, "official")
    attach.activate(loaded, "official")
    expected = load_file(golden / "expected.safetensors")
    cases = [
        key.removesuffix(".input_ids") for key in expected if key.endswith(".input_ids") and "left_padded" not in key
    ]
    for case in cases:
        found = logits(loaded, expected[f"{case}.input_ids"])
        assert gap(found, expected[f"{case}.logits"]) < 1e-4
    assert cases
