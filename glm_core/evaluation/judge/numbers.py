"""Numbers, times and identifiers of a text as values, so that 二十四个月 and 24 个月 are one and 14 is another.

Covers: Chinese numerals, units with their factors, clock times, dates, model and telephone numbers.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

DIGITS = dict(zip("零〇一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)) | {"俩": 2, "仨": 3}
SCALES = {"十": 10, "百": 100, "千": 1000}
MYRIADS = {"万": 10_000, "亿": 100_000_000}
MARK = "\ue0ff"
"Stands in a text where a number stood."
_NUMERAL = "零〇一二两三四五六七八九十百千万亿俩"
_WHOLE = r"(?<!\d)\d{1,15}(?!\d)"
"Digits to calculate with; a longer row of them is an identifier, or the answer of a model that does not stop."
_LONGEST_NUMERAL = 24
_UNITS: dict[str, dict[str, float]] = {
    "seconds": {"秒": 1, "秒钟": 1, "分钟": 60, "小时": 3600, "个小时": 3600, "钟头": 3600, "个钟头": 3600, "天": 86400,
                "日": 86400, "周": 604800, "星期": 604800, "个星期": 604800, "礼拜": 604800, "个礼拜": 604800,
                "seconds": 1, "minutes": 60, "minute": 60, "min": 60, "hours": 3600, "hour": 3600, "days": 86400,
                "day": 86400, "weeks": 604800, "week": 604800},
    "months": {"个月": 1, "年": 12, "个季度": 3, "months": 1, "month": 1, "years": 12, "year": 12},
    "grams": {"毫克": 0.001, "mg": 0.001, "克": 1, "g": 1, "千克": 1000, "公斤": 1000, "kg": 1000, "斤": 500, "吨": 1e6},
    "meters": {"毫米": 0.001, "mm": 0.001, "厘米": 0.01, "公分": 0.01, "cm": 0.01, "米": 1, "m": 1, "公里": 1000, "千米": 1000,
               "km": 1000, "里": 500, "里路": 500},
    "liters": {"毫升": 0.001, "ml": 0.001, "升": 1, "l": 1},
    "money": {"元": 1, "块": 1, "块钱": 1, "元钱": 1, "圆": 1, "yuan": 1, "rmb": 1, "毛": 0.1, "角": 0.1, "万元": 10_000, "亿元": 1e8},
    "percent": {"%": 1, "成": 10},
    "degrees": {"度": 1, "摄氏度": 1, "℃": 1, "°c": 1, "degrees": 1},
    "watts": {"瓦": 1, "w": 1, "千瓦": 1000, "kw": 1000},
    "bytes": {"mb": 1, "gb": 1024, "tb": 1024**2, "兆": 1, "g内存": 1024},
}  # fmt: skip
_FACTORS = {unit: (dimension, factor) for dimension, units in _UNITS.items() for unit, factor in units.items()}
_UNIT = "|".join(sorted(map(re.escape, _FACTORS), key=len, reverse=True))
MEASURES = "个只条件箱台本人名位次回遍层楼室号级岁页章节瓶杯碗盒包袋双对套张片支根棵朵辆家种类项点分步倍届期寸月"
_NOT_NUMBERS = re.compile(
    r"哪一|一(?:起|定|样|直|般|切|些|下子?|旦|向|路|律|致|共|边|会儿|心|方面|同|流|键|体|带|点儿?(?!半|钟|整|[零〇一二三四五六七八九十0-9])|旁|度|生|时|贯|手)|"
    r"统一|唯一|万一|第一时间|百分(?!之)|十分(?![钟之])|零下|千万(?=[别要不])|万能|万物|百货|百度|百合|九寨|四川|三亚|五金|千岛|七喜|"
    r"四季|三明治|[二三]维|周[一二三四五六日]|星期[一二三四五六日]|礼拜[一二三四五六日]|初一|两(?:边|旁|侧)|一一"
)
_CHINESE = re.compile(rf"(?:第)?[{_NUMERAL}]+(?:点[零〇一二三四五六七八九]+(?![分钟刻十]))?")
_IDENTIFIER = re.compile(
    r"https?://[^\s,。)]+|www\.[^\s,。)]+|(?<![\w.])[\w.]+@[\w.]+|"
    r"(?<![a-z0-9])(?=[a-z0-9])(?=[a-z0-9./_-]*[a-z])(?=[a-z0-9./_-]*\d)[a-z0-9]+(?:[-_./][a-z0-9]+)*(?![a-z0-9])|(?<!\d)\d{2,}(?:-\d{3,})+|(?<!\d)\d{7,}(?!\d)"
)
_ENGLISH = {word: start + step * place for start, step, words in (
    (2, 1, "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
    (20, 10, "twenty thirty forty fifty sixty seventy eighty ninety")) for place, word in enumerate(words.split())}  # fmt: skip
_ENGLISH_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_ENGLISH_WORD = "|".join((*sorted(_ENGLISH, key=len, reverse=True), "one"))
_ENGLISH_SCALE = "|".join(_ENGLISH_SCALES)
_ENGLISH_NUMERAL = re.compile(
    rf"\b(?:a|{_ENGLISH_WORD}|{_WHOLE})[ -](?:{_ENGLISH_SCALE})(?:[ -](?:and )?(?:{_ENGLISH_WORD}|{_ENGLISH_SCALE}))*\b|"
    rf"\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?\b|"
    rf"\b(?:{'|'.join(_ENGLISH)})\b"
)
_ORDINALS = {
    word: 3 + place for place, word in enumerate("third fourth fifth sixth seventh eighth ninth tenth".split())
}
_ORDINAL = re.compile(rf"\b(?:{'|'.join(_ORDINALS)})\b")
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5}
_ENGLISH_PART = re.compile(r"\b(a|one|two|three|four)[ -](half|third|quarter|fifth)s?\b(?! past| to\b)")
_SLASHED = re.compile(r"(?<![a-z0-9/.:-])(\d{1,2})[/⁄](\d{1,2})(?![a-z0-9/.:-])")
_ONE_HALF = re.compile("(?<![0-9一另])一半(?!天|年|个|点)")
_HALF_PRICE = re.compile("半价|对折")
_AND_HALF = re.compile(rf"((?<![{_NUMERAL}])[{_NUMERAL}]+|{_WHOLE})个半(?=小时|钟头|月|星期|礼拜)")
_HALF_MORE = re.compile(
    rf"({_WHOLE})(年|个?小时|个?钟头|天|周|个?星期|个?礼拜|个月|公斤|千克|斤|公里|千米|米|吨|升|元|块)半"
)
_HALF = re.compile(r"(?<![上下前后大小多一\d])半(年|公斤|千克|斤|公里|米|吨|升)(?!级|报|度)")
_PLAIN_UNIT = re.compile(rf"\d+(?:\.\d+)?(?:{_UNIT}|th|st|nd|rd)$")
_DATE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(?:(\d{1,2})[日号])|(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_PERIOD = "上午|早上|早晨|清晨|凌晨|中午|下午|晚上|傍晚|夜里|晚|早"
_CLOCK = re.compile(
    rf"({_PERIOD})?(\d{{1,2}})(?:点钟?|时)(?:(\d{{1,2}})分?|(半)|(一刻|1刻)|(三刻|3刻)|整)?(?!间|段|[\d])|({_PERIOD})?(\d{{1,2}}):(\d{{2}})(?!\d)"
)
_NUMBER = re.compile(rf"([¥$€]\s?)?((?:零下|负)\s?|(?<![\w)])-)?(\d+(?:\.\d+)?)\s?((?:{_UNIT})(?![a-z]))?")


@dataclass(frozen=True)
class Quantity:
    """A number as it is compared: dimension ("" without a unit, "id" for an identifier), value, text as it stood."""

    dimension: str
    value: object
    shown: str

    def same(self, other: "Quantity") -> bool:
        """True where both say one amount; a number that gives no unit takes the other's."""
        if "id" in (self.dimension, other.dimension):
            return self.value == other.value
        if self.dimension == other.dimension:
            return _same_value(self.dimension, self.value, other.value)
        if {self.dimension, other.dimension} == {"percent", ""}:
            share, plain = (self, other) if self.dimension == "percent" else (other, self)
            if _same_value("", share.value / 100, plain.value):
                return True
        if "" in (self.dimension, other.dimension):
            return _leading(self.shown) == _leading(other.shown) is not None
        return False


def _leading(shown: str) -> float | None:
    found = re.search(r"-?\d+(?:\.\d+)?", shown)
    return float(found[0]) if found else None


def _same_value(dimension: str, left: Any, right: Any) -> bool:
    if dimension == "date":
        return all(one == other or one is None or other is None for one, other in zip(left, right, strict=True))
    if dimension == "clock":
        exact = left[1] and right[1]
        return left[0] == right[0] if exact else left[0] % 720 == right[0] % 720
    return abs(left - right) <= 1e-9 * max(abs(left), abs(right), 1)


def numeral_value(text: str) -> float | None:
    """Value of a Chinese numeral such as 二十四, 一万二 or 三点五; None for none."""
    text, _, fraction = text.partition("点")
    if not text or len(text) > _LONGEST_NUMERAL:
        return None
    value = _whole(text)
    if value is None or not fraction:
        return value
    return float(f"{int(value)}." + "".join(str(DIGITS[one]) for one in fraction))


def _whole(text: str) -> int | None:
    if len(text) > 1 and not set(text) & {*SCALES, *MYRIADS}:
        return int("".join(str(DIGITS[one]) for one in text)) if all(one in DIGITS for one in text) else None
    total = section = digit = 0
    scale, zero = 1, False
    for character in text:
        if character in DIGITS:
            digit, zero = DIGITS[character], zero or DIGITS[character] == 0
        elif character in SCALES:
            scale = SCALES[character]
            section, digit, zero = section + (digit or (1 if not section or character == "十" else 0)) * scale, 0, False
        elif character in MYRIADS:
            scale = MYRIADS[character]
            total, section, digit, zero = (total + section + digit or 1) * scale, 0, 0, False
        else:
            return None
    return total + section + (digit if zero or scale < 100 else digit * scale // 10)


@lru_cache(4096)
def to_digits(text: str) -> str:
    """Return folded `text` with numerals written as digits, thousands closed up, fractions and halves as numbers."""
    text = re.sub(r"(?<=\d)[,，](?=\d{3}(?!\d))", "", text)
    text = re.sub(rf"({_WHOLE}(?:\.\d+)?)(万|亿)(?:(\d)千)?", _myriad, text)
    text = re.sub(rf"({_WHOLE}(?:\.\d+)?)千(?![克米瓦卡帕])", lambda found: f"{float(found[1]) * 1000:.10g}", text)
    text = _AND_HALF.sub(_one_half_more, text)
    text = re.sub(r"半(?:个?小时|个?钟头)", "30分钟", text).replace("半个月", "15天")
    text = re.sub(rf"百分之([{_NUMERAL}]+(?:点[{_NUMERAL}]+)?|{_WHOLE}(?:\.\d+)?)", _percent, text)
    text = re.sub(rf"((?<![{_NUMERAL}])[{_NUMERAL}]+|{_WHOLE})分之([{_NUMERAL}]+|{_WHOLE})", _fraction, text)
    text = _SLASHED.sub(_ratio, _HALF_PRICE.sub("5折", _ONE_HALF.sub("0.5", text)))
    text = _ENGLISH_PART.sub(_english_part, text)
    text = _ORDINAL.sub(lambda found: str(_ORDINALS[found[0]]), re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text))
    text = _ENGLISH_NUMERAL.sub(_english, _convert_numerals(text))
    text = re.sub(r"(?<!\d)([1-9])([1-9])折", r"\1.\2折", text)
    text = _HALF_MORE.sub(lambda found: f"{int(found[1]) + 0.5}{found[2]}", text)
    return _HALF.sub(r"0.5\1", text)


def _english(found: re.Match) -> str:
    """Value of an English numeral such as two hundred and five, in digits."""
    total = section = 0
    words = re.split("[ -]", found[0])
    if len(words) > _LONGEST_NUMERAL:
        return found[0]
    for word in words:
        if word in _ENGLISH_SCALES:
            scale = _ENGLISH_SCALES[word]
            section = max(section, 1) * scale
            if scale >= 1000:
                total, section = total + section, 0
        elif word.isdigit():
            section += int(word)
        else:
            section += _ENGLISH.get(word, word in ("a", "one"))
    return str(total + section)


def _myriad(found: re.Match) -> str:
    value = float(found[1]) * MYRIADS[found[2]] + (int(found[3]) * 1000 if found[3] else 0)
    return f"{value:.10g}" if value < 1e10 else str(int(value))


def _one_half_more(found: re.Match) -> str:
    value = float(found[1]) if found[1].isdigit() else numeral_value(found[1])
    return found[0] if value is None else f"{value + 0.5:g}个"


def _percent(found: re.Match) -> str:
    value = found[1] if found[1][0].isdigit() else numeral_value(found[1])
    return found[0] if value is None else f"{value}%"


def _fraction(found: re.Match) -> str:
    below, above = (float(one) if one.isdigit() else numeral_value(one) for one in found.groups())
    return f"{above / below:.6g}" if below and above is not None else found[0]


def _english_part(found: re.Match) -> str:
    return f"{_ENGLISH.get(found[1], 1) / _PARTS[found[2]]:.6g}"


def _ratio(found: re.Match) -> str:
    """Value of a proper fraction such as 2/3; others may be dates and stay."""
    above, below = float(found[1]), float(found[2])
    return f"{above / below:.6g}" if 0 < above < below else found[0]


def _convert_numerals(text: str) -> str:
    kept = [match.span() for match in _NOT_NUMBERS.finditer(text)]

    def convert(found: re.Match) -> str:
        if text[: found.start()][-1:].isdigit() or any(
            start < found.end() and found.start() < end for start, end in kept
        ):
            return found[0]
        body = found[0].removeprefix("第")
        value = numeral_value(body)
        if value is None or not _is_quantity(text, found, body):
            return found[0]
        return ("第" if body != found[0] else "") + f"{value:.15g}"

    return _CHINESE.sub(convert, text)


def _is_quantity(text: str, found: re.Match, body: str) -> bool:
    """True for a numeral of several characters, one before a unit or measure word, and one that stands alone."""
    after, before = text[found.end() : found.end() + 4], text[: found.start()]
    if len(body) > 1 or found[0] != body:
        return True
    if (
        re.match(rf"{_UNIT}|[{MEASURES}点成折加减乘除等+\-*/=]", after)
        or before[-1:] in "等加减乘除于是得剩成共为+-*/="
    ):
        return True
    return not (after[:1].isalnum() or before[-1:].isalnum())


@lru_cache(4096)
def quantities(text: str) -> tuple[tuple[Quantity, ...], str]:
    """Return the quantities of folded `text` in their order and the text with `MARK` where each stood."""
    found: list[tuple[int, Quantity]] = []
    text = to_digits(text)
    for pattern, build in ((_DATE, _date), (_IDENTIFIER, _identifier), (_CLOCK, _clock), (_NUMBER, _number)):

        def take(match: re.Match, build=build) -> str:
            one = build(match)
            if one is None:
                return match[0]
            found.append((match.start(), one))
            return MARK + "\ue0fe" * (len(match[0]) - 1)

        text = pattern.sub(take, text)
    found.sort(key=lambda one: one[0])
    return tuple(one for _, one in found), text.replace("\ue0fe", "")


def _date(match: re.Match) -> Quantity:
    year, month, day = match[1] or match[4], match[2] or match[5], match[3] or match[6]
    return Quantity("date", (int(year) if year else None, int(month), int(day)), match[0])


def _identifier(match: re.Match) -> Quantity | None:
    if _PLAIN_UNIT.match(match[0]):
        return None
    return Quantity("id", match[0].rstrip("./"), match[0])


def _clock(match: re.Match) -> Quantity:
    period, hour = match[1] or match[7], int(match[2] or match[8])
    minute = 30 if match[4] else 15 if match[5] else 45 if match[6] else int(match[3] or match[9] or 0)
    late = period in ("下午", "晚上", "傍晚", "夜里", "晚") and hour < 12
    return Quantity("clock", ((hour + 12 * late) * 60 + minute, bool(period) or hour > 12), match[0])


def _number(match: re.Match) -> Quantity:
    value = float(match[3]) * (-1 if match[2] else 1)
    if match[1]:
        return Quantity("money" if match[1].strip() == "¥" else match[1].strip(), value, match[0])
    dimension, factor = _FACTORS.get(match[4] or "", ("", 1))
    return Quantity(dimension, value * factor, match[0])
