"""The outcome of judging one answer and why.

A reason is a code with values; the sentence a person reads is `judge.<code>` of the i18n tables.
"""

from dataclasses import dataclass, field

from glm_core.i18n import t

OUTCOMES = ("right", "wrong", "unsure")


@dataclass(frozen=True)
class Reason:
    """Reason of a judgement: the key of a sentence, less its prefix "judge.", and the values it names."""

    code: str
    values: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The reason as a person reads it."""
        return t(f"judge.{self.code}", **self.values)


@dataclass(frozen=True)
class Judgement:
    """The judge's word on one answer: an outcome of `OUTCOMES` and its reasons, the weightiest first."""

    outcome: str
    reasons: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r}")


def right(code: str, **values: str) -> Judgement:
    """Right, for the reason `code`."""
    return Judgement("right", (Reason(code, values),))


def wrong(code: str, **values: str) -> Judgement:
    """Wrong, for the reason `code`."""
    return Judgement("wrong", (Reason(code, values),))


def unsure(code: str, **values: str) -> Judgement:
    """Neither right nor wrong can be told, for the reason `code`."""
    return Judgement("unsure", (Reason(code, values),))
