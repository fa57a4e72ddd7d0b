"""Where rows are from: `home()/datasets/<id>/sources.jsonl`, a line a row that was written from a passage.

A row is known by a digest of its messages, so that a row that is edited no longer claims a source, and order does not matter.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from glm_core import workspace
from glm_core.data import store
from glm_core.data.examples import Example
from glm_core.data.export import json_line

FILE = "sources.jsonl"


@dataclass(frozen=True)
class RowSource:
    """The passage, or the original question, that a row was written from: `document` is the file's or set's name."""

    document: str
    text: str
    heading: str = ""
    page: int = 0


def mark_of(example: Example) -> str:
    """The digest by which a row is known."""
    return hashlib.sha256(json_line(example).encode("utf-8")).hexdigest()[:24]


def add(id: str, found: Mapping[str, RowSource]) -> None:
    """Keep the sources of rows of the set `id`, by `mark_of`."""
    known = read(id) | dict(found)
    lines = (json.dumps({"row": row, **asdict(one)}, ensure_ascii=False) + "\n" for row, one in known.items())
    with store.explained():
        workspace.write_atomic(store.folder(id) / FILE, "".join(lines))


def read(id: str) -> dict[str, RowSource]:
    """The sources of the rows of the set `id`; empty where it has none, or the file is damaged."""
    try:
        records, _ = workspace.read_lines(store.folder(id) / FILE)
        return {record.pop("row"): RowSource(**record) for record in records}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
