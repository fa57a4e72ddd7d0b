"""The file of rows that the library keeps and a run trains on: one {"messages": [...]} a line, and nothing else.

One reader for it, which guesses no layout; files of people are read by `readers/`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from glm_core.data.examples import DataError, Example, RowError, check_example


def read_lines(path: Path) -> Iterator[tuple[int, Example | None]]:
    """Yield (line, example) of every line of the row file, the example None where the line is not one.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, parse_line(line, number)
    except FileNotFoundError as error:
        raise DataError("data.no_file", file=str(path)) from error
    except OSError as error:
        raise DataError("data.unreadable", file=str(path), reason=error.strerror or error) from error


def parse_line(line: str, number: int = 0) -> Example | None:
    """The example in one line of a row file; None where it is no conversation that ends with an answer."""
    try:
        messages = [dict(one) for one in json.loads(line)["messages"]]
        if not all(isinstance(one["content"], str) for one in messages):
            return None
        return check_example(Example(messages, number), number)
    except (ValueError, TypeError, KeyError, RecursionError, RowError):
        return None
