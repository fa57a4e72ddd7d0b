"""The errors of the training room that a user can cause. Wording is in the text tables."""

from glm_core.errors import EasyError


class TrainingError(EasyError):
    """A run that cannot start or go on: what was wrong, and what to do."""


class AdapterError(EasyError):
    """An adapter that cannot be read, does not belong to this base, or cannot do what is asked."""
