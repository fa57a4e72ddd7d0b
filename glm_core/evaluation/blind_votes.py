"""Blind votes: colleagues say which of two answers is better without knowing whose is whose.

    votes/ID/vote.json         the pairs of answers, whose they are, whether the vote is open, and a secret
             ballots/*.json    one file a voter: what they chose, question by question

In which order a voter sees a pair follows from the secret, the voter and the question: a reload shuffles nothing, and
nobody can work it out. Not here: who may open and close one, and what voters see (pages/vote.py).
"""

import hashlib
import hmac
import random
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.evaluation.analysis.vote_tally import Tally
from glm_core.i18n import t
from glm_core.permissions import needs
from glm_core.runs.files import locked, number, read_record, string, writing

MOST_QUESTIONS, MOST_VOTERS, MOST_VOTES = 20, 500, 200
LONGEST, LONGEST_ABOUT = 4000, 200
CHOICES = ("first", "second", "equal", "bad")
"What a voter says of the two answers, in the order in which they see them."
SEED = 42


class VoteError(EasyError):
    """A vote that cannot be opened, or a ballot that cannot be cast."""


@dataclass(frozen=True)
class Pair:
    """A question and the answers of the two models of a vote.

    Attributes:
        outcomes: the judge's word on the two, with which the voters' is compared once the vote is closed; empty ones
            where nobody judged.
    """

    question: str
    one: str
    other: str
    outcomes: tuple[str, str] = ("", "")

    @property
    def judged(self) -> str:
        """Return which answer is better by the judge: "one", "other", or "" where it cannot tell them apart."""
        worth = {"right": 1, "wrong": 0}
        ranks = [worth.get(outcome) for outcome in self.outcomes]
        if None in ranks or ranks[0] == ranks[1]:
            return ""
        return "one" if ranks[0] else "other"


@dataclass(frozen=True)
class VoteSide:
    """One of the two models of a vote.

    Attributes:
        step, strength: of the adapter that gave the answers; None for the original model.
    """

    name: str
    step: int | None = None
    strength: float = 1.0

    def __str__(self) -> str:
        """The model's name with its step, and its strength where that is not 1, in the reader's language."""
        if self.step is None:
            return self.name
        key = "vote.side" if self.strength == 1 else "vote.side_strength"
        return t(key, name=self.name, step=self.step, strength=self.strength)


@dataclass(frozen=True)
class Vote:
    """One vote as it was when read.

    Attributes:
        run: the id of the run whose answers these are. owner: whose run it is.
        sides: the two models, which voters do not get to see before the vote is closed.
        about: what the voters are asked, in the opener's words; often empty.
        secret: what the order of the answers follows from; never shown.
        reopened: whether it went on after its result could be seen; then it is no blind vote any more.
    """

    id: str
    run: str
    owner: str
    sides: tuple[VoteSide, VoteSide]
    about: str
    created: float
    open: bool
    pairs: tuple[Pair, ...]
    secret: str
    reopened: bool = False

    def swapped(self, voter: str, place: int) -> bool:
        """Return whether `voter` sees the other model's answer to question `place` first."""
        words = f"{place}\n{voter}".encode("utf-8", "replace")
        return hmac.new(self.secret.encode(), words, hashlib.sha256).digest()[0] % 2 == 1

    def shown(self, voter: str, place: int) -> tuple[str, str]:
        """The two answers to question `place` in the order in which `voter` sees them."""
        pair = self.pairs[place]
        return (pair.other, pair.one) if self.swapped(voter, place) else (pair.one, pair.other)


def folder() -> Path:
    """The folder of the votes."""
    return workspace.home() / "votes"


def choose(pairs: Iterable[Pair], limit: int = MOST_QUESTIONS) -> list[Pair]:
    """The pairs worth asking about: those whose answers differ, a fixed sample of at most `limit`."""
    worth = [one for one in pairs if one.one.strip() != one.other.strip()]
    kept = sorted(random.Random(SEED).sample(range(len(worth)), min(limit, len(worth))))
    return [worth[place] for place in kept]


@needs("trainer")
def start(run: str, owner: str, sides: tuple[VoteSide, VoteSide], pairs: Sequence[Pair], about: str = "") -> Vote:
    """Open a vote on the pairs worth asking about.

    Raises:
        VoteError: the two models answer everything alike, or there are too many votes.
        RunError: the workspace cannot be written.
    """
    chosen = choose(pairs)
    if not chosen:
        raise VoteError("vote.error.same")
    if len(votes()) >= MOST_VOTES:
        raise VoteError("vote.error.too_many", limit=MOST_VOTES)
    identifier = secrets.token_hex(8)
    with writing(folder()):
        workspace.write_json(
            folder() / identifier / "vote.json",
            {
                "run": run,
                "owner": owner,
                "sides": [asdict(side) for side in sides],
                "about": string(about, LONGEST_ABOUT),
                "open": True,
                "created": time.time(),
                "secret": secrets.token_hex(16),
                "pairs": [[text[:LONGEST] for text in (one.question, one.one, one.other)] for one in chosen],
                "judged": [list(one.outcomes) for one in chosen],
            },
        )
    return get(identifier)


def get(identifier: str) -> Vote:
    """The vote `identifier`.

    Raises:
        VoteError: there is none, or its file makes no sense.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", identifier):
        raise VoteError("vote.error.unknown")
    record = read_record(folder() / identifier / "vote.json")
    try:
        one, other = _sides(record)
        return Vote(
            identifier,
            _text(record["run"]),
            _text(record["owner"]),
            (one, other),
            _text(record["about"]),
            number(record["created"], 0.0),
            record["open"] is True,
            _pairs(record),
            _text(record["secret"]),
            record.get("reopened") is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VoteError("vote.error.unknown") from error


def _sides(record: dict) -> tuple[VoteSide, VoteSide]:
    """The models of a vote; earlier versions kept them as text in the language of who opened it."""
    if "names" in record:
        one, other = (VoteSide(_text(name)) for name in record["names"])
    else:
        one, other = map(_side, record["sides"])
    return one, other


def _side(kept: dict) -> VoteSide:
    step = kept["step"]
    if step is not None and type(step) is not int:
        raise TypeError(type(step).__name__)
    return VoteSide(_text(kept["name"]), step, number(kept["strength"], 1.0))


def _pairs(record: dict) -> tuple[Pair, ...]:
    """The pairs of a vote; those of votes opened before there was a judge have no outcomes."""
    pairs = record["pairs"]
    outcomes = record.get("judged", [("", "")] * len(pairs))
    return tuple(
        Pair(_text(question), _text(one), _text(other), (_text(told[0]), _text(told[1])))
        for (question, one, other), told in zip(pairs, outcomes, strict=True)
    )


def votes() -> list[Vote]:
    """Every vote that makes sense, newest first."""
    found = []
    for path in folder().glob("*/vote.json"):
        try:
            found.append(get(path.parent.name))
        except VoteError:
            continue
    return sorted(found, key=lambda vote: vote.created, reverse=True)


@needs("trainer", owner=lambda vote, *_, **__: vote.owner)
def set_open(vote: Vote, on: bool) -> None:
    """Close the vote, or let it go on; what was cast stays. One that goes on after being closed is marked: its result was seen."""
    file = folder() / vote.id / "vote.json"
    with locked(file.with_name(".lock")), writing(file.parent):
        record = read_record(file)
        seen = record.get("reopened") is True or (on and record.get("open") is False)
        workspace.write_json(file, {**record, "open": on, "reopened": seen})


@needs("guest")
def cast(vote: Vote, voter: str, place: int, choice: str) -> bool:
    """Keep what `voter` says of question `place`, in place of what they said of it before.

    Args:
        choice: of `CHOICES`, "first" being the answer that this voter sees first.

    Returns:
        Whether it is the voter's first choice in this vote.

    Raises:
        VoteError: the vote is closed, there is no such question or choice, or too many people have voted.
    """
    if choice not in CHOICES or not 0 <= place < len(vote.pairs):
        raise VoteError("vote.error.choice")
    with locked(folder() / vote.id / ".lock"):
        if not get(vote.id).open:
            raise VoteError("vote.error.closed")
        file = _ballot(vote, voter)
        former = _choices(file, len(vote.pairs))
        if not former and len(list(file.parent.glob("*.json"))) >= MOST_VOTERS:
            raise VoteError("vote.error.full", limit=MOST_VOTERS)
        kept = {str(one): said for one, said in (former | {place: _without_order(vote, voter, place, choice)}).items()}
        with writing(file.parent):
            workspace.write_json(file, {"voter": string(voter), "updated": time.time(), "choices": kept})
    return not former


def ballot(vote: Vote, voter: str) -> dict[int, str]:
    """Return what `voter` has said so far: question -> one of `CHOICES`, as they see the answers."""
    kept = _choices(_ballot(vote, voter), len(vote.pairs))
    return {place: _with_order(vote, voter, place, said) for place, said in kept.items()}


def tally(vote: Vote) -> Tally:
    """All ballots counted."""
    ballots = [_choices(file, len(vote.pairs)) for file in (folder() / vote.id / "ballots").glob("*.json")]
    said = [one for kept in ballots for one in kept.values()]
    leads = [_lead([kept[place] for kept in ballots if place in kept]) for place in range(len(vote.pairs))]
    ahead = ["one" if one > 0 else "other" if one < 0 else "" for one in leads]
    both = [voted == pair.judged for voted, pair in zip(ahead, vote.pairs, strict=True) if voted and pair.judged]
    return Tally(
        said.count("one"),
        said.count("other"),
        said.count("equal"),
        said.count("bad"),
        voters=sum(map(bool, ballots)),
        one_questions=ahead.count("one"),
        other_questions=ahead.count("other"),
        judged=len(both),
        agreed=sum(both),
        blind=not vote.reopened,
    )


def _lead(said: Sequence[str]) -> int:
    """By how many votes the first model leads on one question."""
    return said.count("one") - said.count("other")


def _ballot(vote: Vote, voter: str) -> Path:
    """The voter's file; its name is made of letters and digits whatever the voter's is made of."""
    name = hashlib.sha256(voter.encode("utf-8", "replace")).hexdigest()[:32]
    return folder() / vote.id / "ballots" / f"{name}.json"


def _choices(file: Path, questions: int) -> dict[int, str]:
    """Question -> "one", "other", "equal" or "bad", of what makes sense in a ballot."""
    kept = read_record(file).get("choices")
    rows = kept.items() if isinstance(kept, dict) else ()
    whole = {int(place): said for place, said in rows if place.isdecimal() and said in ("one", "other", "equal", "bad")}
    return {place: said for place, said in whole.items() if place < questions}


def _without_order(vote: Vote, voter: str, place: int, choice: str) -> str:
    """A choice as seen -> the model it is for."""
    sides = ("other", "one") if vote.swapped(voter, place) else ("one", "other")
    return dict(zip(CHOICES, sides, strict=False)).get(choice, choice)


def _with_order(vote: Vote, voter: str, place: int, said: str) -> str:
    """The model a choice is for -> as the voter sees it."""
    return next(choice for choice in CHOICES if _without_order(vote, voter, place, choice) == said)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value
