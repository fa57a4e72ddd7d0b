"""An answer that was not good enough becomes a row to train on: the question, and the answer as it should have been."""

from collections.abc import Sequence

from glm_core.data import DataError, library
from glm_core.data.examples import Example, check_example
from glm_core.permissions import needs

ATTEMPTS = 3


def row(before: Sequence[dict], question: str, answer: str) -> Example:
    """The example of `question` and `answer`, after the messages `before` it.

    Raises:
        RowError: the question or the answer is blank, or the messages are not in turn.
    """
    told = [{"role": one["role"], "content": one["content"]} for one in before]
    asked = {"role": "user", "content": question.strip()}
    return check_example(Example([*told, asked, {"role": "assistant", "content": answer.strip()}]), 0)


@needs("trainer")
def keep(example: Example, set_id: str | None, name: str, source: str = "") -> library.Dataset:
    """Add `example` at the end of the set `set_id`, or as the first row of a new set called `name`.

    Raises:
        DataError: no such set, a bundled one, a bad name, or a full disk; nothing is changed then.
    """
    if set_id is None:
        return library.add(name, [example], source=source)
    return _append(example, set_id, ATTEMPTS)


def _append(example: Example, set_id: str, attempts: int) -> library.Dataset:
    before = library.get(set_id)
    try:
        return library.replace_rows(set_id, [*library.examples(set_id), example], expected=before.sha256)
    except DataError as error:
        if error.key != "data.changed" or attempts == 1:
            raise
    return _append(example, set_id, attempts - 1)  # somebody else was faster: after their rows, then
