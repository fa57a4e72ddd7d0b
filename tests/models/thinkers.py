"""Small random models whose templates think, in the forms of Qwen3, SmolLM3 and GLM-Z1; `templates/` has what they say."""

import json
from pathlib import Path

from tests.models.bytelevel import write_tokenizer
from tests.tiny import randomize

TEMPLATES = Path(__file__).with_name("templates")
NAMES = ("qwen3", "smollm3", "glm-z1")
SPECIAL = {
    "qwen3": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "smollm3": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "glm-z1": ["<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
}
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-6,
}


def write_thinker(folder: Path, name: str = "qwen3", seed: int = 3, weights: bool = True) -> Path:
    """Write tokenizer, template, config and, with `weights`, random weights of the form `name` into `folder`."""
    end = "<|endoftext|>" if name == "glm-z1" else "<|im_end|>"
    write_tokenizer(folder, SPECIAL[name], end, "<|endoftext|>")
    if name != "glm-z1":
        _add_marks(folder / "tokenizer.json")
    (folder / "chat_template.jinja").write_text((TEMPLATES / f"{name}.jinja").read_text("utf-8").rstrip("\n"), "utf-8")
    kind = {"glm-z1": "glm4"}.get(name, name)
    config = {**SIZES, "model_type": kind, "vocab_size": 352, "torch_dtype": "float32", "tie_word_embeddings": False}
    if name == "glm-z1":
        config |= {"_name_or_path": "THUDM/GLM-Z1-9B-0414", "partial_rotary_factor": 0.5, "attention_bias": False}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if weights:
        _write_weights(folder, seed)
    return folder


def _add_marks(file: Path) -> None:
    """Add `<think>` and `</think>` as Qwen3 and SmolLM3 have them: added tokens that are no control tokens."""
    from tokenizers import AddedToken, Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in ("<think>", "</think>")])
    tokenizer.save(str(file))


def _write_weights(folder: Path, seed: int) -> None:
    from safetensors.torch import save_file

    from glm_core import models

    description = models.describe(folder)
    model = description.family.architecture.build(dict(description.settings))
    randomize(model, seed)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
