"""The exception of this package."""

from glm_core.errors import EasyError


class ModelError(EasyError):
    """A checkpoint or tokenizer that cannot be used; the sentence says what is wrong with which file."""
