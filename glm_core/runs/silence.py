"""A trainer that lives and does nothing: halted by a signal, or without a sign of life. It is not dead, and a stop ends it."""

import time

import psutil

from glm_core import i18n
from glm_core.runs.launcher import GRACE_SECONDS
from glm_core.runs.run import Run

SIGNS = ("status.json", "resources.jsonl", "metrics.jsonl", "samples.jsonl", "abilities.jsonl", "train.log")
"Files that a trainer writes; the one on memory once in a few seconds, whatever else it does."
SILENT_SECONDS = 180.0


def explain(run: Run, now: float | None = None) -> str:
    """Return the sentence on a trainer of this computer that does nothing; empty where it works, waits or has ended.

    Args:
        now: seconds since the epoch.
    """
    if not run.alive():
        return ""
    try:
        if psutil.Process(run.pid).status() == psutil.STATUS_STOPPED:
            return i18n.t("runs.halted")
    except psutil.Error:
        return ""
    silent = (time.time() if now is None else now) - max(map(run.written, SIGNS))
    return _silent(silent) if silent > SILENT_SECONDS else ""


def _silent(seconds: float) -> str:
    return i18n.t("runs.silent", time=i18n.duration(seconds), grace=round(GRACE_SECONDS))
