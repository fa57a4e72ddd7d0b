"""Small random models in the layouts of the publishers, with tokenizers that work, for what leaves the program."""

import io
import json
import shutil
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file

from glm_core.models import load_tokenizer
from tests.paths import ROOT, scratch
from tests.tiny import TEXTS, randomize

GLM_KINDS = ("chatglm2", "chatglm3", "glm4-original", "glm", "glm4", "glm-edge", "glm-z1")
DENSE = (
    *("llama", "mistral", "internlm3", "qwen2", "qwen3", "gemma", "gemma3_text", "phi3", "granite", "olmo2"),
    *("smollm3", "arcee", "ernie4_5", "seed_oss", "starcoder2"),
)
KINDS = (*GLM_KINDS, "bloom", *DENSE)
BLOOM = ROOT / "assets" / "models" / "bloom-demo"
CONTROLS = (
    *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
)
NAMES = {
    "chatglm2": "chatglm2-6b",
    "chatglm3": "chatglm3-6b",
    "glm4-original": "glm-4-9b-chat",
    "codegeex4": "codegeex4-all-9b",
}
VARIANTS = {"glm-edge": "glm", "glm-z1": "glm4"}
"The network of a family that transformers knows by another name."
TEMPLATES = {
    name: (ROOT / "tests" / "models" / "templates" / f"{name}.jinja").read_text("utf-8").removesuffix("\n")
    for name in VARIANTS
}
CHANGES = {
    "glm-edge": {"partial_rotary_factor": 1.0, "attention_bias": False, "tie_word_embeddings": True},
    "glm-z1": {"_name_or_path": "THUDM/GLM-Z1-9B-0414", "attention_bias": False},
    "gemma": {"hidden_activation": "gelu_pytorch_tanh"},
    "gemma3_text": {"sliding_window": 8, "num_hidden_layers": 7, "query_pre_attn_scalar": 24},
    "mistral": {"sliding_window": None},
    "granite": {
        "attention_multiplier": 0.3,
        "embedding_multiplier": 2.0,
        "residual_multiplier": 0.5,
        "logits_scaling": 3.0,
    },
    "smollm3": {"num_hidden_layers": 4},
}
WIDTH, INNER, LAYERS, HEADS, GROUPS, HEAD = 64, 96, 2, 4, 2, 16


def publish(
    kind: str, folder: Path, tokenizer: Path | None = None, dtype: str = "float32", head: int = HEAD, **changes
) -> Path:
    """Write a random model of `kind` (of `KINDS`) into `folder`.

    Args:
        tokenizer: folder whose tokenizer files it gets; by default a small one made for it.
        head: numbers of a head.
        changes: settings of a network of transformers.
    """
    folder.mkdir(parents=True)
    for file in (tokenizer or _tokenizer(kind)).iterdir():
        if "token" in file.name:
            shutil.copyfile(file, folder / file.name)
    if kind in TEMPLATES:
        (folder / "chat_template.jinja").write_text(TEMPLATES[kind], encoding="utf-8")
    size = -(-load_tokenizer(folder).vocab_size // 32) * 32
    config, weights = _fused(kind, size, head) if kind in NAMES else _native(kind, size, {"head_dim": head} | changes)
    save_file({k: t.to(getattr(torch, dtype)) for k, t in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config | {"torch_dtype": dtype}), encoding="utf-8")
    return folder


def _fused(kind: str, size: int, head: int) -> tuple[dict, dict[str, torch.Tensor]]:
    """ChatGLM2, ChatGLM3 and original GLM-4: one query_key_value, the published names; as wide as its heads together."""
    width = HEADS * head
    config = {
        "model_type": "chatglm",
        "_name_or_path": NAMES[kind],
        "num_layers": LAYERS,
        "hidden_size": width,
        "ffn_hidden_size": INNER,
        "kv_channels": head,
        "num_attention_heads": HEADS,
        "multi_query_attention": True,
        "multi_query_group_num": GROUPS,
        "padded_vocab_size": size,
        "layernorm_epsilon": 1e-5,
        "add_qkv_bias": True,
        "seq_length": 1024,
        "tie_word_embeddings": False,
        "eos_token_id": [3, 4] if kind in ("glm4-original", "codegeex4") else 2,
        "pad_token_id": 0,
    }
    rows = (HEADS + 2 * GROUPS) * head
    shapes = {
        "transformer.embedding.word_embeddings.weight": (size, width),
        "transformer.output_layer.weight": (size, width),
        "transformer.encoder.final_layernorm.weight": (width,),
    }
    for layer in range(LAYERS):
        at = f"transformer.encoder.layers.{layer}."
        shapes |= {
            at + "input_layernorm.weight": (width,),
            at + "post_attention_layernorm.weight": (width,),
            at + "self_attention.query_key_value.weight": (rows, width),
            at + "self_attention.query_key_value.bias": (rows,),
            at + "self_attention.dense.weight": (width, HEADS * head),
            at + "mlp.dense_h_to_4h.weight": (2 * INNER, width),
            at + "mlp.dense_4h_to_h.weight": (width, INNER),
        }
    torch.manual_seed(7)
    return config, {
        name: torch.randn(shape) * (2 / width**0.5 if len(shape) > 1 else 0.2) + (1.0 if "norm" in name else 0.0)
        for name, shape in shapes.items()
    }


def _native(kind: str, size: int, changes: dict) -> tuple[dict, dict[str, torch.Tensor]]:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "vocab_size": size,
        "hidden_size": HEADS * changes["head_dim"],
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "head_dim": HEAD,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": [3, 4] if kind in GLM_KINDS else 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": kind.startswith("gemma"),
    }
    if kind == "bloom":
        sizes = {"vocab_size": size, "hidden_size": WIDTH, "n_layer": LAYERS, "n_head": HEADS}
    changes = {} if kind == "bloom" else CHANGES.get(kind, {}) | changes
    config = AutoConfig.for_model(VARIANTS.get(kind, kind), **sizes | changes)
    model = AutoModelForCausalLM.from_config(config)
    randomize(model, 2)
    weights = {k: t.clone() for k, t in model.state_dict().items()}
    if config.tie_word_embeddings:
        weights.pop("lm_head.weight")
    return json.loads(config.to_json_string(use_diff=False)), weights


def _tokenizer(kind: str) -> Path:
    if kind == "bloom" or kind in DENSE:
        return BLOOM
    return _sentencepiece() if kind in ("chatglm2", "chatglm3") else _tiktoken(kind in ("glm4-original", "codegeex4"))


@cache
def _sentencepiece() -> Path:
    """A SentencePiece file of the kind that ChatGLM2 and ChatGLM3 have."""

    from sentencepiece import SentencePieceTrainer

    folder, content = scratch("pieces"), io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=content,
        vocab_size=500,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(content.getvalue())
    return folder


def sentencepiece_as_json(folder: Path, spaced: bool) -> Path:
    """Write a tokenizer.json of the kind that Llama 2 (a blank before every text) or Gemma has into `folder`."""
    from glm_core.runs.exchange import tokenizer_json

    shutil.copytree(_sentencepiece(), folder)
    tokenizer_json.write(folder)
    (folder / "tokenizer.model").unlink()
    content = json.loads((folder / "tokenizer.json").read_text())
    if not spaced:
        content["normalizer"] = content["normalizer"]["normalizers"][-1]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder


@cache
def _tiktoken(original: bool) -> Path:
    """A byte-level vocabulary of the kind that GLM-4 has: as a tiktoken list, or as the tokenizer.json made of it."""
    import base64

    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    from glm_core.models.tokenizers.json_tokenizer import BYTE_OF_CHARACTER
    from glm_core.models.tokenizers.tiktoken_list import GLM4_PATTERN
    from glm_core.runs.exchange import tokenizer_json

    trained = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(GLM4_PATTERN), "isolated")
    trained.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    alphabet = sorted(BYTE_OF_CHARACTER, key=BYTE_OF_CHARACTER.__getitem__)
    trained.train_from_iterator(
        TEXTS * 3, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    pieces = sorted(trained.get_vocab().items(), key=lambda one: one[1])
    spelled = [bytes(BYTE_OF_CHARACTER[character] for character in piece) for piece, _ in pieces]
    folder = scratch("merges")
    lines = [f"{base64.b64encode(piece).decode()} {rank}\n" for rank, piece in enumerate(spelled)]
    (folder / "tokenizer.model").write_text("".join(lines))
    added = {str(len(spelled) + at): {"content": name, "special": True} for at, name in enumerate(CONTROLS)}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    if not original:
        tokenizer_json.write(folder)
        (folder / "tokenizer.model").unlink()
    return folder
