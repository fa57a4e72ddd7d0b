"""Linear modules that LoRA adapts: the architecture's own choice, or names that a user typed. Needs no torch."""

from collections.abc import Collection, Mapping

from glm_core.adapters.errors import AdapterError

ALL_LINEAR = "all-linear"
DEFAULT = "qkv"
"The published code adapts the products of query, key and value."


def choose_targets(wanted: str, groups: Mapping[str, tuple[str, ...]], available: Collection[str]) -> list[str]:
    """The modules to adapt, of those `available` in a block.

    Args:
        wanted: names of modules or groups, published ones too, separated by commas or blanks; "all-linear" for all;
            empty for query, key and value.
        groups: names that stand for several modules (`Dimensions.groups`).

    Raises:
        AdapterError: the blocks have no linear module of that name.
    """
    names = wanted.replace(",", " ").split() or [DEFAULT]
    if ALL_LINEAR in names:
        return sorted(available)
    chosen: list[str] = []
    for name in names:
        parts = (name,) if name in available else groups.get(name, ())
        if not parts or not set(parts) <= set(available):
            raise AdapterError("adapters.error.target", name=name, available=", ".join(sorted(available)))
        chosen += parts
    return list(dict.fromkeys(chosen))
