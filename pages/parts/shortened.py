"""Questions and answers made short enough for the place they are shown in."""

EXAMPLE_LENGTH = 100


def cut(text: str, longest: int = EXAMPLE_LENGTH) -> str:
    """A question or an answer of at most so many characters, short enough for a card, in one paragraph."""
    line = " ".join(text[: 2 * longest].split())
    return line[:longest] + ("…" if len(line) > longest else "")
