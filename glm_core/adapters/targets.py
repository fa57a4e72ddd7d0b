"""Which linear modules LoRA adapts: the family's own choice, or names that a user typed. Needs no torch."""

from collections.abc import Collection

from glm_core.adapters.errors import AdapterError
from glm_core.models.registry import Family

ALL_LINEAR = "all-linear"

# Published names of ChatGLM2, ChatGLM3 and GLM-4 and what they are natively (models/config_mapping.py does it to weights).
PUBLISHED_NAMES = {
    "query_key_value": ("q_proj", "k_proj", "v_proj"),
    "dense": ("o_proj",),
    "dense_h_to_4h": ("gate_up_proj",),
    "dense_4h_to_h": ("down_proj",),
}


def choose_targets(family: Family, wanted: str, available: Collection[str]) -> list[str]:
    """The modules to adapt, of those `available` in a block.

    Args:
        wanted: names separated by commas or blanks, published ones too; "all-linear" for all; empty for the family's
            choice.

    Raises:
        AdapterError: the blocks have no linear module of that name.
    """
    names = wanted.replace(",", " ").split()
    if ALL_LINEAR in names:
        return sorted(available)
    chosen: list[str] = []
    for name in names or family.lora_targets:
        parts = (name,) if name in available else PUBLISHED_NAMES.get(name, ())
        if not parts or not set(parts) <= set(available):
            raise AdapterError("adapters.error.target", name=name, available=", ".join(sorted(available)))
        chosen += parts
    return list(dict.fromkeys(chosen))
