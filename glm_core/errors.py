"""The one base class of errors a user can cause; each package derives its own."""

from typing import Any, Self

from glm_core import i18n


class Phrase:
    """A part of a sentence that has a text of its own: a value of an `EasyError`, said when the sentence is."""

    def __init__(self, key: str):
        self.key = key

    def __str__(self) -> str:
        return i18n.t(self.key)


class EasyError(Exception):
    """An error a user can cause, worded by the text tables.

    Args:
        key: entry of the text tables; the sentence says what was wrong, where, and what to do.
        **values: fills the sentence's placeholders.

    `str(error)` is the sentence in the language of the reader (see `glm_core.i18n.use`).
    """

    def __init__(self, key: str, **values):
        super().__init__(key, values)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return i18n.t(self.key, **self.values)

    def as_record(self) -> dict:
        """Return what JSON keeps of it for `from_record`; values that JSON has no form for become their text."""
        return {"key": self.key, "values": {name: _kept(one) for name, one in self.values.items()}}

    @classmethod
    def from_record(cls, record: Any, depth: int = 3) -> Self | None:
        """The error that `record` keeps, None where there is none, or none that this version's tables can word.

        Args:
            depth: how many errors may be values of one another, as the reasons of a refusal are.
        """
        try:
            error = cls(record["key"], **{name: _restored(one, depth) for name, one in record["values"].items()})
            str(error)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return None
        return error


def _kept(value: object) -> object:
    if isinstance(value, Phrase):
        return {"key": value.key}
    if isinstance(value, EasyError):
        return value.as_record()
    return value if isinstance(value, str | int | float) else str(value)


def _restored(value: Any, depth: int) -> object:
    if not isinstance(value, dict):
        return value
    if "values" not in value:
        return Phrase(value["key"])
    error = EasyError.from_record(value, depth - 1) if depth else None
    if error is None:
        raise ValueError("a value that cannot be worded")
    return error


def place_of(error: Exception) -> tuple[str, str, int]:
    """Return the kind of an error and the file and line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (type(error).__name__, trace.tb_frame.f_code.co_filename if trace else "", trace.tb_lineno if trace else 0)
