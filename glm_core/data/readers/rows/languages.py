"""Rows that hold the same text in two languages, by their codes: {"translation": {"zh": …, "en": …}}, or columns zh and en.

They become a source and a target for the template "translation". The first language is translated into the second; the
other way round is a reading that one can ask for.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from glm_core.data.examples import RowError
from glm_core.data.readers import columns as names_of
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.notices import NoticeTally

REVERSED = "reversed"
TARGET = "target_language"
_TARGETS = ("target language", "target lang", "tgt lang", "tgt language", "目标语言", "译文语言")
_NAMES = {
    "中文": "zh zho chi cn zh cn zh hans zh tw zh hk zh hant chinese 中文 汉语 中 简体中文 繁体中文",
    "英文": "en eng en us en gb english 英文 英语 英",
    "日文": "ja jpn jp japanese 日文 日语 日本語",
    "韩文": "ko kor kr korean 韩文 韩语 한국어",
    "法文": "fr fra fre french 法文 法语 français",
    "德文": "de deu ger german 德文 德语 deutsch",
    "西班牙文": "es spa spanish 西班牙文 西班牙语 español",
    "俄文": "ru rus russian 俄文 俄语 русский",
    "葡萄牙文": "pt por pt br portuguese 葡萄牙文 葡萄牙语",
    "意大利文": "it ita italian 意大利文 意大利语",
    "阿拉伯文": "ar ara arabic 阿拉伯文 阿拉伯语",
    "越南文": "vi vie vietnamese 越南文 越南语",
    "泰文": "th tha thai 泰文 泰语",
    "荷兰文": "nl nld dutch 荷兰文 荷兰语",
    "土耳其文": "tr tur turkish 土耳其文 土耳其语",
    "波兰文": "pl pol polish 波兰文 波兰语",
    "印尼文": "id ind indonesian 印尼文 印尼语",
    "文言文": "wyw lzh classical 文言文 古文 原文言",
    "白话文": "modern 白话文 现代文 白话",
}
_CODES = {code: name for name, words in _NAMES.items() for code in names_of.split_names(words.replace(" ", "|"))}
_CODES |= {code: "中文" for code in ("zh cn", "zh hans", "zh tw", "zh hk", "zh hant")} | {
    "en us": "英文",
    "en gb": "英文",
    "pt br": "葡萄牙文",
}
_SCRIPTS = {
    "日文": "[\u3041-\u30ff]",
    "韩文": "[\uac00-\ud7a3]",
    "中文": "[\u4e00-\u9fff]",
    "俄文": "[\u0400-\u04ff]",
    "阿拉伯文": "[\u0600-\u06ff]",
    "泰文": "[\u0e00-\u0e7f]",
}
_OUTER = ("translation", "translations", "翻译")


@dataclass(frozen=True)
class Languages:
    """Where the two texts of a row are: under `outer`, where that is not empty, by the codes of the two languages."""

    outer: str
    source: str
    target: str


def language_of(code: object) -> str:
    """The Chinese name of the language that a code or name stands for; empty for any other word."""
    return _CODES.get(names_of.fold(code), "") if isinstance(code, str) else ""


def target_column(columns: Iterable[str]) -> str | None:
    """The column that says into which language a row is translated."""
    return names_of.first(names_of.folded(columns), _TARGETS)


def language_in(text: str) -> str:
    """The Chinese name of the language that `text` is written in, by its script; English for all that write Latin letters."""
    return next((name for name, script in _SCRIPTS.items() if re.search(script, text)), "英文")


def find(records: Sequence[dict]) -> Languages | None:
    """Where the texts of two languages are; None for other files.

    Raises:
        RowError: there are more than two languages.
    """
    keys = list(dict.fromkeys(key for record in records for key in record))
    outer = names_of.first(names_of.folded(keys), _OUTER)
    if outer and all(isinstance(record.get(outer), dict) for record in records):
        codes = list(dict.fromkeys(code for record in records for code in record[outer]))
        if len(codes) > 2 and all(map(language_of, codes)):
            raise RowError(
                "data.row.languages",
                outer,
                codes=", ".join(codes),
                first=f"{outer}.{codes[0]}",
                second=f"{outer}.{codes[1]}",
            )
    else:
        outer, codes = "", [key for key in keys if not names_of.is_identifier(key)]
    if len(codes) != 2 or not all(map(language_of, codes)) or language_of(codes[0]) == language_of(codes[1]):
        return None
    return Languages(outer, codes[0], codes[1])


def parted(rows: Iterator[Row], found: Languages, tally: NoticeTally, reading: str = "") -> Iterator[Row]:
    """`rows` with source, target and the language to translate into."""
    source, target = (found.target, found.source) if reading == REVERSED else (found.source, found.target)
    tally.guess("translation", "" if reading == REVERSED else REVERSED, f"{source} → {target}")
    for line, record in rows:
        if isinstance(record, RowError):
            yield line, record
            continue
        texts = record.get(found.outer) if found.outer else record
        texts = texts if isinstance(texts, dict) else {}
        rest = {key: value for key, value in record.items() if key not in (found.outer, source, target)}
        row = {"source": texts.get(source), "target": texts.get(target), TARGET: language_of(target)}
        yield line, {**rest, **row}
