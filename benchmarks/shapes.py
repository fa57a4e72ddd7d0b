"""Published dense decoders whose sizes the full-size benchmarks can take: `--shape qwen3-8b` and so on, with random weights."""

from dataclasses import dataclass

from glm_core.hub import published

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "eos_token_id": 128001,
    "pad_token_id": 128001,
}


@dataclass(frozen=True)
class Shape:
    """A family and the entries of its published `config.json` that decide its size."""

    family: str
    config: dict

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""
        return self.config["hidden_size"]

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.config["num_hidden_layers"]

    def sized(self, hidden: int, layers: int) -> dict:
        """The entries at another width and depth: heads of the same width, the MLP in proportion."""
        heads = max(1, hidden // self.config["head_dim"])
        groups = min(heads, self.config["num_key_value_heads"])
        return self.config | {
            "hidden_size": hidden,
            "intermediate_size": self.config["intermediate_size"] * hidden // self.hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads - heads % groups,
            "num_key_value_heads": groups,
        }


def _of(family: str, name: str) -> Shape:
    found = published.find(name)
    assert found is not None
    return Shape(family, found.config)


SHAPES = {
    "qwen3-8b": _of("qwen3", "Qwen3-8B"),
    "llama-3.1-8b": Shape("llama", LLAMA),
    "glm-edge-4b": _of("glm-edge", "glm-edge-4b-chat"),
    "glm-z1-9b": _of("glm-z1", "GLM-Z1-9B-0414"),
}
