"""The ballots of a blind vote, counted: how often each model was ahead, and whether that may be chance."""

from dataclasses import dataclass

from glm_core.evaluation.analysis.statistics import LEVEL, sign_test, wilson

FEWEST_VOTERS = 3
"One voter's clicks are one person's opinion."


@dataclass(frozen=True)
class Tally:
    """The ballots counted.

    Attributes:
        one, other: how often each model's answer was the better one.
        equal, bad: how often they were as good, or both bad.
        one_questions, other_questions: questions that most voters who decided gave to the one, to the other.
        judged, agreed: of these, questions that the judge decided, too, and those it decided as the voters did.
        blind: whether nobody could see the result before the last vote.
    """

    one: int = 0
    other: int = 0
    equal: int = 0
    bad: int = 0
    voters: int = 0
    one_questions: int = 0
    other_questions: int = 0
    judged: int = 0
    agreed: int = 0
    blind: bool = True

    @property
    def total(self) -> int:
        """All choices made."""
        return self.one + self.other + self.equal + self.bad

    @property
    def decided(self) -> int:
        """Questions that more voters decided for one of the two than for the other."""
        return self.one_questions + self.other_questions

    @property
    def share(self) -> float | None:
        """The other model's share of the decided questions, None where there are none."""
        return self.other_questions / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson) over questions: votes on one question are not independent."""
        return wilson(self.other_questions, self.decided)

    @property
    def chance(self) -> float:
        """Probability of so uneven a result where nobody sees a difference: the sign test over questions."""
        return sign_test(self.one_questions, self.decided)

    @property
    def outcome(self) -> str:
        """Return who is ahead: "other" or "one", "open" where that may be chance, "few" voters to say, "none" decided anything, "seen" where it was not blind to the end."""
        if not self.blind:
            return "seen"
        if not self.decided:
            return "none"
        if self.voters < FEWEST_VOTERS:
            return "few"
        ahead = "other" if self.other_questions > self.one_questions else "one"
        return "open" if self.chance >= LEVEL else ahead
