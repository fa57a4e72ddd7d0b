"""A training process, watched: its directory (run, store), its life (launcher), what it has written (reader)."""

from glm_core.runs.files import RunError
from glm_core.runs.run import Run
from glm_core.runs.status import Status

__all__ = ["Run", "RunError", "Status"]
