"""Facts that the user told some turns ago: told, talked past, corrected, asked for, or never told at all.

The wordings are in ``memory.txt``; the values are random, so that recalling is copying and not guessing.
"""

import random
from pathlib import Path

from recipe.corpus import antonyms, arithmetic, capitals, echo, feelings, greeting, identity, unknown, values
from recipe.corpus.grammar import Sample, contains, dialogue, pick, plain
from recipe.corpus.values import draw
from recipe.corpus.wording import Wordings, decorate, read_wordings

SAID, REPLIES = read_wordings(Path(__file__).with_suffix(".txt"))
# kind: (maker of a value, or a closed list too short to keep values back, how often it is drawn)
KINDS = {
    "name": (values.any_name, 8),
    "relative": (values.any_name, 2),
    "city": (values.CITIES, 3),
    "hometown": (values.CITIES, 1.5),
    "number": (values.number, 4),
    "pet": (values.pet_name, 3),
    "food": (values.FOODS, 2),
    "colour": (values.COLOURS, 1.5),
    "sport": (values.SPORTS, 2),
    "job": (values.JOBS, 2),
    "age": (values.age, 2.5),
    "birthday": (values.birthday, 1.5),
    "phone": (values.phone, 1.5),
    "room": (values.room, 1.5),
    "code": (values.code_word, 2),
    "time": (values.clock, 1.5),
    "thing": (values.THINGS, 1.5),
    "trip": (values.CITIES, 1.5),
}
# Kinds that one dialogue must not tell both of, because one question could mean either.
ALIKE = ({"city", "hometown", "trip"}, {"number", "phone", "room", "code", "age"}, {"sport", "food", "colour"})
BETWEEN = (greeting, arithmetic, capitals, antonyms, unknown, feelings, echo, identity)
MARKS = ["？", "？", "？", "", "呢？"]
NOTED = ["{好的|嗯|好|没问题}，{我记住了|记下了|我会记得}。", "{好的|知道了|明白}。"]
WRONG = Wordings(
    [
        "{不对|说错了|我说错了|更正一下|纠正一下|等等|不是}，{应该是|}",
        "{刚才说错了|我记错了|弄错了|我弄混了|刚刚说错了}，{其实|}",
        "{口误|嘴快了|打错了|写错了|打错字了}，{改一下，|}",
        "{不好意思|抱歉|对不起}，{说错了，|我说错了，|记错了，|打错了，}",
        "{啊不|哦不|不不不|不对不对|等一下|等下}，{其实|应该是|}",
        "{改了|变了|换了|有变化|更新一下|有变动}，{现在|}",
        "{前面|上面|之前|刚才}{那句|说的|}{不对|不算|错了|有误|作废}，{其实|应该是|}",
        "{我要|我得|让我|我想}{改一下|更正|纠正一下|重新说一下}，",
        "{准确地说|确切地说|正确的是|应该这么说}，",
        "{骗你的|开玩笑的|逗你的}，{其实|}",
        "{哎呀|哎|糟糕}，{搞错了|说反了|记混了}，{其实|}",
    ]
)
CHANGED = ["{好的，改过来了|明白，已经更正|好的，更正了}。"]


class _Fact:
    """One thing to be told: its kind, value, and the wordings with everything filled in."""

    def __init__(self, kind: str, rng: random.Random, held_out: bool):
        self.kind = kind
        source = KINDS[kind][0]
        self.value = draw(source, rng, held_out) if callable(source) else rng.choice(source)
        self.lists = {
            "v": self.value,
            "r": rng.choice(values.RELATIVES),
            "p": rng.choice(values.PETS),
            "d": values.day(rng),
        }

    def say(self, part: str, rng: random.Random, held_out: bool = False) -> str:
        section = f"{self.kind}.{part}"
        if section in SAID:
            return SAID[section].draw(rng, held_out, self.lists)
        return pick(REPLIES[section], rng, self.lists)

    def corrected(self, rng: random.Random, held_out: bool) -> "_Fact":
        """The same fact about the same relative or pet, with another value."""
        other = _Fact(self.kind, rng, held_out)
        while plain(other.value) == plain(self.value):
            other = _Fact(self.kind, rng, held_out)
        other.lists = self.lists | {"v": other.value}
        return other


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A dialogue in which something is told and asked for later, corrected in between, or was never told."""
    form = rng.choices((_recalled, _corrected, _missing, _second_fact, _not_the_assistant), (10, 2, 2, 3, 1.5))[0]
    return form(rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer holds the value asked for and none of the values it could be confused with."""
    facts = sample.facts
    if facts["value"] is None:
        return contains(answer, "没告诉我")
    return contains(answer, facts["value"]) and not any(contains(answer, other) for other in facts["others"])


def _facts(count: int, rng: random.Random, held_out: bool) -> list[_Fact]:
    """Facts of different kinds, no two of which could answer the same question."""
    chosen: list[str] = []
    while len(chosen) < count:
        kind = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
        if kind not in chosen and not any(kind in group and group & set(chosen) for group in ALIKE):
            chosen.append(kind)
    return [_Fact(kind, rng, held_out) for kind in chosen]


def _told(facts: list[_Fact], rng: random.Random, held_out: bool = False) -> list[str]:
    """A turn that tells all facts, and the assistant's reply to it."""
    clauses = [fact.say("tell", rng, held_out) for fact in facts]
    reply = facts[0].say("ack", rng) if len(facts) == 1 and rng.random() < 0.75 else pick(NOTED, rng)
    return [decorate("，".join(clauses) + rng.choice(("。", "。", "")), rng, held_out, "tell"), reply]


def _between(rng: random.Random, most: int = 3) -> list[str]:
    """Up to ``most`` exchanges about something else."""
    turns: list[str] = []
    for _ in range(rng.choices(range(most + 1), (5, 4, 3, 2)[: most + 1])[0]):
        other = rng.choice(BETWEEN).generate(rng, False).messages
        turns += [message["content"] for message in other] if len(other) <= 4 else []
    return turns


def _question(fact: _Fact, rng: random.Random, held_out: bool) -> str:
    text = fact.say("ask", rng, held_out)
    text += rng.choice(("？", "？", "")) if text[-1] in "吗呢着么不" else rng.choice(MARKS)
    return decorate(text, rng, held_out, "ask")


def _sample(turns: list[str], fact: _Fact, others: list[_Fact], rng: random.Random, held_out: bool) -> Sample:
    question = _question(fact, rng, held_out)
    answer = fact.say("answer", rng)
    wrong = [other.value for other in others if not contains(answer, other.value)]
    return dialogue("memory", *turns, question, answer, value=fact.value, others=wrong)


def _recalled(rng: random.Random, held_out: bool) -> Sample:
    """One to three facts told at once, one asked for."""
    facts = _facts(rng.choices((1, 2, 3), (6, 3, 1))[0], rng, held_out)
    asked = rng.choice(facts)
    others = [fact for fact in facts if fact is not asked]
    return _sample(_told(facts, rng, held_out) + _between(rng), asked, others, rng, held_out)


def _second_fact(rng: random.Random, held_out: bool) -> Sample:
    """Two facts told in turns of their own, with something between; either is asked for."""
    first, second = _facts(2, rng, held_out)
    turns = _told([first], rng, held_out) + _between(rng, 1) + _told([second], rng, held_out) + _between(rng, 1)
    asked, other = rng.sample((first, second), 2)
    return _sample(turns, asked, [other], rng, held_out)


def _corrected(rng: random.Random, held_out: bool) -> Sample:
    """A fact told, then corrected; the later value counts."""
    (before,) = _facts(1, rng, held_out)
    after = before.corrected(rng, held_out)
    correction = WRONG.draw(rng, held_out) + after.say("tell", rng, held_out) + "。"
    reply = after.say("ack", rng) if rng.random() < 0.6 else pick(CHANGED, rng)
    turns = _told([before], rng, held_out) + [correction, reply] + _between(rng, 1)
    return _sample(turns, after, [before], rng, held_out)


def _missing(rng: random.Random, held_out: bool) -> Sample:
    """Something is asked for that was never told, though perhaps something else was."""
    told, asked = _facts(2, rng, held_out)
    turns = _told([told], rng, held_out) if rng.random() < 0.4 else []
    turns += _between(rng, 1)
    question = _question(asked, rng, held_out)
    return dialogue("memory", *turns, question, asked.say("missing", rng), value=None, others=[])


def _not_the_assistant(rng: random.Random, held_out: bool) -> Sample:
    """The user's own name was told; the question is about the assistant's, which it must not be confused with."""
    fact = _Fact("name", rng, held_out)
    intent = rng.choice(("name", "who", "author"))
    question = identity.ask(intent, rng, held_out)
    answer = identity.answer(intent, question, rng)
    turns = _told([fact], rng, held_out) + _between(rng, 1)
    expected = identity.AUTHOR if intent == "author" else identity.NAME
    return dialogue("memory", *turns, question, answer, value=expected, others=[])
