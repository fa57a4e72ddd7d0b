"""Questions that no tuning should change, with their right answers: what shows whether a model has forgotten something.

Fixed, in `assets/evaluation/controls.json`, so that runs can be compared with each other. Reads, asks nothing.
"""

from pathlib import Path

from glm_core import workspace


def read(model: str | Path) -> dict:
    """{"controls": [{"question", "accept"}], "neutral": [[question, answer]]} of the world of the base in folder `model`.

    The embedded models know a small world of their own.
    """
    world = "embedded" if (workspace.ASSETS / "models" / Path(model).name).is_dir() else "general"
    return workspace.read_json(workspace.ASSETS / "evaluation" / "controls.json", {}).get(world, {})
