"""Errors of adapters that a user can cause."""

from glm_core.errors import EasyError


class AdapterError(EasyError):
    """An adapter that cannot be read, does not belong to this base, or cannot do what is asked."""
