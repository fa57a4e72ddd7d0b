"""Longer dialogues: a question of any skill after turns about other things, so that history does not distract.

Skills that give the assistant or the user a name are not used as history, because they would change what is right.
"""

import random

from recipe.corpus import SKILLS, skill
from recipe.corpus.grammar import Sample

HISTORY = [name for name in SKILLS if name not in ("mixed", "persona", "memory")]
ASKED = [name for name in SKILLS if name != "mixed"]
MOST_CHARACTERS = 360


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """One to three exchanges of other skills (always in trained wordings), then a sample of any skill."""
    asked = skill(_drawn(ASKED, rng)).generate(rng, held_out)
    history: list[dict[str, str]] = []
    wanted = rng.choices((1, 2, 3), (5, 4, 2))[0]
    while len(history) < 2 * wanted:
        other = skill(_drawn(HISTORY, rng)).generate(rng, False).messages
        if len(other) <= 4:
            history += other
    history = _fitting(history, MOST_CHARACTERS - _length(asked.messages))
    facts = {"skill": asked.skill, "facts": asked.facts, "own": len(asked.messages)}
    return Sample("mixed", history + asked.messages, facts)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer is right by the judgement of the skill that was asked."""
    facts = sample.facts
    own = Sample(facts["skill"], sample.messages[-facts["own"] :], facts["facts"])
    return skill(facts["skill"]).check(own, answer)


def _drawn(names: list[str], rng: random.Random) -> str:
    return rng.choices(names, [SKILLS[name][1] for name in names])[0]


def _length(messages: list[dict[str, str]]) -> int:
    return sum(len(message["content"]) for message in messages)


def _fitting(history: list[dict[str, str]], room: int) -> list[dict[str, str]]:
    """The latest exchanges that fit into ``room`` characters, at least one exchange."""
    while len(history) > 2 and _length(history) > room:
        history = history[2:]
    return history
