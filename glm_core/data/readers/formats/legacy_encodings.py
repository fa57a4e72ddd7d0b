"""Encodings from before UTF-8, told apart by what the text says in each: Big5, GB18030, Shift-JIS, EUC, Windows code pages.

Bytes decode in many encodings, but only the right one gives the characters that every text of its language uses. One is
taken where it reads as a language and no other does; else the reader is asked.
"""

import re

NAMES = {
    "utf-8": "UTF-8",
    "gb18030": "GB18030",
    "cp950": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp949": "EUC-KR",
    "cp1252": "Windows-1252",
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
    "cp1250": "Windows-1250",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1256": "Windows-1256",
    "cp874": "Windows-874",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
}
"Encodings that a reader may choose, by Python's names, and what they are called."

_ALIASES = dict(
    pair.split(":")
    for pair in (
        "gbk:gb18030 gb2312:gb18030 sjis:cp932 latin1:cp1252 iso88591:cp1252 ansi:cp1252 utf16:utf16le euckr:cp949"
        " big5hkscs:big5 iso88592:cp1250 iso88599:cp1254 koi8:koi8r"
    ).split()
)
_LOOKED_AT = 400_000  # bytes
_DOUBT = 0.45  # as well as this, no other encoding may read
_ENOUGH, _APART = 0.6, 0.25  # how well a text must read, and how much better than in any other encoding
_LEVEL_ONE = {"gb2312": (b"\xb0\xa1", b"\xd7\xf9"), "cp950": (b"\xa4\x40", b"\xc6\x7e")}
_HANZI = frozenset(
    "的一是不了在有人我他這个這個上们們来來到时時大地为為子中你说說生国國年着著就那和要她出也得里裡後后自以会會可下天对對能好都没沒过過多么麼问問"
    "什怎样樣请請可以吗嗎几幾点點用户戶客服答回小学學家心动動行发發如经經去只成事当當样想看开開手日法前现現方面本分长長高主与與及其所无無您电電话話"
)
_HANGUL = frozenset("이다는을가에의하고지도로를은한나사기어요니그게서있해것수대리시정자인아습까세면안무입")
_LATIN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿŒœŠšŽžŸ]")
_MARKS = frozenset("«»¡¿°§£€–—‘’“”„…•·ºª©®™\xa0%½¼¾×²³")
_ALPHABETS = tuple(
    map(
        frozenset,
        (
            "àâæçéèêëîïôœùûüÿ",  # French
            "äöüßéàè",  # German
            "áéíóúñüç",  # Spanish
            "áâãàçéêíóôõúü",  # Portuguese
            "àèéìíîòóùú",  # Italian
            "åäöøæéüðþáíóúýà",  # Nordic
            "áéëïóöüèíêç",  # Dutch
        ),
    )
)
_CYRILLIC = frozenset("оеаинтсрвлкмдпуяыьгзбчйхжшю")
_CYRILLIC_FIRST = frozenset("оеаинтсрвл")  # more than half of every Russian text


def named(encoding: str) -> str | None:
    """Python's name of an encoding in `NAMES`, by that, by what it is called, or by a usual other name."""
    folded = {re.sub(r"[\W_]", "", known.lower()): name for name, called in NAMES.items() for known in (name, called)}
    word = re.sub(r"[\W_]", "", encoding.lower())
    return folded.get(word) or folded.get(_ALIASES.get(word, ""))


def likely(content: bytes) -> str | None:
    """Python's name of the encoding in which `content` reads as a text of its language; None where none or several do."""
    head = _head(content)
    scores = sorted(((score(head, name), name) for name in READ), reverse=True)
    best, second = scores[0], scores[1]
    return best[1] if best[0] >= _ENOUGH and best[0] - second[0] >= _APART else None


def is_doubted(content: bytes, encoding: str) -> bool:
    """Return whether `content` may be read in another encoding than `encoding`."""
    return any(score(_head(content), name) >= _DOUBT for name in READ if name != encoding)


def _head(content: bytes) -> bytes:
    head = content[:_LOOKED_AT]
    return head if len(content) <= _LOOKED_AT else head[: head.rfind(b"\n") + 1] or head


def score(content: bytes, encoding: str) -> float:
    """How well `content` reads in `encoding`: 0 for bytes that mean nothing there, 1 and more for text of its language."""
    text = content.decode(encoding, errors="replace")
    wide = [character for character in text if not character.isascii()]
    lost = text.count("\ufffd")
    if not wide or 100 * lost > len(wide) or "\0" in text or re.search("[\ue000-\uf8ff\x80-\x9f]{2}", text):
        return 0.0
    return READ[encoding](text, wide)


def _share(characters, wanted) -> float:
    return sum(map(wanted, characters)) / max(1, len(characters))


def _in_level_one(character: str, encoding: str) -> bool:
    """Return whether a character stands in the first half of a Chinese encoding's table, the most used ones."""
    first, last = _LEVEL_ONE[encoding]
    coded = character.encode(encoding, errors="ignore")
    return len(coded) == 2 and first <= coded <= last


def _chinese(*tables: str):
    """Chinese keeps to the most used characters, those of `tables`."""

    def level_one(character: str) -> bool:
        return any(_in_level_one(character, table) for table in tables)

    def reads(text: str, wide: list[str]) -> float:
        hanzi = [one for one in wide if "\u4e00" <= one <= "\u9fff"]
        if 2 * len(hanzi) < len(wide):
            return 0.0
        common = _share(hanzi, level_one)
        frequent = _share(hanzi, _HANZI.__contains__)
        return max(0.0, common - 0.5) + min(0.5, 4 * frequent)

    return reads


def _japanese(text: str, wide: list[str]) -> float:
    """A third of Japanese and more is kana, and nothing else reads so; half-width kana are what other encodings look like."""
    kana = _share(wide, lambda one: "\u3041" <= one <= "\u30ff")
    kanji = _share(wide, lambda one: "\u4e00" <= one <= "\u9fff" or one in "、。「」！？　（）")
    half = _share(wide, lambda one: "\uff61" <= one <= "\uff9f")
    if kana <= 0.2 or half >= 0.05:
        return 0.0
    return 1.0 + _APART if kana > 0.4 else min(1.0, 2 * kana + kanji / 2)


def _korean(text: str, wide: list[str]) -> float:
    hangul = _share(wide, lambda one: "\uac00" <= one <= "\ud7a3")
    frequent = _share(wide, _HANGUL.__contains__)
    return min(0.5, hangul / 2) + min(0.5, 2 * frequent) if hangul > 0.8 else 0.0


def _western(text: str, wide: list[str]) -> float:
    """Accents stand alone within words of plain letters, typographic marks between them."""
    letters = [one for one in text if _LATIN.match(one)]
    known = _share(wide, lambda one: one in _MARKS or _LATIN.match(one) is not None)
    accents = sum(not one.isascii() for one in letters)
    used = {one.lower() for one in letters if not one.isascii()}
    odd = len(re.findall(r"(?<=[a-zß-ÿ])[À-ÖØ-Þ]|[^\W\d_a-zA-Z]{3}|(?<=[A-Za-z])[¡¿°§£½¼¾×²³©®ºª](?=[A-Za-z])", text))
    if accents * 3 > len(letters) or known < 1.0 or not any(used <= alphabet for alphabet in _ALPHABETS):
        return 0.0
    return max(0.0, 1.0 - 5 * odd / len(wide))


def _russian(text: str, wide: list[str]) -> float:
    """Words of Cyrillic letters, most of them the ten that Russian uses most."""
    words = re.findall(r"[\u0400-\u04ff]{2,}", text)
    within = sum(map(len, words)) / len(wide)
    frequent = _share(wide, _CYRILLIC_FIRST.__contains__)
    return min(1.0, 1.7 * frequent) if within > 0.8 and _share(wide, _CYRILLIC.__contains__) > 0.75 else 0.0


READ = {
    "gb18030": _chinese("gb2312", "cp950"),
    "cp950": _chinese("cp950"),
    "cp932": _japanese,
    "euc_jp": _japanese,
    "cp949": _korean,
    "cp1252": _western,
    "cp1251": _russian,
    "koi8_r": _russian,
}
