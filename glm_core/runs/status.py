"""State of a run: status.json as the trainer wrote it, checked entry by entry. Knows no processes (run.py)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from glm_core import i18n
from glm_core.errors import EasyError
from glm_core.runs.files import number, string

STATES = ("queued", "running", "stopping", "stopped", "finished", "failed")
ACTIVE = ("queued", "running", "stopping")


@dataclass(frozen=True)
class Status:
    """The state of a run. `state` is true even where status.json is not: a dead trainer never counts as running.

    Attributes:
        state: one of STATES.
        stage: starting, loading, encoding, training, saving, done; empty before the trainer has said anything.
        fraction: how far the stage is, None where unknown.
        why: the sentence that says why it ended so.
        reason: the text key of that sentence, empty for plain text.
        alarm: a sentence about losses that make no sense, empty while they do.
        retry: settings to change so that it fits, where the trainer ran out of memory and knows some.
        updated: seconds since the epoch. peak_memory: bytes.
        damaged: its files make no sense.
    """

    state: str
    stage: str = ""
    step: int = 0
    total_steps: int = 0
    fraction: float | None = None
    why: str = ""
    reason: str = ""
    alarm: str = ""
    retry: Mapping[str, object] = field(default_factory=dict)
    updated: float = 0.0
    eta_seconds: float | None = None
    peak_memory: int | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    damaged: bool = False

    @property
    def active(self) -> bool:
        """Return whether it waits or works: neither deletable nor resumable."""
        return self.state in ACTIVE


def read_status(record: dict, damaged: bool) -> Status:
    """The status in `record`, which may be anything; without a state the run waits to be submitted."""
    state = record.get("state", "queued")
    if damaged or state not in STATES:
        return Status("failed", why=i18n.t("runs.why.damaged"), damaged=True)
    peak = number(record.get("peak_memory"))
    return Status(
        state=state,
        stage=string(record.get("stage")),
        step=int(number(record.get("step"), 0)),
        total_steps=int(number(record.get("total_steps"), 0)),
        fraction=number(record.get("fraction")),
        why=_sentence(record.get("why")),
        reason=_reason(record.get("why")),
        alarm=_sentence(record.get("alarm")),
        retry=record["retry"] if isinstance(record.get("retry"), dict) else {},
        updated=number(record.get("updated"), 0.0),
        eta_seconds=number(record.get("eta_seconds")),
        peak_memory=None if peak is None else int(peak),
        stage_seconds=numbers(record.get("stage_seconds")),
    )


def numbers(record: object) -> dict[str, float]:
    """The entries of `record` that are finite numbers; none where it is no object."""
    return {k: v for k, v in record.items() if number(v) is not None} if isinstance(record, dict) else {}


def _sentence(why: object) -> str:
    """A reason in the reader's language: an entry of the text tables with its values, or plain text."""
    if isinstance(why, dict) and isinstance(why.get("key"), str):
        error = EasyError.from_record({"values": {}, **why})
        return string(json.dumps(why, ensure_ascii=False), 2000) if error is None else str(error)
    return string(why, 2000)


def _reason(why: object) -> str:
    return string(why.get("key")) if isinstance(why, dict) else ""
