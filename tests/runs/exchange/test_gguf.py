"""GGUF files: names, shapes, numbers and metadata as llama.cpp expects them; refusals with a reason.

Where llama-cpp-python is installed, `benchmarks/handover.py` also asks llama.cpp itself.
"""

import json

import numpy as np
import pytest
import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import load_file, save_file

from glm_core.adapters.errors import AdapterError
from glm_core.models import load_tokenizer
from glm_core.runs.exchange.gguf import vocabulary
from glm_core.runs.exchange.gguf.write import write_gguf
from tests.runs.exchange.published import BLOOM, GROUPS, HEAD, HEADS, LAYERS, WIDTH, publish
from tests.training.small import small

ARCHITECTURES = {
    "chatglm2": "chatglm",
    "chatglm3": "chatglm",
    "glm4-original": "chatglm",
    "glm": "chatglm",
    "glm4": "glm4",
    "bloom": "bloom",
}


def field(reader, name):
    return reader.fields[name].contents()


def written(folder, tmp_path, kind="f32"):
    return GGUFReader(write_gguf(folder, tmp_path / "model.gguf", kind=kind))


@pytest.mark.parametrize(("kind", "arch"), ARCHITECTURES.items())
def test_every_tensor_and_setting_is_there(kind, arch, tmp_path):
    folder = publish(kind, tmp_path / "model")
    reader = written(folder, tmp_path)
    assert field(reader, "general.architecture") == arch
    assert field(reader, f"{arch}.block_count") == LAYERS and field(reader, f"{arch}.embedding_length") == WIDTH
    assert field(reader, f"{arch}.attention.head_count") == HEADS
    if kind != "bloom":
        assert field(reader, f"{arch}.attention.head_count_kv") == GROUPS
        assert field(reader, f"{arch}.rope.dimension_count") == HEAD // 2
    else:
        assert field(reader, "bloom.context_length") == 2048
    published = load_file(folder / "model.safetensors")
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert len(found) == len(published)
    assert sorted(sorted(map(int, t.shape)) for t in found.values()) == sorted(
        sorted(t.shape) for t in published.values()
    )
    embedding = next(t for name, t in published.items() if "embed" in name and "norm" not in name)
    assert np.array_equal(found["token_embd.weight"].data, embedding.numpy())


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_vocabulary_has_every_token_under_its_id(kind, tmp_path):
    folder = publish(kind, tmp_path / "model")
    reader, tokenizer = written(folder, tmp_path), load_tokenizer(folder)
    pieces = field(reader, "tokenizer.ggml.tokens")
    assert len(pieces) == next(int(t.shape[1]) for t in reader.tensors if t.name == "token_embd.weight")
    for name, index in tokenizer.controls.items():
        assert pieces[index] == vocabulary.PLAIN_WORDS.get(name, name)
        assert field(reader, "tokenizer.ggml.token_type")[index] == 3
    assert field(reader, "tokenizer.ggml.eos_token_id") == tokenizer.eos_token_id
    assert field(reader, "tokenizer.ggml.add_bos_token") is False
    assert "messages" in field(reader, "tokenizer.chat_template")


def test_blooms_rows_are_put_in_the_order_of_queries_keys_and_values(tmp_path):
    folder = publish("bloom", tmp_path / "model")
    fused = load_file(folder / "model.safetensors")["transformer.h.1.self_attention.query_key_value.weight"]
    found = next(t for t in written(folder, tmp_path).tensors if t.name == "blk.1.attn_qkv.weight")
    parts = fused.view(HEADS, 3, WIDTH // HEADS, WIDTH)
    assert np.array_equal(found.data, torch.cat([parts[:, part].reshape(-1, WIDTH) for part in range(3)]).numpy())


def test_eight_bits_are_near_the_weights_and_norms_stay_exact(tmp_path):
    folder = publish("glm", tmp_path / "model")
    exact = {t.name: t for t in written(folder, tmp_path).tensors}
    small_file = written(folder, tmp_path, "q8_0")
    for tensor in small_file.tensors:
        found = dequantize(tensor.data, tensor.tensor_type)
        error = np.abs(found - exact[tensor.name].data).max() / np.abs(exact[tensor.name].data).max()
        assert error < (0.01 if len(tensor.shape) > 1 else 1e-9)
    assert {t.tensor_type.name for t in small_file.tensors} == {"Q8_0", "F32"}


def test_a_network_that_llama_cpp_has_not_is_refused_with_the_reason(tmp_path):
    with pytest.raises(AdapterError) as caught:
        write_gguf(small("chatglm", tmp_path / "model"), tmp_path / "model.gguf")
    assert caught.value.key == "gguf.error.network" and "ChatGLM-6B" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_prefix_is_refused_with_the_reason(tmp_path):
    folder = publish("glm", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pre_seq_len": 4}))
    with pytest.raises(AdapterError) as caught:
        write_gguf(folder, tmp_path / "model.gguf")
    assert caught.value.key == "gguf.error.prefix"


def test_a_tensor_without_a_place_is_refused_and_leaves_no_file(tmp_path):
    folder = publish("glm", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"model.layers.0.adapter.weight": torch.zeros(2, 2)}, folder / "model.safetensors")
    with pytest.raises(AdapterError) as caught:
        write_gguf(folder, tmp_path / "model.gguf")
    assert caught.value.key == "gguf.error.tensor" and "model.layers.0.adapter" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_rule_of_splitting_that_llama_cpp_has_not_is_refused(tmp_path):
    assert vocabulary.split_rule(json.loads((BLOOM / "tokenizer.json").read_text())["pre_tokenizer"]) == "smollm"
    with pytest.raises(AdapterError) as caught:
        vocabulary.split_rule({"type": "Whitespace"})
    assert caught.value.key == "gguf.error.split_rule"


@pytest.mark.parametrize("words", [["ab", "abc", "bc", "abcd"], ["aa", "aaa", "aaaa", "aaaaaaaa"], ["xy", "yz", "xyz"]])
def test_merges_found_again_make_every_piece(words):
    ranks = {bytes([byte]): byte for byte in range(256)}
    for word in words:
        ranks.setdefault(word.encode(), len(ranks))
    pairs = vocabulary.merge_pairs(ranks)
    assert [left + right for left, right in pairs] == [
        word.encode()
        for word in words
        if any(word.encode()[:cut] in ranks and word.encode()[cut:] in ranks for cut in range(1, len(word)))
    ]
