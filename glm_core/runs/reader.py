"""A viewer's memory of one run: reads only what was appended since the last look, and draws a figure only when it changed."""

from collections.abc import Callable

from glm_core import i18n
from glm_core.runs import figures
from glm_core.runs.run import Run
from glm_core.runs.status import Status


class RunReader:
    """Rows of one run as far as they have been read. One a viewer and run; not for several threads at once."""

    def __init__(self, run: Run):
        self.run = run
        self.metrics: list[dict] = []
        self.resources: list[dict] = []
        self.samples: list[dict] = []
        self.probe_rows: list[dict] = []
        self.status: Status = run.status()
        self._offsets = {"metrics": 0, "resources": 0, "probe_rows": 0, "samples": 0}
        self._figures: dict[tuple, tuple[int, object]] = {}
        self.refresh()

    def refresh(self, rows: bool = True) -> None:
        """Read the status and, unless the viewer has paused them, the rows that were appended since the last look."""
        self.status = self.run.status()
        if rows:
            self._append("metrics", self.run.metrics)
            self._append("resources", self.run.resources)
            self._append("probe_rows", self.run.probe_rows)
            self._append("samples", self.run.samples)

    def _append(self, name: str, read: Callable[[int], tuple[list[dict], int]]) -> None:
        before = self._offsets[name]
        rows, self._offsets[name] = read(before)
        if self._offsets[name] < before:  # the file was begun again
            getattr(self, name).clear()
        getattr(self, name).extend(rows)

    @property
    def curves(self) -> figures.Curves:
        """The metrics in order, computed when rows have come."""
        return self.cached(("curves",), len(self.metrics), lambda: figures.tidy(self.metrics))

    @property
    def memory(self) -> figures.MemoryCurve:
        """The memory samples, computed when rows have come; its lines are named in the reader's language."""
        key = ("memory", i18n.current())
        return self.cached(key, len(self.resources), lambda: figures.read_memory(self.resources, self.run.devices))

    def cached(self, key: tuple, version: int, make: Callable[[], object]):
        """Return what `make` gave for this `key` and `version`; made again only for another version.

        A chart that is drawn with the very same figure stays as it is in the browser: zoom, hover and place are kept.
        """
        found = self._figures.get(key)
        if found is None or found[0] != version:
            found = self._figures[key] = (version, make())
        return found[1]

    def answers(self) -> dict[str, list[dict]]:
        """The pinned questions with their answers by step; equal answers that follow each other are one entry.

        Returns:
            question -> [{"first": step, "last": step, "answer": text}], oldest first.
        """
        found: dict[str, list[dict]] = {question: [] for question in self.run.questions}
        for row in sorted(self.samples, key=lambda row: row["step"]):
            answers = found.setdefault(row["question"], [])
            if answers and answers[-1]["answer"] == row["answer"]:
                answers[-1]["last"] = row["step"]
            elif answers and answers[-1]["first"] == row["step"]:
                answers[-1]["answer"] = row["answer"]  # the run went on from an earlier checkpoint and answered again
            else:
                answers.append({"first": row["step"], "last": row["step"], "answer": row["answer"]})
        return found
