"""Checkpoint folders: every layout of the hubs loads alike; what is missing or dangerous is refused by name."""

import errno
import json
import pickle
import resource
import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BloomConfig, BloomForCausalLM, Glm4Config, Glm4ForCausalLM, GlmConfig, GlmForCausalLM

from glm_core import models
from glm_core.models import ModelError, checkpoints
from tests.models.bytelevel import write_tokenizer
from tests.models.shards import LAYOUTS, relay
from tests.models.test_prefix_tuning import GLM
from tests.tiny import randomize, tiny_chatglm

ROLES = ["<pad>", "</s>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
BLOOM = {"vocab_size": 400, "hidden_size": 64, "n_layer": 3, "n_head": 4, "pad_token_id": 0, "eos_token_id": 1}
NATIVE = {
    "glm": lambda: GlmForCausalLM(GlmConfig(**{**GLM, "vocab_size": 400})),
    "glm4": lambda: Glm4ForCausalLM(Glm4Config(**{**GLM, "vocab_size": 400})),
    "bloom": lambda: BloomForCausalLM(BloomConfig(**BLOOM)),
}


@pytest.fixture
def folder(tmp_path):
    return tiny_chatglm(tmp_path / "tiny")


def logits(loaded) -> torch.Tensor:
    ids = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好"}])
    with torch.no_grad():
        return loaded.model(torch.tensor([ids])).logits


def edit(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_loads_alike(folder, layout):
    before = logits(models.load(folder, device="cpu"))
    assert torch.equal(logits(models.load(relay(folder, layout), device="cpu")), before)


@pytest.mark.parametrize("kind", list(NATIVE))
def test_models_of_transformers_load_as_they_are(tmp_path, kind):
    model = NATIVE[kind]()
    randomize(model, 0)
    model.eval().save_pretrained(tmp_path)
    write_tokenizer(tmp_path, ROLES)
    loaded = models.load(tmp_path, device="cpu")
    ids = torch.tensor([loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好"}])])
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, model(ids).logits)
    stops = loaded.family.stop_ids(loaded.tokenizer)
    answers = [
        one.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=stops, pad_token_id=0)
        for one in (loaded.model, model)
    ]
    assert torch.equal(*answers)
    assert loaded.family.name == kind


def test_the_first_bloom_files_name_the_bare_network(tmp_path):
    model = NATIVE["bloom"]()
    randomize(model, 0)
    model.eval().save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file(
        {name.removeprefix("transformer."): tensor for name, tensor in state.items()}, tmp_path / "model.safetensors"
    )
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.equal(models.load(tmp_path, device="cpu").model(ids).logits, model(ids).logits)


def test_glm4_in_its_original_form_is_converted(tmp_path):
    """Only sizes, epsilon and rotary base differ from ChatGLM3, whose conversion the golden outputs prove."""
    config = {
        "model_type": "chatglm",
        "padded_vocab_size": 320,
        "hidden_size": 64,
        "num_layers": 2,
        "kv_channels": 16,
        "num_attention_heads": 4,
        "ffn_hidden_size": 96,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "rope_ratio": 500,
        "layernorm_epsilon": 1.5625e-07,
        "add_qkv_bias": True,
        "seq_length": 512,
        "eos_token_id": [300, 301],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(0)
    state = {
        "transformer.embedding.word_embeddings.weight": (320, 64),
        "transformer.output_layer.weight": (320, 64),
        "transformer.encoder.final_layernorm.weight": (64,),
        "transformer.rotary_pos_emb.inv_freq": (4,),
    }
    for layer in range(2):
        state.update(
            {
                f"transformer.encoder.layers.{layer}.{name}": shape
                for name, shape in {
                    "input_layernorm.weight": (64,),
                    "post_attention_layernorm.weight": (64,),
                    "self_attention.query_key_value.weight": (128, 64),
                    "self_attention.query_key_value.bias": (128,),
                    "self_attention.dense.weight": (64, 64),
                    "mlp.dense_h_to_4h.weight": (192, 64),
                    "mlp.dense_4h_to_h.weight": (64, 96),
                }.items()
            }
        )
    state = {name: torch.randn(shape, generator=generator) for name, shape in state.items()}
    save_file(state, tmp_path / "model.safetensors")
    loaded = models.load(tmp_path, device="cpu")
    assert loaded.family.name == "glm4-original"
    rope = loaded.model.config.rope_parameters
    assert (rope["rope_theta"], rope["partial_rotary_factor"]) == (5_000_000.0, 0.5)
    assert loaded.model.config.rms_norm_eps == 1.5625e-07
    key = state["transformer.encoder.layers.1.self_attention.query_key_value.weight"][64:96]
    assert torch.equal(loaded.model.model.layers[1].self_attn.k_proj.weight, key)
    with torch.no_grad():
        assert loaded.model(torch.tensor([[1, 2, 3]])).logits.isfinite().all()


def test_weights_are_independent_of_their_file(folder):
    loaded = models.load(folder, device="cpu")
    before = logits(loaded)
    size = (folder / "model.safetensors").stat().st_size
    (folder / "model.safetensors").write_bytes(b"\0" * size)
    assert torch.equal(logits(loaded), before)


@pytest.mark.parametrize(
    "dtype, expected", [(None, torch.float32), ("bfloat16", torch.bfloat16), (torch.float16, torch.float16)]
)
def test_precision_is_chosen_by_device_or_caller(folder, dtype, expected):
    edit(folder, torch_dtype="float16")
    model = models.load(folder, device="cpu", dtype=dtype).model
    assert {parameter.dtype for parameter in model.parameters()} == {expected}


@pytest.mark.parametrize("dtype", ["float99", "int8", "nn", "Tensor", 5])
def test_no_floating_point_type_is_refused(folder, dtype):
    with pytest.raises(ModelError, match="精度"):
        models.load(folder, device="cpu", dtype=dtype)


def test_progress_names_stages_and_reaches_the_end(folder):
    seen = []
    models.load(
        relay(folder, LAYOUTS[2]), device="cpu", progress=lambda stage, fraction: seen.append((stage, fraction))
    )
    fractions = [fraction for stage, fraction in seen if stage == "models.stage.weights"]
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and fractions[-1] > 0.95
    assert [stage for stage, _ in seen[:3]] == [
        "models.stage.tokenizer",
        "models.stage.library",
        "models.stage.weights",
    ]


def test_loading_needs_no_more_than_the_model_and_one_shard(tmp_path):
    """Peak memory of a fresh process, beside what its libraries take, for a model of 100 MB in shards of 25 MB."""
    folder = tiny_chatglm(tmp_path, hidden_size=512, inner_hidden_size=2048, num_layers=8, num_attention_heads=8)
    size = (folder / "model.safetensors").stat().st_size
    relay(folder, "pytorch_model.bin.index.json", shards=4)
    code = textwrap.dedent(f"""
        import resource, torch
        from glm_core import models
        from glm_core.models import loading
        import transformers.models.bloom.modeling_bloom, transformers.models.glm4.modeling_glm4
        described = models.describe({str(folder)!r})
        loading.build(described.family.architecture, described.settings)
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        before = peak()
        models.load({str(folder)!r}, device="cpu")
        print(peak() - before)
    """)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert size > 90e6
    assert int(run.stdout) < size * 1.25 + 25e6


# refusals


class Payload:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_with_code_is_refused_and_not_run(folder, tmp_path, legacy):
    (folder / "model.safetensors").unlink()
    content = {"transformer.word_embeddings.weight": Payload(tmp_path / "owned")}
    if legacy:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pytorch_model.bin.*想要运行代码"):
        models.load(folder, device="cpu")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, "text"])
def test_a_pickle_of_something_else_is_refused(folder, content):
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pytorch_model.bin"):
        models.load(folder, device="cpu")


@pytest.mark.parametrize(
    "name", ["../secret.bin", "/etc/passwd", "..", ".hidden", "a/b.safetensors", "a\\b", "", "x" * 300]
)
def test_an_index_cannot_point_outside_its_folder(folder, name):
    relay(folder, LAYOUTS[2])
    index = folder / LAYOUTS[2]
    content = json.loads(index.read_text())
    content["weight_map"]["lm_head.weight"] = name
    index.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="之外"):
        models.load(folder, device="cpu")


def test_a_config_cannot_name_code_or_files(folder, tmp_path):
    """`auto_map` and paths in the published files are read by nobody."""
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')")
    edit(
        folder,
        auto_map={"AutoConfig": "evil.X", "AutoModel": "evil.Y"},
        _name_or_path="../../etc",
        tokenizer_file="/etc/passwd",
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["evil.X", None]}, "vocab_file": "/etc/passwd"})
    )
    loaded = models.load(folder, device="cpu")
    assert loaded.name == "tiny" and not (tmp_path / "owned").exists()


def test_a_missing_shard_is_named(folder):
    relay(folder, LAYOUTS[3])
    (folder / "pytorch_model-00002-of-00003.bin").unlink()
    with pytest.raises(ModelError, match="pytorch_model-00002-of-00003.bin"):
        models.load(folder, device="cpu")


def test_a_missing_tensor_is_named(folder):
    state = load_file(folder / "model.safetensors")
    del state["transformer.layers.1.mlp.dense_4h_to_h.bias"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelError, match="transformer.layers.1.mlp.dense_4h_to_h.bias"):
        models.load(folder, device="cpu")


def test_a_tensor_of_another_shape_or_kind_is_named(folder):
    state = load_file(folder / "model.safetensors")
    for wrong in (torch.zeros(5), torch.zeros(64, dtype=torch.int8), torch.zeros(64, dtype=torch.bool)):
        save_file({**state, "transformer.final_layernorm.weight": wrong}, folder / "model.safetensors")
        with pytest.raises(ModelError, match="transformer.final_layernorm.weight"):
            models.load(folder, device="cpu")


def test_an_unknown_tensor_is_left_out_with_a_word(folder, caplog):
    state = load_file(folder / "model.safetensors")
    save_file({**state, "score.weight": torch.zeros(5)}, folder / "model.safetensors")
    models.load(folder, device="cpu")
    assert "score.weight" in caplog.text


@pytest.mark.parametrize("cut", [0, 4, 100, 20_000])
@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_a_truncated_file_is_named(folder, layout, cut):
    file = relay(folder, layout) / layout
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelError, match=layout):
        models.load(folder, device="cpu")


def test_a_folder_that_is_no_model_says_what_it_lacks(folder, tmp_path):
    with pytest.raises(ModelError, match="没有 .*nowhere"):
        models.load(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="config.json"):
        models.load(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="没有权重"):
        models.load(folder)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "\ufeff{}", "{" * 100_000, '{"model_type": "chatglm"}', '{"a": 1e999}']
)
def test_a_broken_config_is_a_sentence(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError):
        models.load(folder)


def test_an_oversized_config_is_not_read(folder):
    (folder / "config.json").write_text(" " * (checkpoints.CONFIG_BYTES + 1))
    with pytest.raises(ModelError, match="config.json"):
        models.describe(folder)


def test_a_prefix_promised_but_absent_is_missed(folder):
    edit(folder, pre_seq_len=7)
    with pytest.raises(ModelError, match="7"):
        models.load(folder, device="cpu")


def test_a_prefix_of_another_shape_is_refused(folder):
    edit(folder, pre_seq_len=7)
    state = load_file(folder / "model.safetensors")
    save_file(
        {**state, "transformer.prefix_encoder.embedding.weight": torch.zeros(7, 10)}, folder / "model.safetensors"
    )
    with pytest.raises(ModelError, match="前缀"):
        models.load(folder, device="cpu")


def test_a_tokenizer_of_another_model_is_refused(folder, tmp_path):
    other = tiny_chatglm(tmp_path / "other")
    edit(other, bos_token_id=9)
    with pytest.raises(ModelError, match="bos_token_id"):
        models.load(other, device="cpu")
    tiny_chatglm(tmp_path / "small", vocab_size=100)
    with pytest.raises(ModelError, match="560"):
        models.load(tmp_path / "small", device="cpu")


def test_an_old_tokenizer_is_refused_with_a_reason(folder):
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "num_image_tokens": 20000}))
    with pytest.raises(ModelError, match="130,528"):
        models.load_tokenizer(folder)


def test_end_tokens_may_stand_in_the_models_settings(tmp_path):
    write_tokenizer(tmp_path, ROLES)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": [1, 5], "pad_token_id": 0}))
    tokenizer = models.load_tokenizer(tmp_path)
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 0)


def test_a_file_that_the_system_refuses_is_an_error_of_the_system(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            checkpoints.write_tensors({"a": torch.zeros(10_000)}, tmp_path / "a.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
