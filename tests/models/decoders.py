"""Small checkpoints of the dense decoders in transformers' table, as the library writes them."""

from pathlib import Path

from transformers import AutoConfig, AutoModelForCausalLM

from tests.models.bytelevel import write_tokenizer
from tests.tiny import randomize

SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    "vocab_size": 320,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 4,
}
WINDOWED = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
EXTRA = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "qwen2": {"layer_types": ["full_attention"] * 3},
    "gemma3_text": WINDOWED,
    "mistral": {"sliding_window": 6},
    "smollm3": {"no_rope_layers": [1, 0, 1]},
    "phi3": {"head_dim": 12, "sliding_window": None},
    "olmo2": {"head_dim": 12},
    "granite": {"head_dim": 12, "residual_multiplier": 0.7, "embedding_multiplier": 2.0, "logits_scaling": 0.5},
    "ernie4_5": {"use_bias": True},
    "apertus": {"attention_bias": True},
    "arcee": {"mlp_bias": True},
    "cohere": {"use_qk_norm": True, "logit_scale": 0.5},
    "cohere2": WINDOWED | {"head_dim": 8, "logit_scale": 2.0},
    "cwm": WINDOWED,
    "exaone4": WINDOWED,
    "gemma2": WINDOWED | {"attn_logit_softcapping": 20.0, "final_logit_softcapping": 10.0},
    "helium": {"head_dim": 12},
    "hyperclovax": {"logits_scaling": 0.5, "embedding_multiplier": 2.0},
    "internlm3": {"attention_bias": True, "mlp_bias": True},
    "ministral": WINDOWED,
    "olmo": {"head_dim": 12, "clip_qkv": 8.0},
    "olmo3": WINDOWED | {"head_dim": 12},
    "phi": {"head_dim": 12, "qk_layernorm": True},
    "stablelm": {
        "head_dim": 12,
        "use_qkv_bias": True,
        "qk_layernorm": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    },
    "starcoder2": {"head_dim": 12},
    "vaultgemma": WINDOWED | {"attn_logit_softcapping": 20.0, "final_logit_softcapping": 10.0},
}


def write_decoder(folder: Path, kind: str) -> Path:
    """Write one of `causal_lm_kinds.KINDS` with weights so large that the context decides what is said. Returns `folder`."""
    write_tokenizer(folder, SPECIAL, "<|im_end|>")
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**SIZES, **EXTRA.get(kind, {})}))
    randomize(model, 1)
    model.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder
