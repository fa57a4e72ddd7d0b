"""Many examples kept small: one JSON text each, decoded where it is looked at; a third of what lists of dictionaries take."""

import json
from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from glm_core.data.examples import Example

_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # made once: dumps makes one a row


class CompactExamples(Sequence[Example]):
    """A growing list of examples. Reading one makes it anew, so a change to it changes nothing here."""

    def __init__(self):
        self._rows: list[bytes] = []
        self._lines = array("q")

    def append(self, example: Example) -> None:
        """Add `example` at the end."""
        self._rows.append(_encoded(example.messages).encode())
        self._lines.append(example.line)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        return Example(json.loads(self._rows[index].decode()), self._lines[index])

    def __iter__(self) -> Iterator[Example]:
        for row, line in zip(self._rows, self._lines, strict=True):
            yield Example(json.loads(row.decode()), line)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Example.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]
