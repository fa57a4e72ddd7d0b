"""Seconds and peak memory of loading each family at full size: published layout and shards, random weights.

    python benchmarks/loading.py [--families chatglm chatglm2 chatglm3 glm4-original glm4-hf glm4-0414 bloom chatglm-int4
                                             qwen3-8b llama-3.1-8b glm-edge-4b glm-z1-9b] [--folder DIR]
                                 [--quantization int8 nf4] [--shape tiny]

For each family writes a checkpoint as the hub lays it out (12 to 19 GB, removed afterwards), loads it, answers with 64
greedy tokens, unloads it, and prints a row: seconds to load, memory of the finished model and at the peak, tokens a
second, memory left after unloading. `--shape tiny` runs the same path in seconds.
"""

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from benchmarks.shapes import SHAPES  # noqa: E402
from glm_core import models  # noqa: E402

SHARD_BYTES = 1_900_000_000
FUSED = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "ffn_hidden_size": 13696,
    "num_attention_heads": 32,
    "kv_channels": 128,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "num_layers": 28,
    "padded_vocab_size": 65024,
    "layernorm_epsilon": 1e-5,
    "add_qkv_bias": True,
    "seq_length": 8192,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "torch_dtype": "float16",
}
CHATGLM = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "num_attention_heads": 32,
    "num_layers": 28,
    "vocab_size": 130528,
    "position_encoding_2d": True,
    "max_sequence_length": 2048,
    "torch_dtype": "float16",
    "bos_token_id": 130004,
    "eos_token_id": 130005,
    "mask_token_id": 130000,
    "gmask_token_id": 130001,
    "pad_token_id": 3,
}
GLM = {
    "hidden_size": 4096,
    "intermediate_size": 13696,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "num_hidden_layers": 40,
    "vocab_size": 151552,
    "partial_rotary_factor": 0.5,
    "attention_bias": True,
    "rms_norm_eps": 1.5625e-07,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "eos_token_id": [151329, 151336, 151338],
    "pad_token_id": 151329,
}
CONFIGS = {
    "chatglm": CHATGLM,
    "chatglm-int4": {**CHATGLM, "quantization_bit": 4},
    "chatglm-int8": {**CHATGLM, "quantization_bit": 8},
    "chatglm2": {**FUSED, "_name_or_path": "chatglm2-6b", "seq_length": 32768},
    "chatglm3": {**FUSED, "_name_or_path": "chatglm3-6b"},
    "glm4-original": {
        **FUSED,
        "_name_or_path": "glm-4-9b-chat",
        "num_layers": 40,
        "padded_vocab_size": 151552,
        "layernorm_epsilon": 1.5625e-07,
        "rope_ratio": 500,
        "torch_dtype": "bfloat16",
        "eos_token_id": [151329, 151336, 151338],
        "pad_token_id": 151329,
    },
    "glm4-hf": {"model_type": "glm", **GLM},
    "glm4-0414": {"model_type": "glm4", **GLM},
    "bloom": {
        "model_type": "bloom",
        "hidden_size": 4096,
        "n_layer": 30,
        "n_head": 32,
        "vocab_size": 250880,
        "torch_dtype": "float16",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
    },
    **{name: {"torch_dtype": "bfloat16", "_name_or_path": name} | one.config for name, one in SHAPES.items()},
}
TINY = {
    "hidden_size": 64,
    "inner_hidden_size": 128,
    "ffn_hidden_size": 96,
    "num_attention_heads": 4,
    "kv_channels": 16,
    "num_layers": 2,
    "n_layer": 2,
    "n_head": 4,
    "intermediate_size": 96,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_hidden_layers": 2,
}


def published_shapes(config: dict) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor of the published checkpoint of `config`."""
    width = config["hidden_size"]
    if config["model_type"] == "bloom":
        yield "word_embeddings.weight", (config["vocab_size"], width)
        yield from _pair("word_embeddings_layernorm", (width,))
        for layer in range(config["n_layer"]):
            yield from _block(f"h.{layer}.", "self_attention", width, 4 * width)
        yield from _pair("ln_f", (width,))
    elif "num_hidden_layers" in config:
        yield from _native_shapes(config)
    elif "ffn_hidden_size" in config:
        yield "transformer.embedding.word_embeddings.weight", (config["padded_vocab_size"], width)
        query, group = (
            config["num_attention_heads"] * config["kv_channels"],
            config["multi_query_group_num"] * config["kv_channels"],
        )
        for layer in range(config["num_layers"]):
            block = f"transformer.encoder.layers.{layer}."
            yield f"{block}input_layernorm.weight", (width,)
            yield from _pair(f"{block}self_attention.query_key_value", (query + 2 * group, width))
            yield f"{block}self_attention.dense.weight", (width, query)
            yield f"{block}post_attention_layernorm.weight", (width,)
            yield f"{block}mlp.dense_h_to_4h.weight", (2 * config["ffn_hidden_size"], width)
            yield f"{block}mlp.dense_4h_to_h.weight", (width, config["ffn_hidden_size"])
        yield "transformer.encoder.final_layernorm.weight", (width,)
        yield "transformer.output_layer.weight", (config["padded_vocab_size"], width)
    else:
        yield "transformer.word_embeddings.weight", (config["vocab_size"], width)
        for layer in range(config["num_layers"]):
            yield from _block(f"transformer.layers.{layer}.", "attention", width, config["inner_hidden_size"])
        yield from _pair("transformer.final_layernorm", (width,))


def _native_shapes(config: dict) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of a checkpoint in transformers' own layout."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    tied = config.get("tie_word_embeddings")
    shapes = ((name, tuple(tensor.shape)) for name, tensor in model.state_dict().items())
    yield from (pair for pair in shapes if not (tied and pair[0] == "lm_head.weight"))


def _pair(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _block(start: str, attention: str, width: int, inner: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _pair(f"{start}input_layernorm", (width,))
    yield from _pair(f"{start}{attention}.query_key_value", (3 * width, width))
    yield from _pair(f"{start}{attention}.dense", (width, width))
    yield from _pair(f"{start}post_attention_layernorm", (width,))
    yield from _pair(f"{start}mlp.dense_h_to_4h", (inner, width))
    yield from _pair(f"{start}mlp.dense_4h_to_h", (width, inner))


def tensors(config: dict, device: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Random tensors on the CPU; matrices of the blocks packed where the configuration says so."""
    dtype, bits = getattr(torch, config["torch_dtype"]), config.get("quantization_bit", 0)
    for name, shape in published_shapes(config):
        if bits and len(shape) == 2 and "layers" in name:
            packed = torch.randint(-128, 128, (shape[0], shape[1] * bits // 8), dtype=torch.int8, device=device)
            yield name, packed.cpu()
            yield f"{name}_scale", torch.full(shape[:1], 0.02 / 2 ** (bits - 1), dtype=torch.float16)
        elif "norm" in name or "ln_f" in name:
            yield name, torch.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype=dtype)
        else:
            yield name, torch.empty(shape, dtype=dtype, device=device).normal_(std=0.02).cpu()


def write(config: dict, folder: Path, device: str) -> int:
    """Write the checkpoint in `.bin` shards with their index; returns its bytes."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    shard, index, total, size = {}, {}, 0, 0

    def flush() -> None:
        nonlocal size
        file = f"pytorch_model-{len(set(index.values())) + 1:05}.bin"
        torch.save(shard, folder / file)
        index.update(dict.fromkeys(shard, file))
        shard.clear()
        size = 0

    for name, tensor in tensors(config, device):
        shard[name] = tensor
        size += tensor.nbytes
        total += tensor.nbytes
        if size > SHARD_BYTES:
            flush()
    flush()
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    return total


def prompt(config: dict) -> list[int]:
    """Forty ids in the shape of the family's prompts."""
    ids = list(range(10, 50))
    return [*ids, config["gmask_token_id"], config["bos_token_id"]] if "gmask_token_id" in config else ids


def measure(folder: Path, config: dict, quantization: str | None) -> dict:
    """Load, answer, unload; seconds and gigabytes."""
    cuda = torch.cuda.is_available()
    used = torch.cuda.memory_allocated if cuda else lambda: 0
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    loaded = models.load(folder, quantization=quantization)
    if cuda:
        torch.cuda.synchronize()
    seconds, size = time.perf_counter() - start, used()
    peak = torch.cuda.max_memory_allocated() if cuda else 0
    ids = torch.tensor([prompt(config)], device=loaded.model.device)
    for tokens in (8, 64):  # the first one warms up
        start = time.perf_counter()
        answer = loaded.model.generate(
            ids, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=3
        )
        speed = tokens / (time.perf_counter() - start)
    assert answer.shape[1] == ids.shape[1] + 64
    row = {"family": loaded.family.name, "load": seconds, "peak": peak, "model": size, "speed": speed}
    del loaded, ids, answer
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
    return {**row, "left": used()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--quantization", nargs="*", choices=["int8", "nf4"], default=[], help="also load quantized")
    parser.add_argument(
        "--folder", type=Path, help="where the checkpoints go for a while; default the temporary folder"
    )
    parser.add_argument("--shape", choices=["full", "tiny"], default="full")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}; random weights, files in the page cache\n")
    print("| checkpoint | quantized | files GB | load s | model GB | peak GB | tokens/s | left GB |")
    print("|---|---|---|---|---|---|---|---|")
    for family in arguments.families:
        config = CONFIGS[family]
        if arguments.shape == "tiny":
            config = {**config, **{key: value for key, value in TINY.items() if key in config}}
        folder = Path(tempfile.mkdtemp(dir=arguments.folder)) / family
        try:
            total = write(config, folder, device)
            packed = bool(config.get("quantization_bit"))
            for quantization in [None, *([] if packed else arguments.quantization)]:
                row = measure(folder, config, quantization)
                size, peak, left = (row[name] / 1e9 for name in ("model", "peak", "left"))
                cells = (
                    f"{total / 1e9:.2f}",
                    f"{row['load']:.1f}",
                    f"{size:.2f}",
                    f"{peak:.2f}",
                    f"{row['speed']:.1f}",
                )
                print("|", " | ".join([family, quantization or "-", *cells, f"{left:.2f}"]), "|", flush=True)
        finally:
            shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
