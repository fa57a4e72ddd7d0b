"""The first screen of a report as a picture for a chat group: title, three meters, one before and after each. PNG or SVG.

Both are drawn from one sheet of words and boxes, without a browser. The PNG needs a Chinese font on this computer; the SVG
takes its reader's, and every stretch of words says how wide it is, so that nothing shifts. Not here: the font (fonts.py),
the sentences (export.py).
"""

import io
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from glm_core import templates
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.report import Report, Row
from glm_core.evaluation.report_files import export, fonts
from glm_core.evaluation.scoring import METERS
from glm_core.i18n import t
from glm_core.markdown import Piece, differences

WIDTH, MARGIN, PADDING, GAP = 1080, 56, 36, 28
LEFT = 270
"Width of a card's left column, with the figure."
GROUND, CARD, LINE = "#FBFAF7", "#FFFFFF", "#D9D6CF"
INK, QUIET, TUNED, ALARM = "#22262B", "#6F757E", "#1F7A63", "#B4412F"
TINTS = {QUIET: "#ECEAE5", TUNED: "#DCECE6"}
SIZES = {"title": 56, "figure": 88, "text": 30, "answer": 28, "quiet": 24}
LEADING = 1.5
FAMILIES = "'Noto Sans CJK SC','PingFang SC','Microsoft YaHei',sans-serif"
TOKEN = re.compile(r"(?:[A-Za-z0-9_.,%:/'\-]+|.)[?!)，。！？；：、）》」”’…]{0,3}", re.DOTALL)
"What a line is broken between: Latin words and single characters, each with the marks that may not begin a line."


@dataclass(frozen=True)
class Word:
    """Words on one line: left edge and baseline box top in pixels."""

    x: float
    y: float
    width: float
    text: str
    size: int
    color: str
    bold: bool

    @property
    def baseline(self) -> float:
        """The y that the letters stand on."""
        return self.y + 1.1 * self.size


@dataclass(frozen=True)
class Box:
    """A rectangle with round corners; `line` is the color of its border, empty for none."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    line: str = ""
    radius: int = 6


@dataclass
class ImageCanvas:
    """A picture to be drawn, in order, on a ground `WIDTH` wide and `height` high."""

    shapes: list[Word | Box] = field(default_factory=list)
    height: float = 0.0

    def write(
        self,
        x: float,
        y: float,
        width: float,
        words: str | Sequence[Piece],
        kind: str,
        color: str = INK,
        most: int = 2,
        bold: bool = False,
    ) -> float:
        """Set words into a column; changed pieces stand on a tint of `color`, the others are ink.

        Args:
            words: plain text all in `color`, or the pieces of an answer.
            kind: of `SIZES`.
            most: lines; what does not fit ends in an ellipsis.

        Returns:
            The y below the last line.
        """
        size = SIZES[kind]
        pieces = [Piece(words, True)] if isinstance(words, str) else words
        tint = "" if isinstance(words, str) else TINTS[color]
        for line in broken_lines(pieces, size, width, most):
            at = x
            for piece in line:
                wide = fonts.width(piece.text, size)
                if piece.changed and tint:
                    self.shapes.append(Box(at - 2, y + size * 0.1, wide + 4, size * 1.25, tint))
                self.shapes.append(Word(at, y, wide, piece.text, size, color if piece.changed else INK, bold))
                at += wide
            y += size * LEADING
        return y


def broken_lines(pieces: Sequence[Piece], size: int, width: float, most: int) -> list[list[Piece]]:
    """Pieces as lines that fit into `width`, at most `most` of them."""
    lines: list[list[Piece]] = [[]]
    used = 0.0
    for token, changed in _tokens(pieces):
        wide = fonts.width(token, size)
        if used + wide > width and used:
            if len(lines) == most:
                return [*lines[:-1], _with_ellipsis(lines[-1], size, width)]
            lines.append([])
            used = 0.0
            token = token.lstrip()
            wide = fonts.width(token, size)
        last = lines[-1][-1] if lines[-1] else None
        if last is not None and last.changed == changed:
            lines[-1][-1] = Piece(last.text + token, changed)
        elif token:
            lines[-1].append(Piece(token, changed))
        used += wide
    return lines


def _with_ellipsis(line: list[Piece], size: int, width: float) -> list[Piece]:
    """The line cut so that an ellipsis still fits."""
    left = width - fonts.width("…", size)
    line = list(line)
    while line and fonts.width("".join(one.text for one in line), size) > left:
        last = line.pop()
        if len(last.text) > 1:
            line.append(Piece(last.text[:-1], last.changed))
    return [*line[:-1], Piece(line[-1].text + "…", line[-1].changed)] if line else [Piece("…", False)]


def _tokens(pieces: Sequence[Piece]) -> Iterator[tuple[str, bool]]:
    """The `TOKEN`s of pieces, overlong ones in parts; breaks, tabs and what no font has become blanks."""
    for piece in pieces:
        text = "".join(sign if sign.isprintable() else " " for sign in piece.text)
        for token in TOKEN.findall(text):
            while len(token) > 24:
                yield token[:24], piece.changed
                token = token[24:]
            yield token, piece.changed


# what is on it


def lay_out(report: Report) -> ImageCanvas:
    """The first screen of `report` in the language in use."""
    sheet, y, width = ImageCanvas(), float(MARGIN), WIDTH - 2 * MARGIN
    y = sheet.write(MARGIN, y, width, conclusion.headline(report), "title", bold=True, most=2)
    y = sheet.write(MARGIN, y, width, export.about(report), "quiet", QUIET)
    for sentence in [*export.warnings(report), *conclusion.doubts(report)][:3]:
        y = sheet.write(MARGIN, y, width, sentence, "quiet", ALARM)
    for kind, table in report.classes.items():
        y = sheet.write(MARGIN, y, width, export.accuracy(kind, table), "text", TUNED)
    for name in METERS:
        y = _card(sheet, report, name, y + GAP)
    day = time.strftime("%Y-%m-%d", time.localtime(report.made))
    sheet.height = sheet.write(MARGIN, y + GAP, width, f"easyAIGC · {day}", "quiet", QUIET, most=1) + GAP
    return sheet


def _card(sheet: ImageCanvas, report: Report, name: str, top: float) -> float:
    """One meter: its figure at the left, what it means and its example at the right. Returns the y of its lower edge."""
    place = len(sheet.shapes)
    meter, color = report.meters[name], ALARM if report.meters[name].grade == "none" else TUNED
    x, y = MARGIN + PADDING, top + PADDING
    left = sheet.write(x, y, LEFT, t(f"report.meter.{name}"), "text", bold=True)
    left = sheet.write(x, left, LEFT, export.number(meter), "figure", color, most=1)
    left = sheet.write(x, left, LEFT, export.uncertainty(report, name), "quiet", QUIET, most=5)
    x, width = x + LEFT + PADDING, WIDTH - 2 * MARGIN - 3 * PADDING - LEFT
    right = sheet.write(x, y, width, export.meaning(report, name), "text", most=3)
    row = export.example(report, name)
    right = _example(sheet, row, x, right + GAP / 2, width) if row is not None else right
    bottom = max(left, right) + PADDING / 2
    sheet.shapes.insert(place, Box(MARGIN, top, WIDTH - 2 * MARGIN, bottom - top, CARD, LINE, 16))
    return bottom


def _example(sheet: ImageCanvas, row: Row, x: float, y: float, width: float) -> float:
    """A question with both answers, the words that differ marked."""
    y = sheet.write(x, y, width, row.question.text, "answer", bold=True)
    sides = differences(row.before.text, row.after.text)
    for label, pieces, color in zip(("compare.original", "compare.column.tuned"), sides, (QUIET, TUNED), strict=True):
        y = sheet.write(x, y + 8, width, t(label), "quiet", QUIET, most=1)
        y = sheet.write(x, y, width, pieces or t("chat.nothing"), "answer", color, most=3)
    return y


# files


def find_font() -> tuple[str, int] | None:
    """The font that a PNG would be drawn with; None where this computer has none with Chinese characters."""
    return fonts.find()


def to_png(report: Report) -> bytes:
    """The picture in pixels.

    Raises:
        ValueError: this computer has no font with Chinese characters (see `find_font`).
    """
    from PIL import Image, ImageDraw

    font, sheet = fonts.find(), lay_out(report)
    if font is None:
        raise ValueError("no font with Chinese characters")
    image = Image.new("RGB", (WIDTH, round(sheet.height)), GROUND)
    draw = ImageDraw.Draw(image)
    for one in sheet.shapes:
        if isinstance(one, Box):
            area = (one.x, one.y, one.x + one.width, one.y + one.height)
            draw.rounded_rectangle(area, one.radius, fill=one.fill, outline=one.line or None, width=2)
        else:
            words = "".join(sign if fonts.has(sign) else " " for sign in one.text)
            draw.text(
                (one.x, one.baseline), words, one.color, fonts.load(*font, one.size), "ls", stroke_width=one.bold * 0.4
            )
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def to_svg(report: Report) -> bytes:
    """The picture as text, in the font of whoever looks at it; nothing in it runs or is fetched."""
    sheet = lay_out(report)
    boxes = [one for one in sheet.shapes if isinstance(one, Box)]
    words = [one for one in sheet.shapes if isinstance(one, Word)]
    look = {"width": WIDTH, "height": round(sheet.height), "families": FAMILIES, "ground": GROUND}
    return templates.render(export.TEMPLATES, "image.svg", boxes=boxes, words=words, **look).encode("utf-8", "replace")
