"""Writing a file into a run's folder long after the run ended: a run deleted meanwhile must not come back as an empty folder."""

from glm_core import workspace
from glm_core.runs.files import RunError, writing
from glm_core.runs.records import Run


def write(run: Run, name: str, record: dict) -> None:
    """Write `record` as RUN_DIR/`name`.

    Raises:
        RunError: the run has been deleted, the disk is full or the folder cannot be written.
    """
    if not (run.path / "run.json").is_file():
        raise RunError("runs.unknown", id=run.id)
    with writing(run.path):
        workspace.write_json(run.path / name, record)
