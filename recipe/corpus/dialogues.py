"""Questions of natural conversations (KdConv and CrossWOZ, both Apache-2.0): how people really ask what is unknown here.

The conversations are no part of this repository: ``EASYAIGC_DIALOGUES`` names the file, JSON lines of
``{"source": ..., "turns": [...]}``. Their answers are full of details that a model of this size can only garble, so only
the questions are kept, each answered with the honest sentence of the unknown skill. A question that names something
which the talk skill knows is left out.
"""

import json
import os
import random
import re
from functools import lru_cache
from pathlib import Path

from recipe.corpus import talk_facts, unknown
from recipe.corpus.grammar import Sample, dialogue, pick
from recipe.corpus.wording import reserved

SKILL = "dialogues"
VARIABLE = "EASYAIGC_DIALOGUES"
SHORTEST, LONGEST = 8, 60  # characters: shorter questions lean on what was said before
KNOWN = {row[0] for topic in talk_facts.TOPICS.values() for row in topic.rows}


def available() -> bool:
    """Return whether the environment names a file of conversations."""
    return bool(os.environ.get(VARIABLE))


@lru_cache(maxsize=2)
def read(path: str) -> tuple[list[str], list[str]]:
    """(training, held-out) questions; those of one conversation in twenty are held out."""
    sides: tuple[list, list] = ([], [])
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        turns = [turn.strip() for turn in json.loads(line)["turns"]]
        sides[reserved("".join(turns), 20)].extend(filter(is_question, turns))
    return sides


def is_question(turn: str) -> bool:
    """Return whether a turn asks about something of its own, free of the marks that stand for removed text."""
    asks = SHORTEST <= len(turn) <= LONGEST and turn.endswith(("？", "?"))
    return asks and not re.search(r"\d{5}|#|\[|你好|你是|推荐", turn) and not any(name in turn for name in KNOWN)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A natural question, and the sentence that says it is unknown.

    Raises:
        KeyError: ``EASYAIGC_DIALOGUES`` is not set.
    """
    return dialogue(SKILL, rng.choice(read(os.environ[VARIABLE])[held_out]), pick(unknown.ANSWERS, rng))


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer admits not to know."""
    return unknown.check(sample, answer)
