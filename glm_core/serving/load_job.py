"""Loading a base as a job: it goes on when the tab is closed, says how far it is, and can be cancelled.

An engine loads one base at a time, so there is one job an engine. A question loads the base it needs by itself
(engine.py); this is for people who load one by hand.
"""

from dataclasses import dataclass
from pathlib import Path

import psutil

from glm_core import i18n
from glm_core.jobs import Cancelled, Job, Jobs
from glm_core.machine import machine
from glm_core.permissions import needs
from glm_core.serving.base import Engine
from glm_core.serving.errors import EngineUnavailable, LoadingCancelled

_jobs: Jobs[Engine, "Load"] = Jobs(weak=True)


@dataclass(frozen=True)
class LoadedMemory:
    """Bytes of memory this process uses, and of its GPUs together, None without one."""

    used: int
    on_gpus: int | None


def memory_now() -> LoadedMemory:
    """Return what this process uses now."""
    gpus = machine.gpus()
    return LoadedMemory(psutil.Process().memory_info().rss, sum(gpu.memory_used for gpu in gpus) if gpus else None)


def returned_sentences(before: LoadedMemory, after: LoadedMemory) -> list[str]:
    """Return what was given back between the two, in sentences: of memory, and of the GPUs' where there are any."""
    said = [i18n.t("models.returned", before=i18n.size(before.used), after=i18n.size(after.used))]
    if before.on_gpus is not None and after.on_gpus is not None:
        gpus = {"before": i18n.size(before.on_gpus), "after": i18n.size(after.on_gpus)}
        said.append(i18n.t("models.returned_card", **gpus))
    return said


class Load(Job):
    """A base on its way into the memory of `engine`. Made by `start`; every attribute may be read from any thread.

    Attributes:
        stage, fraction: a text key of what is being done, and the share of it, None while unknown.
        before, after: memory when it was cancelled, and once what had been read was given back.
    """

    def __init__(self, engine: Engine, folder: Path):
        super().__init__()
        self.engine, self.folder = engine, folder
        self.stage = "models.stage.waiting"
        self.fraction: float | None = None
        self.before: LoadedMemory | None = None
        self.after: LoadedMemory | None = None

    @property
    def stopping(self) -> bool:
        """Return whether it has been cancelled but is not over yet."""
        return self.state == "running" and self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop before the next tensor; what was read so far is given back."""
        self.before = memory_now()
        super().cancel()

    def begin(self) -> None:
        """Load in a thread of its own."""
        self.run_in_thread(f"load-{self.folder.name}", self._work)

    def _work(self) -> None:
        state = self.attempt(self._load, EngineUnavailable, "serving.failed")
        if state == "cancelled":
            self.after = memory_now()
        self.state = state

    def _load(self) -> None:
        try:
            self.engine.load(self.folder, self._note, self._cancelled)
        except LoadingCancelled as error:
            raise Cancelled from error

    def _note(self, stage: str, fraction: float | None) -> None:
        self.stage, self.fraction = stage, fraction


@needs("trainer")
def start(engine: Engine, folder: Path) -> Load:
    """Begin to load the base in `folder`. Returns at once.

    Raises:
        EngineUnavailable: another base is being loaded by hand.
    """
    with _jobs.lock:
        known = current(engine)
        if known is not None and known.state == "running":
            raise EngineUnavailable("models.load_running", name=known.folder.name)
        job = _jobs.add(engine, Load(engine, folder))
        job.begin()
    return job


def current(engine: Engine) -> Load | None:
    """The job of `engine` that runs or ended last, None where there is none to speak of."""
    return _jobs.get(engine)


@needs("trainer")
def forget(engine: Engine) -> None:
    """Speak no more of the job of `engine` that has ended."""
    _jobs.forget(engine)
