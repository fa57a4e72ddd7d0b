"""Small random checkpoints of every native architecture, and adapters that visibly change them."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.tiny import randomize, tiny_chatglm

CHATGLM3 = {
    "model_type": "chatglm",
    "_name_or_path": "THUDM/chatglm3-6b",
    "num_layers": 2,
    "hidden_size": 32,
    "ffn_hidden_size": 48,
    "kv_channels": 8,
    "num_attention_heads": 4,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "padded_vocab_size": 96,
    "layernorm_epsilon": 1e-5,
    "rmsnorm": True,
    "add_qkv_bias": True,
    "add_bias_linear": False,
    "seq_length": 128,
    "tie_word_embeddings": False,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "torch_dtype": "float32",
}


def small_chatglm3(folder: Path) -> Path:
    """A published-layout ChatGLM3 checkpoint: fused query_key_value under the official names."""
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    c = CHATGLM3
    width, rows = c["hidden_size"], 4 * 8 + 2 * 2 * 8
    shapes = {
        "transformer.embedding.word_embeddings.weight": (96, width),
        "transformer.output_layer.weight": (96, width),
        "transformer.encoder.final_layernorm.weight": (width,),
    }
    for layer in range(c["num_layers"]):
        at = f"transformer.encoder.layers.{layer}."
        shapes |= {
            at + "input_layernorm.weight": (width,),
            at + "post_attention_layernorm.weight": (width,),
            at + "self_attention.query_key_value.weight": (rows, width),
            at + "self_attention.query_key_value.bias": (rows,),
            at + "self_attention.dense.weight": (width, 32),
            at + "mlp.dense_h_to_4h.weight": (2 * 48, width),
            at + "mlp.dense_4h_to_h.weight": (width, 48),
        }
    save_file(
        {name: torch.randn(shape) / shape[-1] ** 0.5 * 2 for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(c))
    return folder


def small_native(kind: str, folder: Path) -> Path:
    """A checkpoint of transformers' own Glm, Glm4 or BLOOM."""
    from transformers import BloomConfig, Glm4Config, Glm4ForCausalLM, GlmConfig, GlmForCausalLM

    from glm_core.models.architectures.bloom.modeling import RecordableBloom

    glm = {
        "vocab_size": 96,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "max_position_embeddings": 128,
    }
    if kind == "bloom":
        model = RecordableBloom(BloomConfig(vocab_size=96, hidden_size=32, n_layer=2, n_head=4))
    else:
        model = {"glm": GlmForCausalLM, "glm4": Glm4ForCausalLM}[kind](
            {"glm": GlmConfig, "glm4": Glm4Config}[kind](**glm)
        )
    randomize(model, 2)
    model.save_pretrained(folder)
    return folder


def calm(folder: Path) -> Path:
    """Halve the weights of a checkpoint, so that rounding is not magnified beyond what the tests compare."""
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: t / 2 if t.dim() > 1 else t for k, t in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def small(kind: str, folder: Path) -> Path:
    """A checkpoint of `kind`: chatglm, chatglm3, glm, glm4, bloom."""
    if kind == "chatglm":
        return calm(tiny_chatglm(folder))
    return small_chatglm3(folder) if kind == "chatglm3" else small_native(kind, folder)


def stir(loaded, seed: int = 3) -> None:
    """Give the adapter under training weights that change every output."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in loaded.model.named_parameters():
            if parameter.requires_grad and "magnitude" not in key:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)


def prompts(loaded, count: int = 2, length: int = 9) -> torch.Tensor:
    """Token rows (B, S) that the model accepts, on its device."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(6, 60, (count, length), generator=generator)
    if loaded.family.name == "chatglm":
        config = loaded.model.config
        ids[:, -4], ids[:, -3] = config.gmask_token_id, config.bos_token_id
    return ids.to(loaded.model.device)


def logits(loaded, ids: torch.Tensor | None = None) -> torch.Tensor:
    """Logits of `prompts`, in evaluation."""
    loaded.model.eval()
    with torch.no_grad():
        return loaded.model(input_ids=prompts(loaded) if ids is None else ids).logits
