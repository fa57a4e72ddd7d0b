"""Reason why a trainer ended without an own message, read from its exit code and the end of its log."""

import re
from pathlib import Path

from glm_core import workspace
from glm_core.runs.files import number, read_record, read_tail


def explain(path: Path, code: int | None = None) -> dict:
    """The reason as an entry of the text tables, {"key", "values"}.

    Args:
        path: the run directory.
        code: the exit code where this server started the trainer (negative: the signal), None where nobody knows it.
    """
    step = int(number(read_record(path / "status.json").get("step"), 0))
    if (path / "stop").exists():
        return {"key": "runs.why.stopped", "values": {"step": step}}
    log = read_tail(path / "train.log", lines=60)
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    if workspace.says_disk_full(log):
        return {"key": "training.failed.disk_full", "values": {"folder": str(path)}}
    if re.search(r"out of memory|MemoryError|can't allocate memory", log, re.IGNORECASE):
        return {"key": "runs.why.memory", "values": {"step": step}}
    if code == -9:
        return {"key": "runs.why.killed", "values": {"step": step}}
    if code is None:
        return {"key": "runs.why.vanished", "values": {"step": step}}
    return {"key": "runs.why.crashed", "values": {"step": step, "code": code, "line": last[:300]}}
