"""A sheet's numbers and dates as text, in the number format of their cell: 12.5%, 2024年1月2日, ¥1,200.00, 007.

Follows the parts of ECMA-376 18.8.31 that data sets use; any other format gives the plain value.
"""

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache

_PLAIN = re.compile(
    r"(?P<before>[^#0.,%]*?)(?P<digits>[#0,]*)(?P<point>\.(?P<decimals>[#0]+))?(?P<percent>%?)(?P<after>[^#0.,%]*)"
)
_TOKEN = re.compile(r"\"[^\"]*\"|\\.|\[[^\]]*\]|y+|m+|d+|h+|s+(?:\.0+)?|AM/PM|上午/下午|.", re.IGNORECASE)
_UNQUOTED = re.compile(r"\"([^\"]*)\"|\\(.)|_.|\*.|\[\$([^\]\-]*)(?:-[^\]]*)?\]|\[[^\]]*\]")


def shown(value: object, number_format: str | None) -> object:
    """`value` as a reader of the sheet sees it; text and truth values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float | date | time | timedelta):
        return value
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, date | time):
        return _date(value, number_format or "")
    if not number_format or number_format == "General" or number_format == "@":
        return value
    try:
        return _number(value, number_format)
    except (ValueError, OverflowError):
        return value


@lru_cache(maxsize=256)
def _parts(number_format: str) -> tuple[str, bool, int, int, bool, str] | None:
    """Text before, thousands, whole digits, decimals, percent, text after; None for a format of another kind."""
    positive = number_format.split(";")[0]
    bare = _UNQUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", positive)
    found = _PLAIN.fullmatch(bare)
    if not found or not (found["digits"] or found["point"]) or re.search(r"[eE?/]", bare):
        return None
    digits = found["digits"].replace(",", "")
    return (
        found["before"],
        "," in found["digits"],
        digits.count("0"),
        len(found["decimals"] or ""),
        bool(found["percent"]),
        found["after"],
    )


def _number(value: float, number_format: str) -> object:
    parts = _parts(number_format)
    if parts is None:
        return value
    before, thousands, whole, decimals, percent, after = parts
    shown_value = abs(value) * 100 if percent else abs(value)
    text = f"{shown_value:{',' if thousands else ''}.{decimals}f}"
    integer = text.partition(".")[0]
    text = "0" * max(0, whole - len(integer)) + text
    return f"{'-' if value < 0 else ''}{before.strip()}{text}{'%' if percent else ''}{after.strip()}"


def _date(value: date | time, number_format: str) -> str:
    tokens = _TOKEN.findall(number_format.split(";")[0])
    kinds = {token[0].lower() for token in tokens if token[0].lower() in "ymdhs"}
    if not kinds or number_format == "General":
        return _plain_date(value)
    if number_format.lower() in ("mm-dd-yy", "m/d/yy"):  # number 14, which Excel shows as the reader's country does
        return f"{value:%Y}/{value.month}/{value.day}" if isinstance(value, date) else str(value)
    if isinstance(value, time) and kinds & {"y", "d"}:
        return str(value)
    texts, hours = [], False
    half = any(token.upper() in ("AM/PM", "上午/下午") for token in tokens)
    for place, token in enumerate(tokens):
        following = next((one[0].lower() for one in tokens[place + 1 :] if one[0].lower() in "ymdhs"), "")
        texts.append(_part(value, token, hours or following == "s", half))
        hours = token[0].lower() == "h" or (hours and token[0].lower() not in "ymds")
    return "".join(texts).strip()


def _plain_date(value: date | time) -> str:
    midnight = isinstance(value, datetime) and value.time() == time()
    return str(value.date() if midnight and isinstance(value, datetime) else value)


def _part(value: date | time, token: str, minutes: bool, half: bool) -> str:
    """The text of one token of a date format; `minutes` reads m as minutes."""
    kind, size = token[0].lower(), len(token)
    if kind in '"\\':
        return token.strip('"') if kind == '"' else token[1:]
    if kind == "[" or token in "@_*":
        return ""
    if token.upper() in ("AM/PM", "上午/下午"):
        return token.split("/")[getattr(value, "hour", 0) >= 12]
    if kind == "m" and not minutes:
        if size >= 3:
            return f"{value:%b}" if size == 3 else f"{value:%B}"
        return _padded(getattr(value, "month", 0), size)
    if kind == "d" and size >= 3:
        return f"{value:%a}" if size == 3 else f"{value:%A}"
    hour = getattr(value, "hour", 0)
    numbers = {
        "d": getattr(value, "day", 0),
        "h": (hour % 12 or 12) if half else hour,
        "m": getattr(value, "minute", 0),
    }
    if kind == "y":
        return f"{value:%Y}" if size > 2 else f"{value:%y}"
    if kind == "s":
        return _padded(getattr(value, "second", 0), min(size, 2))
    return _padded(numbers[kind], size) if kind in numbers else token


def _padded(number: int, size: int) -> str:
    return f"{number:02d}" if size > 1 else str(number)
