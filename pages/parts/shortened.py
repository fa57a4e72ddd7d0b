"""Questions and answers made short enough for the place they are shown in."""

from glm_core.evaluation import scoring

EXAMPLE_LENGTH = 100


def cut(text: str, longest: int = EXAMPLE_LENGTH) -> str:
    """A question or an answer of at most so many characters, short enough for a card, in one paragraph."""
    line = " ".join(text[: 2 * longest].split())
    return line[:longest] + ("…" if len(line) > longest else "")


def without_loop(answer: str) -> str:
    """The answer; one that repeats itself by its start, since all of it would fill the screen."""
    return cut(answer) if len(answer) > EXAMPLE_LENGTH and scoring.loops(answer) else answer
