"""Windows of natural conversations (KdConv and CrossWOZ, both Apache-2.0), for the sound of natural speech.

The conversations are no part of this repository: ``EASYAIGC_DIALOGUES`` names the file, JSON lines of
``{"source": ..., "turns": [...]}``, of two speakers in turn. The assistant is the second speaker of a window.
There is no right answer to open conversation, so the skill is never scored.
"""

import json
import os
import random
import re
from functools import lru_cache
from pathlib import Path

from .grammar import Sample, dialogue, plain
from .wording import reserved

SKILL = "dialogues"
VARIABLE = "EASYAIGC_DIALOGUES"
LONGEST_TURN, LONGEST_WINDOW = 80, 200  # characters


def available() -> bool:
    """Whether the environment names a file of conversations."""
    return bool(os.environ.get(VARIABLE))


@lru_cache(maxsize=2)
def read(path: str) -> tuple[list[list[str]], list[list[str]]]:
    """(training, held-out) conversations as lists of turns; one in twenty is held out."""
    sides: tuple[list, list] = ([], [])
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        turns = [turn.strip() for turn in json.loads(line)["turns"]]
        sides[reserved("".join(turns), 20)].append(turns)
    return sides


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A window of one to four questions and answers, beginning with the first speaker.

    Raises:
        KeyError: ``EASYAIGC_DIALOGUES`` is not set.
    """
    conversations = read(os.environ[VARIABLE])[held_out]
    while True:
        turns = rng.choice(conversations)
        length = 2 * rng.choice((1, 1, 2, 2, 3, 4))
        start = 2 * rng.randrange(max(1, (len(turns) - length) // 2 + 1))
        window = turns[start : start + length]
        if len(window) == length and is_speech(window):
            return dialogue(SKILL, *window)


def is_speech(window: list[str]) -> bool:
    """Whether a window is short, and free of telephone numbers and of the marks that stand for removed ones."""
    short = all(0 < len(turn) <= LONGEST_TURN for turn in window) and sum(map(len, window)) <= LONGEST_WINDOW
    return short and not re.search(r"\d{5}|\d-\d{4}|#|\[", "".join(window))


def check(sample: Sample, answer: str) -> bool:
    """Whether there is an answer at all that does not repeat the question."""
    return bool(plain(answer)) and plain(answer) != plain(sample.question)
