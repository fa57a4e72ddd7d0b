"""Questions from outside the small world, each answered with one sentence that says so.

The topics are many and their fillers partly random, so that what is learned is the border of the world and not a list.
The wordings are in ``unknown.txt``.
"""

import random
from pathlib import Path

from recipe.corpus import values
from recipe.corpus.grammar import Sample, contains, dialogue, pick
from recipe.corpus.unknown_fillers import ENTITIES, FILLERS
from recipe.corpus.wording import decorate, read_wordings

SAID, _ = read_wordings(Path(__file__).with_suffix(".txt"))
WEIGHTS = {
    "code": 5,
    "medicine": 5,
    "finance": 5,
    "weather": 4,
    "news": 3,
    "politics": 4,
    "science": 8,
    "history": 6,
    "person": 6,
    "place": 6,
    "now": 3,
    "translate": 4,
    "write": 5,
    "books": 4,
    "math": 5,
    "law": 4,
    "tech": 5,
    "action": 4,
    "deep": 4,
    "general": 14,
    "nonsense": 2,
    "fiction": 5,
    "game": 3,
    "study": 4,
    "shop": 4,
    "house": 3,
}
ANSWERS = [
    "这个我不知道。",
    "这个我不知道，{我只懂一点日常的事|我学的东西不多|超出了我学过的范围}。",
    "{抱歉|对不起|不好意思}，{这个我不知道|我不知道}。",
    "{这个|这}超出了我学过的范围，我不知道。",
    "我没学过这个，{不知道|所以不知道|没法回答}。",
    "{抱歉|不好意思}，这个我没学过。",
]
ADMISSIONS = ("不知道", "没学过")


def _characters(rng: random.Random) -> str:
    return "".join(rng.choice(values.COMMON) for _ in range(rng.choice((2, 3, 4, 5))))


def _syllables(rng: random.Random) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(4, 10)))


def _symbols(rng: random.Random) -> str:
    return "".join(rng.choice("#@%&*+=~^$0123456789") for _ in range(rng.randrange(3, 8)))


def _made_up(rng: random.Random) -> str:
    return "".join(values.two_characters(rng) for _ in range(rng.choice((1, 1, 2))))


OPEN = {
    "person": values.person,
    "latin": values.latin,
    "number": values.number,
    "made": _made_up,
    "characters": _characters,
    "syllables": _syllables,
    "symbols": _symbols,
    "d": "2 3 4 5 6 7 8 9 12 15".split(),
    "sentence": FILLERS["sentence"],
}
NAMED = {name: words for name, words in FILLERS.items() if name != "sentence"} | {
    "city": values.CITIES,
    "thing": values.THINGS,
    "entity": ENTITIES,
}


def _share(held_out: bool) -> dict:
    """The fillers of one part: what held-out questions ask about is never mentioned in trained ones."""
    parts = {name: [word for word in words if values.reserved(word) == held_out] for name, words in NAMED.items()}
    return OPEN | {name: part or NAMED[name] for name, part in parts.items()}


LISTS = {held_out: _share(held_out) for held_out in (False, True)}


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question that the assistant has not learned to answer, and an honest sentence."""
    topic = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    question = SAID[topic].draw(rng, held_out, LISTS[held_out])
    if question[-1] in "？。" and rng.random() < 0.25:
        question = question[:-1]
    return dialogue("unknown", decorate(question, rng, held_out), pick(ANSWERS, rng), topic=topic)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer admits that it does not know."""
    return any(contains(answer, admission) for admission in ADMISSIONS)
