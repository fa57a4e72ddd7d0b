"""Text of people and models as Markdown that is safe to draw, and the words in which two answers differ.

Nothing a reader or a model writes may become HTML, an image, a link with a hidden target, a formula or a Streamlit
directive. Not here: drawing (pages do that).
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, lru_cache
from itertools import groupby

from glm_core.workspace import home

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LIVE = re.compile(r"[\\\[\]<$]|:(?=[a-zA-Z+])|(?<=[\w+]):|(?<=:material)/")
_ANY_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Streamlit makes links and dashes of plain text too, after all escapes; a word joiner inside is invisible and stops it
_JOINER = "\u2060"
_RESTLESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)|(?<=-)(?=[->])|(?<=<)(?=-)", re.IGNORECASE)


def harmless(text: str) -> str:
    """Markdown whose lists, emphasis and code still work, while images, links, HTML, formulas and directives do not."""
    lines, fence = [], None
    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if fence is None and opening:
            fence = opening.group(1)
            lines.append("\n" + line)
        elif fence is not None:
            lines.append(line)
            if opening and opening.group(1).startswith(fence) and not line.strip(" `~"):
                fence = None
        else:
            lines.append(_quiet_line(line))
    return "\n".join(lines).strip("\n").removesuffix("  ")


def _quiet_line(line: str) -> str:
    """One line outside code blocks, its live characters escaped outside code spans; line breaks are kept."""
    pieces, place = [], 0
    for span in _CODE_SPAN.finditer(line):
        pieces += [_LIVE.sub(_escape, line[place : span.start()]), span.group()]
        place = span.end()
    return "".join(pieces) + _LIVE.sub(_escape, line[place:]) + ("  " if line.strip() else "")


def _escape(found: re.Match) -> str:
    return "\\" + found.group()


def literal(text: str) -> str:
    """Markdown that shows exactly `text`, line breaks included, and does nothing else."""
    return "  \n".join(_ANY_PUNCTUATION.sub(r"\\\1", _firm(line)) for line in text.split("\n"))


def unique_labels(labels: dict[str, str], times: dict[str, str]) -> dict[str, str]:
    """`labels` by id, made unlike each other: Streamlit's choosers know an option by what they show of it.

    Args:
        times: of every id the moment it was made, which people tell two of the same name apart by; then the end of its id.
    """
    for mark in (lambda id: times[id], lambda id: id[-4:]):
        counts = Counter(labels.values())
        labels = {id: f"{label} · {mark(id)}" if counts[label] > 1 else label for id, label in labels.items()}
    return labels


def numbered(names: Sequence[str]) -> list[str]:
    """Names with their places where there are several: two may be alike."""
    return list(names) if len(names) == 1 else [f"{place} · {name}" for place, name in enumerate(names, 1)]


def _firm(line: str) -> str:
    """`line` with blanks that HTML does not swallow and without anything that would become a link or a dash."""
    line = re.sub(r"^\s+|(?<=\s)\s+", lambda gap: "\u00a0" * len(gap.group()), line)
    return _RESTLESS.sub(_JOINER, line)


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer, and whether the other answer lacks it."""

    text: str
    changed: bool


def differences(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Both answers cut into stretches, marked where they differ, word by word.

    Returns:
        The pieces of `before` and those of `after`; each list joined is its text.
    """
    old, new = words(before), words(after)
    left: list[Piece] = []
    right: list[Piece] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        left.append(Piece("".join(old[a:b]), tag != "equal"))
        right.append(Piece("".join(new[c:d]), tag != "equal"))
    return _joined(left), _joined(right)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of the same kind as one piece, empty ones left out."""
    groups = groupby((piece for piece in pieces if piece.text), key=lambda piece: piece.changed)
    return [Piece("".join(piece.text for piece in group), changed) for changed, group in groups]


def marked(pieces: list[Piece], color: str) -> str:
    """Markdown of `pieces`, the changed ones in `color` ("green", "gray" ...) on its background, all literal."""
    parts = []
    for piece in pieces:
        if not piece.changed:
            parts.append(literal(piece.text))
            continue
        lines = piece.text.split("\n")
        parts.append(
            "  \n".join(f":{color}-background[:{color}[{literal(line)}]]" if line.strip() else line for line in lines)
        )
    return "".join(parts)


@lru_cache(maxsize=512)
def words(text: str) -> tuple[str, ...]:
    """`text` cut into words by jieba; joined they are the text."""
    return tuple(segmenter().lcut(text, HMM=False))  # words guessed from context would differ between two answers


@cache
def segmenter():
    """Return jieba, with its cache inside the workspace whoever asks first."""
    import jieba

    jieba.setLogLevel(logging.WARNING)
    cache_folder = home() / "cache"  # jieba keeps its parsed dictionary there; its default is the system's /tmp
    cache_folder.mkdir(parents=True, exist_ok=True)
    jieba.dt.tmp_dir = str(cache_folder)
    return jieba
