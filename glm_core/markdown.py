"""Text of people and models as Markdown that is safe to draw, and the words in which two answers differ.

Nothing a reader or a model writes may become HTML, an image, a link with a hidden target, a formula, a diagram or a
Streamlit directive. Not here: drawing (pages do that).
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, lru_cache
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from glm_core.workspace import home

_ANY_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Streamlit makes links, icons and dashes of plain text too, after all escapes; an invisible word joiner inside stops it
_JOINER = "\u2060"
_HARD_BREAK = "  \n"
DRAWN = re.compile(r"math|mermaid", re.IGNORECASE)
"Languages of code blocks that Streamlit shows as a formula or a diagram instead of as code."
MOST_CELLS = 30_000
"Cells of all tables of one text; a text that could have more is drawn without tables."
_UNDER_HEAD = "-:| \t>*+.)0123456789"
"Characters of the line under a table's head, marks of quotes and lists before it included."
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_RESTLESS = re.compile(
    r"(?<=:material)(?=/)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)|(?<=-)(?=[->])|(?<=<)(?=-)", re.IGNORECASE
)


def harmless(text: str) -> str:
    """Return Markdown with the lists, tables, emphasis and code of `text`, in which nothing else is live.

    A CommonMark parser reads the text; what it found is written anew in one canonical form with every punctuation mark of plain text
    escaped. Links, images, HTML, formulas and Streamlit directives are never read as such, so they come out as the characters they are.
    """
    text = _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(_blocks(SyntaxTreeNode(_parser(_tables_fit(text)).parse(text)).children, tight=False))


@cache
def _parser(tables: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"] if tables else ["strikethrough"])
    return parser.disable(["link", "image", "autolink", "reference", "html_block", "html_inline"])


def _tables_fit(text: str) -> bool:
    """Return whether the tables of `text` have no more than `MOST_CELLS` cells: each row is filled up to the width of its head."""
    lines = text.split("\n")
    widths = (line.count("|") + 1 for line in lines if "-" in line and "|" in line and not line.strip(_UNDER_HEAD))
    return max(widths, default=0) * len(lines) <= MOST_CELLS


def _blocks(nodes: Sequence[SyntaxTreeNode], *, tight: bool) -> list[str]:
    """Return the lines of blocks, separated by blank lines unless `tight`."""
    lines: list[str] = []
    for node in nodes:
        if lines and not (tight and node.type in ("paragraph", "bullet_list", "ordered_list")):
            lines.append("")
        lines += _block(node)
    return lines


def _block(node: SyntaxTreeNode) -> list[str]:
    """Return the lines of one block."""
    match node.type:
        case "heading":
            return [f"{'#' * int(node.tag[1])} {_inline(node).replace(_HARD_BREAK, ' ')}"]
        case "paragraph":
            return _inline(node).split("\n")
        case "fence" | "code_block":
            return _fenced(node.content, node.info if node.type == "fence" else "")
        case "blockquote":
            return [f"> {line}".rstrip() for line in _blocks(node.children, tight=False)] or [">"]
        case "bullet_list":
            return _items(node, lambda place: "- ")
        case "ordered_list":
            start = int(node.attrs.get("start", 1))
            return _items(node, lambda place: f"{start + place}. ")
        case "table":
            return _table(node)
        case "hr":
            return ["***"]
    return [_escaped(node.content)]


def _items(node: SyntaxTreeNode, mark: Callable[[int], str]) -> list[str]:
    """Return the lines of a list, each item's first one behind its mark and the others indented by as much."""
    tight = all(block.hidden for item in node.children for block in item.children if block.type == "paragraph")
    lines: list[str] = []
    for place, item in enumerate(node.children):
        if lines and not tight:
            lines.append("")
        first, *others = _blocks(item.children, tight=tight) or [""]
        lines.append((mark(place) + first).rstrip() if not first else mark(place) + first)
        lines += [" " * len(mark(place)) + line if line else "" for line in others]
    return lines


def _fenced(content: str, info: str) -> list[str]:
    """Return a code block whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", content)), default=0))
    found = re.match(r"[\w+#.\-]{0,20}", info.strip())
    language = found.group() if found and not DRAWN.search(found.group()) else ""
    return [fence + language, *content.removesuffix("\n").split("\n"), fence]


def _table(node: SyntaxTreeNode) -> list[str]:
    rows = [
        ["| " + " | ".join(_inline(cell, in_table=True) for cell in row.children) + " |", len(row.children)]
        for part in node.children
        for row in part.children
    ]
    return [rows[0][0], "|" + " --- |" * rows[0][1], *(row for row, _ in rows[1:])]


def _inline(node: SyntaxTreeNode, in_table: bool = False) -> str:
    """Return the text of a block: emphasis and code as Markdown, everything else escaped."""
    parts = []
    for child in node.children:
        match child.type:
            case "inline":
                parts.append(_inline(child, in_table))
            case "strong" | "em" | "s":
                mark = {"strong": "**", "em": "*", "s": "~~"}[child.type]
                parts.append(mark + _inline(child, in_table) + mark)
            case "code_inline":
                parts.append(_code_span(child.content, in_table))
            case "softbreak" | "hardbreak":
                parts.append(_HARD_BREAK)
            case _:
                parts.append(_escaped(child.content))
    return "".join(parts)


def _code_span(content: str, in_table: bool) -> str:
    runs = {len(run) for run in re.findall("`+", content)}
    mark = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    pad = " " if content[:1] + content[-1:] != content[:1].strip() + content[-1:].strip() or "`" in content else ""
    return mark + pad + (content.replace("|", "\\|") if in_table else content) + pad + mark


def _escaped(text: str) -> str:
    """Return plain text with every punctuation mark escaped and nothing that Streamlit would turn into a link or a sign."""
    return _ANY_PUNCTUATION.sub(r"\\\1", _RESTLESS.sub(_JOINER, text.replace("\n", " ")))


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
