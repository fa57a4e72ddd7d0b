"""What mends a finding: rows dropped, personal data masked, placeholders filled in. Gives new rows; the old ones stay as they are."""

from collections.abc import Callable, Mapping, Sequence

from glm_core.data.examples import DataError, Example
from glm_core.data.hygiene import personal, placeholders
from glm_core.data.hygiene.check import Finding


def mend(examples: Sequence[Example], finding: Finding, values: Mapping[str, str] | None = None) -> list[Example]:
    """Return the rows of `examples` after the act that mends `finding`.

    Args:
        values: placeholder -> text to put there, for a finding of placeholders; those without a text stay.

    Raises:
        DataError: nothing would be left, or no text is given for any placeholder.
    """
    if finding.action == "mask":
        return _rewritten(examples, finding, personal.mask)
    if finding.action == "fill":
        filled = {mark: text.strip() for mark, text in (values or {}).items() if text.strip()}
        if not filled:
            raise DataError("data.hygiene.nothing_to_fill")
        return _rewritten(examples, finding, lambda text: placeholders.fill(text, filled))
    dropped = set(finding.rows)
    kept = [example for row, example in enumerate(examples) if row not in dropped]
    if not kept:
        raise DataError("data.hygiene.nothing_left")
    return kept


def _rewritten(examples: Sequence[Example], finding: Finding, write: Callable[[str], str]) -> list[Example]:
    rows = set(finding.rows)
    return [_with_texts(example, write) if row in rows else example for row, example in enumerate(examples)]


def _with_texts(example: Example, write: Callable[[str], str]) -> Example:
    return Example([{**one, "content": write(one["content"])} for one in example.messages], example.line)
