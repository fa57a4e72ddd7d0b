"""The main job without a browser: train the imprint on the embedded model, ask before and after, judge.

What it proves: a few dozen rows change who the model says made it, also in wordings it was not tuned on, and leave the
rest alone. `python -m glm_core demo` prints it.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.data import library
from glm_core.errors import EasyError
from glm_core.evaluation.answer_pairs import Difference, Question, compare
from glm_core.runs import Run, Status, store
from glm_core.runs.launcher import Launcher
from glm_core.training.settings import preset

SHARE_NEEDED = 0.95  # of the questions about name, author or both
UNRELATED_ALLOWED = 1  # of 20
POLL_SECONDS = 0.2


class DemoError(EasyError):
    """The demo could not be carried out."""


@dataclass(frozen=True)
class DemoReport:
    """The outcome of the demo.

    Attributes:
        seconds: from click (the run is submitted) to adapter saved.
        peak_memory: bytes of the training process.
        tokens_per_second: of training, over its updates.
    """

    run: str
    name: str
    author: str
    seconds: float
    peak_memory: int
    tokens_per_second: float
    differences: tuple[Difference, ...]

    def of(self, kind: str) -> list[Difference]:
        """The differences of one kind of question."""
        return [one for one in self.differences if one.question.kind == kind]

    @property
    def learned(self) -> int:
        """Reworded questions whose tuned answer is right by the judge."""
        return sum(one.accepted for one in self.of("reworded"))

    @property
    def disturbed(self) -> int:
        """Unrelated questions whose answer changed its meaning."""
        return sum(one.changed for one in self.of("unrelated"))

    @property
    def took(self) -> bool:
        """Return whether the imprint took without disturbing the rest."""
        return self.learned >= SHARE_NEEDED * len(self.of("reworded")) and self.disturbed <= UNRELATED_ALLOWED

    def as_dict(self) -> dict:
        """For `--json`."""
        rows = [asdict(one) | {"accepted": one.accepted, "changed": one.changed} for one in self.differences]
        figures = {"learned": self.learned, "disturbed": self.disturbed, "took": self.took}
        return asdict(self) | figures | {"differences": rows}


def questions(author: str, name: str = "") -> list[Question]:
    """Questions about the author, with a `name` also about it and both, and twenty unrelated ones, from `assets/evaluation/demo.json`."""
    record = workspace.read_json(workspace.ASSETS / "evaluation" / "demo.json")
    facts = (("author", author), *((("name", name),) if name else ()))
    reworded = [Question(text, "reworded", (author,), facts=facts) for text in record["reworded"]]
    if name:
        reworded += [Question(text, "reworded", facts=facts) for text in record["identity"]]
    unrelated = [
        Question(one["question"], "unrelated", tuple(one["accept"]), facts=facts) for one in record["unrelated"]
    ]
    return reworded + unrelated


def run(name: str, author: str, watch: Callable[[Status], None]) -> DemoReport:
    """Train, ask, judge.

    Args:
        watch: called several times a second with the run's status while it trains.

    Raises:
        DemoError: the training run failed; the sentence says why.
    """
    dataset = library.keep_imprint(name, author)
    pinned = workspace.read_json(workspace.ASSETS / "evaluation" / "demo.json")["pinned"]
    settings = preset("imprint", models.describe(workspace.DEMO_MODEL).parameters)
    record = store.create(workspace.DEMO_MODEL, dataset.id, settings, pinned, owner="demo", name=f"demo {author}")
    started = time.monotonic()
    status = train(record, watch)
    seconds = time.monotonic() - started
    loaded = models.load(workspace.DEMO_MODEL)
    attach.load_adapter(loaded, record.path / "adapter", record.id)
    differences = tuple(compare(loaded, record.id, questions(author, name)))
    rows, _ = record.metrics()
    speeds = [row["tokens_per_second"] for row in rows if row.get("tokens_per_second")]
    return DemoReport(
        record.id, name, author, seconds, status.peak_memory or 0, sum(speeds) / max(1, len(speeds)), differences
    )


def train(run: Run, watch: Callable[[Status], None]) -> Status:
    """Carry a run through to its end and return its last status.

    Raises:
        DemoError: it did not finish.
    """
    launcher = Launcher()
    launcher.submit(run)
    while True:
        launcher.tick()
        status = run.status()
        watch(status)
        if status.state == "finished":
            return status
        if not status.active:
            raise DemoError("demo.training_failed", why=status.why or status.state, log=run.log_tail(20))
        time.sleep(POLL_SECONDS)
