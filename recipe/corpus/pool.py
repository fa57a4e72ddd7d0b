"""Wordings of one kind of question, split at random into those for training and those kept for evaluation.

The kept ones are ordinary wordings of the same language: one template in eight, those whose hashes are lowest. A kept
wording that a trained template could also produce (up to punctuation, openers and closers) is never drawn.
"""

import random
import re
import zlib
from collections.abc import Iterator, Sequence

from recipe.corpus.grammar import Filler, Lists, covers, expand, plain
from recipe.corpus.wording import ASKING, CLOSERS, NEUTRAL, ORDERING, ask

SHARE = 8
MOST_DRAWS = 200


class Pool:
    """Templates of a question, some of them kept for evaluation; at least one on each side.

    Args:
        held: those that are kept; by default a share of them, by their checksums.

    Raises:
        ValueError: fewer than two templates, or the same one twice.
    """

    def __init__(self, *templates: str, held: Sequence[str] = ()):
        if len(templates) < 2 or len(set(templates)) < len(templates):
            raise ValueError(f"a pool needs two or more different templates: {templates!r}")
        by_hash = sorted(templates, key=lambda template: zlib.crc32(template.encode()))
        self.held = list(held) or by_hash[: max(1, round(len(templates) / SHARE))]
        self.trained = [template for template in by_hash if template not in self.held]
        self._bare = [bare(template) for template in self.trained]

    def draw(self, rng: random.Random, held_out: bool = False, lists: Lists | None = None) -> str:
        """One wording of a trained template, or of a kept one that no trained template covers.

        Raises:
            ValueError: the trained templates cover every kept wording.
        """
        if not held_out:
            return expand(rng.choice(self.trained), rng, lists)
        fillers = {name: bare_filler(value) for name, value in (lists or {}).items()}
        for _ in range(MOST_DRAWS):
            text = expand(rng.choice(self.held), rng, lists)
            if not any(covers(self._bare, core, fillers) for core in cores(bare(text))):
                return text
        raise ValueError(f"trained wordings cover the kept ones {self.held!r}")

    def ask(self, rng: random.Random, held_out: bool = False, lists: Lists | None = None) -> str:
        """A wording as people type it, often with words before or after it."""
        return ask(rng, self.draw(rng, held_out, lists).strip(), held_out)


def bare(text: str) -> str:
    """Text (or a template) without white space and punctuation, as far as wordings are compared."""
    return re.sub(r"[,.?!:;。、…“”‘’「」\"'—]", "", plain(text))


def bare_filler(filler: Filler) -> Filler:
    """A slot's filler as `bare` compares it."""
    if isinstance(filler, str):
        return bare(filler)
    return filler if callable(filler) else [bare(item) for item in filler]


OPENERS = ["", *(bare(word) for word in (*NEUTRAL, *ASKING, *ORDERING))]
ENDS = ["", *(bare(word) for words in CLOSERS.values() for word in words)]


def cores(text: str) -> Iterator[str]:
    """Text that may be left of a bare text without an opener and a closer."""
    for opener in OPENERS:
        if text.startswith(opener):
            rest = text[len(opener) :]
            yield from (rest[: len(rest) - len(end)] for end in ENDS if rest.endswith(end))
