"""The synthetic Chinese dialogues that the embedded model learns to speak from: small skills, mixed by weight.

Each skill is a module of this package with two functions:

- ``generate(rng, held_out) -> Sample`` draws a dialogue. With ``held_out`` it draws from wordings and combinations of
  values that are never used for training.
- ``check(sample, answer) -> bool`` tells whether a generated answer is right.

Plain Python, standard library only, and the same samples for the same seed on every machine.
"""

import importlib
import random
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from recipe.corpus.grammar import Sample, dialogue, expand, pick

__all__ = ["SKILLS", "Sample", "check", "dialogue", "expand", "pick", "samples", "skill"]

# Shares of the corpus. Copying (persona, memory, echo) and arithmetic need the most practice of a small model.
WEIGHTS = {
    "greeting": 2.5,
    "identity": 10.0,
    "persona": 7.0,
    "memory": 12.0,
    "unknown": 8.0,
    "feelings": 5.0,
    "echo": 5.0,
    "mixed": 9.0,
    "arithmetic": 12.0,
    "capitals": 5.0,
    "antonyms": 4.0,
    "colours": 3.5,
    "weekdays": 5.0,
    "reviews": 6.0,
    "attributes": 8.0,
    "talk": 8.0,
    "everyday": 6.0,
}
NATURAL_WEIGHT = 4.0  # share of natural dialogues, where the environment names a file of them


def skill(name: str) -> ModuleType:
    """The module of a skill, imported on first use."""
    return importlib.import_module(f"{__name__}.{name}")


def _generator(name: str) -> Callable[[random.Random, bool], Sample]:
    return lambda rng, held_out=False: skill(name).generate(rng, held_out)


SKILLS = {name: (_generator(name), weight) for name, weight in WEIGHTS.items()}


def samples(seed: int, count: int, held_out: bool = False, skills: Sequence[str] | None = None) -> Iterator[Sample]:
    """Draw ``count`` samples, the skills mixed by weight; ``skills`` restricts which ones.

    Each sample has a random generator of its own, so that sample ``i`` does not depend on how many were drawn before.
    """
    names = list(skills or SKILLS)
    weights = [SKILLS[name][1] for name in names]
    if not skills and skill("dialogues").available():
        names, weights = [*names, "dialogues"], [*weights, NATURAL_WEIGHT]
    for index in range(count):
        rng = random.Random(f"{seed}/{index}/{held_out}")
        yield skill(rng.choices(names, weights)[0]).generate(rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether ``answer`` is right for ``sample``, by the judgement of its own skill."""
    return skill(sample.skill).check(sample, answer)
