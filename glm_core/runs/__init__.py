"""A training process, watched: its directory (run, store), its life (launcher), what it has written (reader)."""

from glm_core.runs.files import RunError
from glm_core.runs.store import Run, Status, clone, create, differences, get, runs

__all__ = ["Run", "RunError", "Status", "clone", "create", "differences", "get", "runs"]
