"""Errors of training that a user can cause."""

from glm_core.errors import EasyError


class TrainingError(EasyError):
    """A run that cannot start or go on: what was wrong, and what to do."""
