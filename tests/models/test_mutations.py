"""Mutated checkpoints: each loads or is refused by a typed error; nothing crashes, hangs or is left behind."""

import copy
import json
import shutil
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from glm_core import models
from glm_core.models import ModelError
from tests.models.bytelevel import write_tokenizer
from tests.models.packing import pack_state
from tests.models.shards import LAYOUTS, relay
from tests.models.test_checkpoints import NATIVE, ROLES
from tests.tiny import randomise, tiny_chatglm

KINDS = ("chatglm", "packed", "prefix", "glm", "glm4", "bloom", "chatglm2")
SECONDS = 10


def write(kind: str, folder) -> None:
    """One healthy small checkpoint of every kind."""
    if kind in ("chatglm", "packed", "prefix"):
        changes = {"packed": {"quantization_bit": 4}, "prefix": {"pre_seq_len": 3}}.get(kind, {})
        tiny_chatglm(folder, num_layers=2, **changes)
        state = load_file(folder / "model.safetensors")
        if kind == "packed":
            state = pack_state(state, 4)
        if kind == "prefix":
            state["transformer.prefix_encoder.embedding.weight"] = torch.zeros(3, 2 * 2 * 64)
        save_file(state, folder / "model.safetensors")
        return
    model = NATIVE["glm" if kind == "chatglm2" else kind]()
    randomise(model, 0)
    model.save_pretrained(folder)
    write_tokenizer(folder, ROLES)
    if kind == "chatglm2":
        _fuse(folder)


def _fuse(folder) -> None:
    """Rewrite a Glm checkpoint as ChatGLM2 published it."""
    state, fused = load_file(folder / "model.safetensors"), {}
    fused["transformer.embedding.word_embeddings.weight"] = state["model.embed_tokens.weight"]
    fused["transformer.encoder.final_layernorm.weight"] = state["model.norm.weight"]
    fused["transformer.output_layer.weight"] = state["lm_head.weight"]
    for layer in range(3):
        old, new = f"model.layers.{layer}.", f"transformer.encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            parts = [state[f"{old}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            fused[f"{new}self_attention.query_key_value.{kind}"] = torch.cat(parts)
        for theirs, ours in (("self_attention.dense", "self_attn.o_proj"), ("mlp.dense_h_to_4h", "mlp.gate_up_proj"),
                             ("mlp.dense_4h_to_h", "mlp.down_proj"), ("input_layernorm", "input_layernorm"),
                             ("post_attention_layernorm", "post_attention_layernorm")):  # fmt: skip
            fused[f"{new}{theirs}.weight"] = state[f"{old}{ours}.weight"]
    save_file(fused, folder / "model.safetensors")
    config = {"model_type": "chatglm", "padded_vocab_size": 400, "hidden_size": 64, "num_layers": 3,
              "num_attention_heads": 4, "ffn_hidden_size": 96, "kv_channels": 16, "multi_query_attention": True,
              "multi_query_group_num": 2,
              "layernorm_epsilon": 1e-5, "add_qkv_bias": True, "seq_length": 512, "eos_token_id": 2,
              "_name_or_path": "chatglm2-6b"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    for kind, folder in folders.items():
        write(kind, folder)
        models.load(folder, device="cpu")
    return folders


def load_or_refuse(folder) -> bool:
    """Whether the mutated `folder` loaded; anything but success or a `ModelError` in time fails the test."""
    before, start = sorted(folder.iterdir()), time.monotonic()
    try:
        loaded = models.load(folder, device="cpu")
        config = loaded.model.config
        prompt = [config.gmask_token_id, config.bos_token_id] if loaded.family.name == "chatglm" else [5, 6]
        with torch.no_grad():
            assert loaded.model(torch.tensor([[1, *prompt, 2]])).logits.shape == (1, 4, config.vocab_size)
        return True
    except ModelError as error:
        assert str(error)
        return False
    finally:
        assert time.monotonic() - start < SECONDS
        assert sorted(folder.iterdir()) == before


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**70), st.integers(0, 300), st.floats(), st.text(max_size=8),
    st.sampled_from(["../x", "/etc/passwd", "relu", "sdpa", "eager", "float16", "__class__", 1e-5, 4, 8, 64, 16]),
)  # fmt: skip
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=6), SCALARS, max_size=3))
STRANGE = st.sampled_from([
    "quantization_bit", "pre_seq_len", "prefix_projection", "quantization_config", "auto_map", "torch_dtype", "dtype",
    "rope_parameters", "rope_scaling", "rope_ratio", "hidden_act", "head_dim", "attn_implementation", "architectures",
    "tie_word_embeddings", "per_layer_config", "layer_types", "id2label", "num_labels", "rope_theta", "use_cache",
])  # fmt: skip


def mutate_config(healthy, data) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    folder = healthy[kind]
    original = (folder / "config.json").read_text()
    config = copy.deepcopy(json.loads(original))
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.one_of(st.sampled_from(sorted(config)) if config else STRANGE, STRANGE))
        if data.draw(st.integers(0, 4)):
            config[key] = data.draw(VALUES)
        else:
            config.pop(key, None)
    try:
        (folder / "config.json").write_text(json.dumps(config))
        load_or_refuse(folder)
    finally:
        (folder / "config.json").write_text(original)


def mutate_bytes(healthy, tmp_path_factory, data) -> None:
    kind, layout = data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from(LAYOUTS))
    folder = tmp_path_factory.mktemp("mutated")
    shutil.copytree(healthy[kind], folder, dirs_exist_ok=True)
    relay(folder, layout)
    names = ("*.safetensors", "*.bin", "*.json", "*.model")
    files = sorted(file for pattern in names for file in folder.glob(pattern) if file.stat().st_size)
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers and tables are at the ends of these files; the middle is numbers, where any byte is valid.
        near = data.draw(st.integers(0, min(len(content) - 1, 2000)))
        place = near if data.draw(st.booleans()) else len(content) - 1 - near
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    file.write_bytes(content)
    load_or_refuse(folder)
    shutil.rmtree(folder)


relaxed = dict(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(max_examples=200, **relaxed)
@given(st.data())
def test_mutated_configurations(healthy, data):
    mutate_config(healthy, data)


@settings(max_examples=100, **relaxed)
@given(st.data())
def test_mutated_files(healthy, tmp_path_factory, data):
    mutate_bytes(healthy, tmp_path_factory, data)


@pytest.mark.slow
@settings(max_examples=600, **relaxed)
@given(st.data())
def test_many_mutated_configurations(healthy, data):
    mutate_config(healthy, data)


@pytest.mark.slow
@settings(max_examples=400, **relaxed)
@given(st.data())
def test_many_mutated_files(healthy, tmp_path_factory, data):
    mutate_bytes(healthy, tmp_path_factory, data)
