"""The rows of one file become messages: by the mapping, the template, or each row's own layout."""

from collections import Counter

from glm_core.data.examples import UNKNOWN, Problem, RowError
from glm_core.data.readers import columns as names_of
from glm_core.data.readers import layouts, pairs
from glm_core.data.readers.chats import settle
from glm_core.data.readers.formats.dialogues import written_down
from glm_core.data.readers.formats.plaintext import TEXT
from glm_core.data.readers.formats.shapes import Row, split_role
from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.templates import column_guess, row_mapping
from glm_core.data.readers.values import is_flag, is_pending, is_reviewed, is_total, number_in
from glm_core.errors import Phrase


class RowReader:
    """Turns the rows of one file into messages: by the mapping, the template, or each row's own layout."""

    def __init__(
        self, records: list[dict], columns: tuple[str, ...], task, mapping, tally: NoticeTally, has_totals: bool = False
    ):
        self.task, self.tally, self.has_totals = task, tally, has_totals
        self.by_columns: dict[tuple, layouts.Convert] = {}
        self.flags = _flags(records, columns)
        self.split = _split_column(records, columns)
        self.scores = [
            column
            for column in columns
            if names_of.is_score(column)
            and column not in (mapping or {}).values()
            and (column not in self.flags or _is_graded(records, column))
        ]
        self.layout, self.convert = self._choose(records, columns, mapping)
        self.columns, self.sample = columns, records[:20]
        self.mixed = mapping is None and self.convert is not None and columns != (TEXT,)

    def _choose(self, records, columns, mapping) -> tuple[str, layouts.Convert | None]:
        """The layout of the file and its conversion: that of the kind of row there is most of."""
        if mapping:
            return "mapped", row_mapping.from_mapping(mapping, self.task, columns, self.tally, self.flags)
        if columns == (TEXT,):
            return ("transcript" if _are_transcripts(records) else TEXT), self._continue
        for kind, _ in Counter(tuple(record) for record in records).most_common():
            if found := self._recognize(kind):
                layout, convert = found
                first = next(record for record in records if tuple(record) == kind)
                return variant(layout, first), convert
        if guessed := layouts.guess(columns):
            return guessed.name, pairs.converter(guessed, self.tally)
        return UNKNOWN, None

    def _continue(self, record: dict) -> list[dict]:
        return settle(row_mapping.continue_text(record, self.tally), self.tally)

    def _recognize(self, kind: tuple) -> tuple[layouts.Layout, layouts.Convert] | None:
        layout = layouts.recognize(kind, self.flags)
        if self.task and (layout is None or not layout.has_instruction):
            if convert := row_mapping.from_columns(self.task, kind, self.tally, self.flags):
                return layout or layouts.Layout(self.task.name), convert
        if layout is None:
            return None
        if self.task:
            return layout, row_mapping.from_layout(self.task, layout, self.tally)
        return layout, pairs.converter(layout, self.tally)

    def wanted(self, record: dict) -> bool:
        """Return whether a row is an example of the split that is read, not one of totals; its scores are noted."""
        if self.has_totals and is_total(record):
            self.tally.add("totals_unused")
            return False
        for column in self.scores:
            if (number := number_in(record.get(column))) is not None:
                self.tally.score(column, number)
        if not self.split or split_role(record.get(self.split)) != "other":
            return True
        self.tally.add("splits", 1, str(record[self.split]))
        return False

    def messages(self, record: dict) -> list[dict]:
        if not self.mixed:
            return self.convert(record)
        kind = tuple(record)
        convert = self.by_columns.get(kind)
        if convert is None:
            found = self._recognize(kind)
            half = layouts.guess(kind)
            convert = found[1] if found else pairs.converter(half, self.tally) if half else self.convert
            self.by_columns[kind] = convert
        return convert(record)

    def notes(self, head: list[Row]) -> list[Problem]:
        """The one problem of a file whose columns fit nothing: which there are, and what to do."""
        if self.convert:
            return []
        columns = ", ".join(self.columns[:20])
        task = None if self.task else column_guess.suggest(self.columns, self.sample)
        error = (
            RowError(
                "data.row.unknown_task", columns=columns, task=Phrase(f"data.template.{task.name}"), name=task.name
            )
            if task
            else RowError("data.row.unknown", columns=columns)
        )
        return [Problem(int(head[0][0]), error.field, str(error))]


def variant(layout: layouts.Layout, record: dict) -> str:
    """The published name of a layout of conversations: "sharegpt" where turns say `from`, else its column's name."""
    turns = record.get(layout.chat) if layout.chat else None
    first = turns[0] if isinstance(turns, list) and turns else None
    return "sharegpt" if isinstance(first, dict) and "from" in first else layout.name


def _flags(records: list[dict], columns: tuple[str, ...]) -> set[str]:
    """The columns that say whether a row is to be learned: truth values or weights, where they say anything yet."""
    known = {*names_of.VERDICTS, *names_of.REFUSALS} - _answer_names(records, columns)
    told = {*names_of.QUESTIONS, *names_of.ANSWERS, *names_of.CONTEXTS, *names_of.REJECTED}
    found = set()
    for column in columns:
        name = names_of.fold(column)
        values = [record[column] for record in records if record.get(column) not in (None, "")]
        is_verdict = is_flag if name in known else is_reviewed
        free = name in known or not (name in told or names_of.is_context(column))
        if free and any(map(is_verdict, values)) and all(is_verdict(one) or is_pending(one) for one in values):
            found.add(column)
    return found


def _answer_names(records: list[dict], columns: tuple[str, ...]) -> set[str]:
    """The names of rejected answers beside chosen ones, which are answers also where all of them are "no"."""
    chosen = names_of.first(names_of.folded(columns), layouts.CHOSEN)
    worded = chosen is not None and any(isinstance(record.get(chosen), str | list) for record in records)
    return set(names_of.REJECTED) if worded else set()


def _is_graded(records: list[dict], column: str) -> bool:
    """Return whether a column of weights has several above 0; that one row counts less than another is not learned."""
    numbers = {number_in(record.get(column)) for record in records}
    return len({number for number in numbers if number}) > 1


def _split_column(records: list[dict], columns: tuple[str, ...]) -> str | None:
    """The column that names the split of a row, where rows of several splits are there."""
    named = names_of.first(names_of.folded(columns), names_of.SPLITS)
    for column in [named] if named else columns:
        found = {split_role(record.get(column)) for record in records}
        if {"train", "other"} <= found and (named or "" not in found):
            return column
    return None


def _are_transcripts(records: list[dict]) -> bool:
    texts = [record[TEXT] for record in records[:20] if isinstance(record.get(TEXT), str)]
    return bool(texts) and 2 * sum(bool(written_down(text, NoticeTally())) for text in texts) > len(texts)
