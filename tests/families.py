"""The published families by name."""

from glm_core.models import registry
from glm_core.models.registry import Family


def family_named(name: str) -> Family:
    """Return the family called `name`; a KeyError where there is none."""
    return {family.name: family for family in registry.FAMILIES}[name]
