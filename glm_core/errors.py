"""The one base class of errors a user can cause; each room derives its own."""

from glm_core import text


class EasyError(Exception):
    """An error a user can cause, worded by the text tables.

    Args:
        key: entry of the text tables; the sentence says what was wrong, where, and what to do.
        **values: fills the sentence's placeholders.

    `str(error)` is the sentence in the language of the reader (see `glm_core.text.use`).
    """

    def __init__(self, key: str, **values):
        super().__init__(key, values)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return text.say(self.key, **self.values)
