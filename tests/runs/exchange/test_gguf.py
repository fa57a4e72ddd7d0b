"""GGUF files: names, shapes, numbers and metadata as llama.cpp expects them; refusals with a reason.

Where llama-cpp-python is installed, `benchmarks/handover.py` also asks llama.cpp itself.
"""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import load_file, save_file

from glm_core.adapters.errors import AdapterError
from glm_core.models import load_tokenizer
from glm_core.models.chat_templates import ChatTemplate
from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.runs.exchange.gguf import turn_formats, vocabulary
from glm_core.runs.exchange.gguf.write import write_gguf
from tests.runs.exchange.published import (
    BLOOM,
    GROUPS,
    HEAD,
    HEADS,
    LAYERS,
    TEMPLATES,
    WIDTH,
    publish,
    sentencepiece_as_json,
)
from tests.training.small import small

ARCHITECTURES = {
    "chatglm2": "chatglm",
    "chatglm3": "chatglm",
    "glm4-original": "chatglm",
    "glm": "chatglm",
    "glm4": "glm4",
    "glm-edge": "chatglm",
    "glm-z1": "glm4",
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
        assert field(reader, f"{arch}.rope.dimension_count") == (HEAD if kind == "glm-edge" else HEAD // 2)
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


LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern):
    one = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    whole = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [one, whole]}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (LLAMA_3, "chatglm-bpe"),
        (LLAMA_3.replace("{1,3}", ""), "qwen2"),
        (LLAMA_3.replace(r"]?\p{L}+", r"]?+\p{L}++"), "chatglm-bpe"),
        (LLAMA_3.partition("|[^")[2], None),  # without the contractions
        (LLAMA_3.replace("{1,3}", "{1,2}"), None),
        (LLAMA_3.replace(r"\p{L}+", r"[\p{L}\p{M}]+"), None),
    ],
)
def test_only_the_whole_splitting_rule_counts(pattern, name):
    if name is not None:
        assert vocabulary.split_rule(split(pattern)) == name
        return
    with pytest.raises(AdapterError):
        vocabulary.split_rule(split(pattern))


DENSE = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
    "granite": "granite",
    "starcoder2": "starcoder2",
}


@pytest.mark.parametrize(("kind", "arch"), DENSE.items())
def test_dense_decoders_have_every_tensor(kind, arch, tmp_path):
    folder = publish(kind, tmp_path / "model")
    reader = written(folder, tmp_path)
    assert field(reader, "general.architecture") == arch
    assert field(reader, f"{arch}.attention.key_length") == HEAD
    published = load_file(folder / "model.safetensors")
    assert sorted(tuple(map(int, t.shape[::-1])) for t in reader.tensors) == sorted(
        tuple(t.shape) for t in published.values()
    )


def test_gemma_3_has_its_windows_its_two_rotations_and_its_norms(tmp_path):
    folder = publish("gemma3_text", tmp_path / "model")
    reader = written(folder, tmp_path)
    assert field(reader, "gemma3.attention.sliding_window") == 8
    assert "gemma3.attention.sliding_window_pattern" not in reader.fields  # every sixth, as llama.cpp has it
    assert field(reader, "gemma3.rope.freq_base") == 1_000_000 and field(reader, "gemma3.rope.freq_base_swa") == 10_000
    published, found = load_file(folder / "model.safetensors"), {t.name: t.data for t in reader.tensors}
    assert np.allclose(found["output_norm.weight"], 1 + published["model.norm.weight"].numpy())
    query = 1 + published["model.layers.0.self_attn.q_norm.weight"].numpy()
    assert np.allclose(
        found["blk.0.attn_q_norm.weight"], query * (HEAD / 24) ** 0.5
    )  # queries are divided by 24 ** 0.5
    assert "output.weight" not in found


def test_layers_with_windows_in_another_order_are_named(tmp_path):
    types = ["full_attention", "sliding_attention"]
    folder = publish("gemma3_text", tmp_path / "model", num_hidden_layers=2, layer_types=types)
    assert field(written(folder, tmp_path), "gemma3.attention.sliding_window_pattern") == [False, True]


def test_llama_3_has_the_factors_of_its_rotation(tmp_path):
    from transformers import AutoConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    scaled = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0}
    scaled |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    folder = publish("llama", tmp_path / "model", rope_parameters=scaled)
    reader = written(folder, tmp_path)
    factors = next(t.data for t in reader.tensors if t.name == "rope_freqs.weight")
    turned = LlamaRotaryEmbedding(AutoConfig.from_pretrained(folder)).inv_freq.numpy()
    plain = field(reader, "llama.rope.freq_base") ** -(np.arange(0, HEAD, 2) / HEAD)
    assert np.allclose(plain / factors, turned, rtol=1e-5) and factors.max() == pytest.approx(8)


def test_a_window_that_llama_cpp_has_not_bounds_the_context(tmp_path):
    folder = publish("mistral", tmp_path / "model", sliding_window=128)
    assert field(written(folder, tmp_path), "llama.context_length") == 128


@pytest.mark.parametrize(
    ("kind", "changes", "key"),
    [
        ("llama", {"hidden_act": "gelu"}, "gguf.error.setting"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "gguf.error.rope"),
        ("qwen3", {"rope_parameters": {"rope_type": "llama3"}}, "gguf.error.rope"),
        ("qwen3", {"attention_bias": True}, "gguf.error.tensor"),
        ("gemma", {"tie_word_embeddings": False}, "gguf.error.tensor"),
        *(
            (kind, {"hidden_size": 96}, "gguf.error.setting")
            for kind in ("glm", "qwen2", "phi3", "olmo2", "starcoder2")
        ),
        ("smollm3", {"no_rope_layers": [1, 1, 1, 1]}, "gguf.error.setting"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(kind, changes, key, tmp_path):
    if changes.get("rope_parameters") == {"rope_type": "llama3"}:
        changes = {"rope_parameters": LLAMA_3_ROPE}
    folder = publish(kind, tmp_path / "model", **changes)
    with pytest.raises(AdapterError) as caught:
        write_gguf(folder, tmp_path / "model.gguf")
    assert caught.value.key == key and [path.name for path in tmp_path.iterdir()] == ["model"]


LLAMA_3_ROPE = {
    **{"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0},
    **{"high_freq_factor": 4.0, "original_max_position_embeddings": 64},
}


def joined(text, pieces, scores):
    """llama.cpp's way: the two neighbours whose union scores highest become one, until none are left."""
    parts, place = list(text), {piece: index for index, piece in enumerate(pieces)}
    while True:
        unions = [(scores[place[a + b]], -at) for at, (a, b) in enumerate(pairwise(parts)) if a + b in place]
        if not unions:
            break
        at = -max(unions)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    bytes_of = [[part] if part in place else [f"<0x{byte:02X}>" for byte in part.encode()] for part in parts]
    return [place[piece] for part in bytes_of for piece in part]


@pytest.mark.parametrize("spaced", [True, False])
def test_pieces_of_a_tokenizer_json_join_by_score_as_they_do_by_merges(spaced, tmp_path):
    folder = publish("gemma3_text", tmp_path / "model", sentencepiece_as_json(tmp_path / "tokenizer", spaced))
    reader, tokenizer = written(folder, tmp_path), load_tokenizer(folder)
    assert field(reader, "tokenizer.ggml.model") == "llama"
    assert field(reader, "tokenizer.ggml.add_space_prefix") is spaced
    pieces, scores = (field(reader, f"tokenizer.ggml.{name}") for name in ("tokens", "scores"))
    for text in ("你好，我是一个小小的助手。", "hello  world\n\t", "🙂 don't", "法国的首都是哪里？a１"):
        marked = (" " * spaced + text).replace(" ", "▁")
        assert joined(marked, pieces, scores) == tokenizer.encode(text)


def test_merges_that_no_score_can_stand_for_are_refused(tmp_path):
    folder = sentencepiece_as_json(tmp_path / "tokenizer", False)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"].pop()  # its piece stays, and llama.cpp would make it
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(AdapterError) as caught:
        write_gguf(publish("gemma3_text", tmp_path / "model", folder), tmp_path / "model.gguf")
    assert caught.value.key == "gguf.error.tokenizer" and "merges" in str(caught.value)


def test_text_in_normal_form_needs_no_normalizer(tmp_path):
    shutil.copytree(BLOOM, tmp_path / "tokenizer", ignore=shutil.ignore_patterns("model*", "config.json"))
    file = tmp_path / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    for kind, taken in (("NFC", True), ("NFKC", False)):
        file.write_text(json.dumps(content | {"normalizer": {"type": kind}}))
        folder = publish("qwen2", tmp_path / kind, tmp_path / "tokenizer")
        if taken:
            assert field(written(folder, tmp_path), "tokenizer.ggml.model") == "gpt2"
            continue
        with pytest.raises(AdapterError, match=kind):
            write_gguf(folder, tmp_path / "model.gguf")


def test_a_name_that_llama_cpp_reads_as_a_command_is_spelled_otherwise(tmp_path):
    folder = publish("qwen2", tmp_path / "model")
    reader = GGUFReader(write_gguf(folder, tmp_path / "model.gguf", name="我的 Phi-3 phi3"))
    assert field(reader, "general.name") == "我的 Phi 3 phi 3"


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


CHATML = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are a test.<|im_end|>\n' }}{% endif %}{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("source", "words", "system"),
    [
        (CHATML, "<|im_start|>user\n{{ .Content }}<|im_end|>\n", "You are a test."),
        (GEMMA, '<start_of_turn>user\n{{ if $system }}{{ $system }}\n\n{{ $system = "" }}{{ end }}{{ .Content }}', ""),
        (TEMPLATES["glm-edge"], "<|user|>\n{{ .Content }}{{ else if", ""),
        (TEMPLATES["glm-z1"], "{{ end }}{{ end }}<|assistant|>\n<think>", ""),
        (CHATML.replace("m.content", "'.' + m.content"), None, None),
        (GEMMA.replace("<end_of_turn>\n", "<end_of_turn>"), None, None),
    ],
)
def test_ollama_gets_the_format_that_writes_the_prompts_of_the_template(source, words, system):
    tokenizer = Tokenizer()
    tokenizer.chat_template = ChatTemplate(source)
    found = turn_formats.find(tokenizer)
    if words is None:
        assert found is None
    else:
        assert found is not None and words in found[0].go_template() and found[1] == system
