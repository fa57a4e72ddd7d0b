"""One base in memory: weights, adapters on them, the batch being computed. Belongs to the engine's thread."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glm_core import models
from glm_core.serving.adapters import Adapters
from glm_core.serving.catalogue import Choice
from glm_core.serving.generation import Batch, Row, alike, first_token, fit_prompt
from glm_core.serving.memory import collect, held, spare_cores
from glm_core.serving.sampling import resolve
from glm_core.serving.tickets import EngineUnavailable, ServingError, Stamp, Ticket


@dataclass(frozen=True)
class Loaded:
    """The model in memory, for people to see."""

    name: str
    path: Path
    family: str
    context_length: int
    sampling: dict
    "The family's official defaults."
    seconds: float
    "How long it took to load."


class Session:
    """What the engine has as long as one base is loaded."""

    def __init__(self, loaded: models.LoadedModel, info: Loaded):
        self.loaded = loaded
        self.info = info
        self.adapters = Adapters(loaded)
        self._batches: dict[
            str | None, Batch
        ] = {}  # one for all that can be mixed (None), one for each slot that cannot
        self._prepared: list[Row] = []  # that have not joined yet

    @classmethod
    def load(cls, path: Path, progress: Callable[[str, float | None], None]) -> "Session":
        """Load the base in folder `path`.

        Raises:
            ModelError: the folder holds no model that can be loaded.
            EngineUnavailable: it has no tokenizer, so it cannot answer.
        """
        started = time.monotonic()
        description = models.describe(path)
        loaded = models.load(path, progress=progress)
        if loaded.tokenizer is None:
            raise EngineUnavailable("serving.no_tokenizer", name=description.name)
        loaded.model.eval()
        spare_cores(loaded.model)
        collect()
        family, seconds = loaded.family, time.monotonic() - started
        context = description.context_length
        return cls(loaded, Loaded(description.name, path, family.name, context, dict(family.sampling), seconds))

    @property
    def held(self) -> int:
        """Bytes of a card that are free again once this is unloaded; 0 where the model is on no card."""
        return held(self.loaded.model)

    @property
    def rows(self) -> list[Row]:
        """The answers that are being computed."""
        return [row for batch in self._batches.values() for row in batch.rows]

    def begin(self, ticket: Ticket) -> None:
        """`prepare` and `join` of one ticket alone."""
        self.join([self.prepare(ticket)])

    def prepare(self, ticket: Ticket) -> Row:
        """Load the ticket's adapter where it is not there yet and fit its prompt into the context.

        Raises:
            ServingError: the prompt is too long, or the adapter cannot be read.
        """
        busy = frozenset(row.slot for row in (*self.rows, *self._prepared))
        row = self._row(ticket, self.adapters.need(ticket.choice, ticket.request.strength, busy))
        self._prepared.append(row)
        return row

    def groups(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Prepared rows as groups that can `join` together, in one forward."""
        keys = dict.fromkeys(self._key(row) for row in rows)
        return [group for key in keys for group in alike([row for row in rows if self._key(row) == key])]

    def join(self, group: Sequence[Row]) -> None:
        """Compute the prompts of one of `groups` and their first tokens; their answers run from now on."""
        self._prepared = [row for row in self._prepared if row not in group]
        key = self._key(group[0])
        for row in group:
            row.ticket.begin()
        batch = self._batches.get(key) or Batch(self.loaded, self.adapters, key)
        batch.join(group)
        self._batches[key] = batch
        self._tidy()

    def _key(self, row: Row) -> str | None:
        return None if self.adapters.mixable(row.slot) else row.slot

    def step(self) -> None:
        """One token for every row."""
        for batch in self._batches.values():
            if batch.rows:
                batch.step()
        self._tidy()

    def drop(self) -> None:
        """End the rows that nobody wants any more or whose time is over."""
        for row in self.rows:
            if row.ticket.cancelled or row.ticket.overdue():
                row.end("cancelled" if row.ticket.cancelled else "length")
        for batch in self._batches.values():
            batch.sweep()
        self._tidy()

    def distance(self, question: str, choice: Choice) -> float:
        """Total variation between the first-token distributions of the base and of `choice`, from 0 to 1."""
        busy = frozenset(row.slot for row in self.rows)
        ids, _ = fit_prompt(self.loaded, [{"role": "user", "content": question}], self.info.context_length, 1)
        one, other = (
            first_token(self.loaded, self.adapters, slot, ids) for slot in (None, self.adapters.need(choice, 1.0, busy))
        )
        return 0.5 * (one - other).abs().sum().item()

    def clear(self, reason: str, error: ServingError | None = None) -> None:
        """End every row."""
        for row in self.rows:
            row.end(reason, error)
        self._batches.clear()

    def _tidy(self) -> None:
        self._batches = {key: batch for key, batch in self._batches.items() if batch.rows or batch.ready}

    def _row(self, ticket: Ticket, slot: str | None) -> Row:
        request, info = ticket.request, self.info
        wanted = request.max_new_tokens
        prompt, ticket.dropped_turns = fit_prompt(
            self.loaded, request.messages, info.context_length, wanted, request.beginning
        )
        sampling = resolve(vars(request), info.sampling)
        ticket.stamp = self._stamp(ticket.choice, request.strength, sampling.to_dict())
        return Row(ticket, self.loaded, slot, prompt, sampling, min(wanted, info.context_length - len(prompt)))

    def _stamp(self, choice: Choice, strength: float, sampling: dict) -> Stamp:
        if not choice.tuned:
            return Stamp(self.info.name, sampling=sampling)
        return Stamp(self.info.name, choice.name, choice.title, choice.step, strength, sampling)
