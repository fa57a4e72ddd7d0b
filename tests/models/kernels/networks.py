"""Small networks of pre-normalized decoders: configuration, what it needs beside the sizes, whether it turns pairs side by side."""

from transformers import Glm4Config, GlmConfig, LlamaConfig, Qwen3Config

SIZES = {
    "vocab_size": 64,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
}
NETWORKS = {
    "glm": (GlmConfig, {"attention_bias": True}, True),
    "glm4": (Glm4Config, {}, True),
    "llama": (LlamaConfig, {}, False),
    "qwen3": (Qwen3Config, {}, False),
}
