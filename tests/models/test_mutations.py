"""Mutated checkpoints: each loads or is refused by a typed error; nothing crashes, hangs or is left behind."""

import copy
import json
import os
import shutil
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import GlmConfig, GlmForCausalLM

from glm_core import models
from glm_core.models import ModelError
from glm_core.models.architectures import causal_lm_kinds
from glm_core.models.registry import FAMILIES
from tests.models.bytelevel import write_tokenizer
from tests.models.decoders import TEMPLATE, write_decoder
from tests.models.packing import pack_state
from tests.models.shards import LAYOUTS, relay
from tests.models.test_checkpoints import GLM, NATIVE, ROLES
from tests.tiny import randomize, tiny_chatglm

FUSED = {
    "chatglm2": "chatglm2-6b",
    "chatglm3": "chatglm3-6b",
    "glm4-original": "glm-4-9b-chat",
    "codegeex4": "codegeex4-all-9b",
}
NAMED = {
    "bloomz": ("bloom", {"_name_or_path": "bloomz-560m"}),
    "bloom-medical": ("bloom", {"_name_or_path": "huatuo-bloom"}),
    "belle": ("bloom", {"_name_or_path": "BELLE-7B-2M"}),
    "glm-z1": ("glm4", {"_name_or_path": "GLM-Z1-9B-0414"}),
}
EDGE = GlmConfig(**GLM | {"vocab_size": 400, "partial_rotary_factor": 1.0, "attention_bias": False})
NETWORKS = {**NATIVE, "glm-edge": lambda: GlmForCausalLM(EDGE)}
FORMS = ("packed4", "packed8", "prefix", "projected")
KINDS = ("chatglm", *FORMS, *NETWORKS, *FUSED, *NAMED, *causal_lm_kinds.KINDS)


def write(kind: str, folder) -> None:
    """One healthy small checkpoint of every kind."""
    if kind in ("chatglm", *FORMS):
        return _write_chatglm(kind, folder)
    if kind in causal_lm_kinds.KINDS:
        write_decoder(folder, kind)
        return None
    network, changes = NAMED.get(kind, ("glm" if kind in FUSED else kind, {}))
    model = NETWORKS[network]()
    randomize(model, 0)
    model.save_pretrained(folder)
    write_tokenizer(folder, ROLES)
    if kind in FUSED:
        return _fuse(folder, FUSED[kind])
    if kind in ("glm-edge", "glm-z1"):
        (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return None


def _write_chatglm(kind: str, folder) -> None:
    changes = {
        "packed4": {"quantization_bit": 4},
        "packed8": {"quantization_bit": 8},
        "prefix": {"pre_seq_len": 3},
        "projected": {"pre_seq_len": 3, "prefix_projection": True},
    }.get(kind, {})
    tiny_chatglm(folder, num_layers=2, **changes)
    state, encoder = load_file(folder / "model.safetensors"), "transformer.prefix_encoder."
    if kind.startswith("packed"):
        state = pack_state(state, int(kind[-1]))
    if kind == "prefix":
        state[f"{encoder}embedding.weight"] = torch.zeros(3, 2 * 2 * 64)
    if kind == "projected":
        state[f"{encoder}embedding.weight"] = torch.zeros(3, 64)
        for layer, (rows, columns) in {0: (64, 64), 2: (2 * 2 * 64, 64)}.items():
            state[f"{encoder}trans.{layer}.weight"] = torch.zeros(rows, columns)
            state[f"{encoder}trans.{layer}.bias"] = torch.zeros(rows)
    save_file(state, folder / "model.safetensors")


def _fuse(folder, name: str) -> None:
    """Rewrite a Glm checkpoint as ChatGLM2, ChatGLM3 and GLM-4 were published."""
    state, fused = load_file(folder / "model.safetensors"), {}
    fused["transformer.embedding.word_embeddings.weight"] = state["model.embed_tokens.weight"]
    fused["transformer.encoder.final_layernorm.weight"] = state["model.norm.weight"]
    fused["transformer.output_layer.weight"] = state["lm_head.weight"]
    for layer in range(3):
        old, new = f"model.layers.{layer}.", f"transformer.encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            parts = [state[f"{old}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            fused[f"{new}self_attention.query_key_value.{kind}"] = torch.cat(parts)
        for theirs, ours in (
            ("self_attention.dense", "self_attn.o_proj"),
            ("mlp.dense_h_to_4h", "mlp.gate_up_proj"),
            ("mlp.dense_4h_to_h", "mlp.down_proj"),
            ("input_layernorm", "input_layernorm"),
            ("post_attention_layernorm", "post_attention_layernorm"),
        ):
            fused[f"{new}{theirs}.weight"] = state[f"{old}{ours}.weight"]
    save_file(fused, folder / "model.safetensors")
    config = {
        "model_type": "chatglm",
        "padded_vocab_size": 400,
        "hidden_size": 64,
        "num_layers": 3,
        "num_attention_heads": 4,
        "ffn_hidden_size": 96,
        "kv_channels": 16,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "layernorm_epsilon": 1e-5,
        "add_qkv_bias": True,
        "seq_length": 512,
        "eos_token_id": 2,
        "_name_or_path": name,
    }
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    for kind, folder in folders.items():
        write(kind, folder)
        family = models.load(folder, device="cpu").family.name
        assert kind in FORMS or family == kind
    assert {family.name for family in FAMILIES} <= set(KINDS)
    return folders


def load_or_refuse(folder) -> bool:
    """Return True where the mutated `folder` loads; anything but success or a `ModelError` fails the test."""
    before = sorted(folder.iterdir())
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
        assert sorted(folder.iterdir()) == before


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**70),
    st.integers(0, 300),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["../x", "/etc/passwd", "relu", "sdpa", "eager", "float16", "__class__", 1e-5, 4, 8, 64, 16]),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(max_size=6), SCALARS, max_size=3))
STRANGE = st.sampled_from(
    [
        "quantization_bit",
        "pre_seq_len",
        "prefix_projection",
        "quantization_config",
        "auto_map",
        "torch_dtype",
        "dtype",
        "rope_parameters",
        "rope_scaling",
        "rope_ratio",
        "hidden_act",
        "head_dim",
        "attn_implementation",
        "architectures",
        "tie_word_embeddings",
        "per_layer_config",
        "layer_types",
        "id2label",
        "num_labels",
        "rope_theta",
        "use_cache",
    ]
)


def mutate_config(healthy, data, kinds=KINDS) -> tuple[str, bool]:
    """Load one checkpoint with a changed config.json; returns its kind and whether it loaded."""
    kind = data.draw(st.sampled_from(kinds))
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
        return kind, load_or_refuse(folder)
    finally:
        (folder / "config.json").write_text(original)


def mutate_bytes(healthy, tmp_path_factory, data, kinds=KINDS) -> tuple[str, bool]:
    """Load one checkpoint with damaged bytes in one file; returns its kind and whether it loaded."""
    kind, layout = data.draw(st.sampled_from(kinds)), data.draw(st.sampled_from(LAYOUTS))
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
    loaded = load_or_refuse(folder)
    shutil.rmtree(folder)
    return kind, loaded


def tally(mutate, count: int) -> Counter:
    """What became of `count` mutations: how many of each kind loaded and were refused."""
    found: Counter = Counter()

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(st.data())
    def each(data):
        found[mutate(data)] += 1

    each()
    assert sum(found.values()) >= count
    return found


def test_mutated_configurations(healthy):
    found = tally(lambda data: mutate_config(healthy, data), 60)
    assert {loaded for _kind, loaded in found} == {True, False}, "some changes matter and some do not"


def test_mutated_files(healthy, tmp_path_factory):
    tally(lambda data: mutate_bytes(healthy, tmp_path_factory, data), 40)


@pytest.mark.parametrize("kind", ["chatglm", "bloom", "glm4", "llama"])
def test_labels_of_classifiers_take_no_memory(kind, tmp_path):
    """The library makes a dictionary of `num_labels` entries: a number in a small file took 23 GB."""
    write(kind, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_labels": 200_000, "id2label": {"7": "x"}}))
    assert len(models.load(tmp_path, device="cpu").model.config.id2label) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutations_of_every_family(healthy, tmp_path_factory, kind):
    count = int(os.environ.get("EASYAIGC_MUTATIONS", 3))
    found = tally(lambda data: mutate_config(healthy, data, [kind]), count)
    found += tally(lambda data: mutate_bytes(healthy, tmp_path_factory, data, [kind]), count)
    assert {one for one, _ in found} == {kind}


@pytest.mark.parametrize(
    "change",
    [{"sliding_window": 2**63}, {"query_pre_attn_scalar": 10**400}, {"query_pre_attn_scalar": 0}],
    ids=lambda one: next(iter(one)),
)
def test_numbers_that_cannot_be_calculated_with_are_refused(tmp_path, change):
    write("gemma2", tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert not load_or_refuse(tmp_path)
