"""A training process, watched: its directory (records), its life (launcher), the machine it uses (resources)."""

from glm_core.runs.files import RunError
from glm_core.runs.store import Run, Status, clone, create, differences, get, runs

__all__ = ["Run", "RunError", "Status", "clone", "create", "differences", "get", "runs"]
