"""Bytes become text: UTF-8 with or without a mark, UTF-16 and UTF-32, GBK and GB18030, found from the bytes themselves.

A damaged file that is clearly one of them is still read; its broken bytes become lone surrogates, which `text_of`
later reports with line and field. Other encodings are read where they can be told (`legacy_encodings`), else the reader is asked.
"""

import codecs
import re

from glm_core.data.examples import DataError
from glm_core.data.readers.formats import legacy_encodings
from glm_core.data.readers.notices import NoticeTally

_BROKEN = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a byte that does not decode
_COMMON_HANZI = frozenset("的一是不了在有人我他这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会")
_COMMON_HANGUL = frozenset("이다는을가에의하고지도로를은한나사기어요니그게서있해것수대리시정자인아")
_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(content: bytes, file: str, encoding: str = "", tally: NoticeTally | None = None) -> str:
    """The text of `content`.

    Args:
        encoding: the one that a reader chose, of `legacy_encodings.NAMES`; empty: found from the bytes.
        tally: notes an encoding that was guessed.

    Raises:
        DataError: no known encoding fits; says at which line and byte UTF-8 ended. Or the chosen one does not.
    """
    if encoding:
        return _decode_chosen(content, encoding, file)
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_marked(content, encoding, file)
    try:
        return _refuse_nul(content.decode("utf-8"), file)
    except UnicodeDecodeError as error:
        found = _utf16_without_mark(content) or _damaged_utf8(content, error.start) or _legacy(content, tally)
        if found is None:
            raise _encoding_error(content, error, file) from error
        return found


def _decode_chosen(content: bytes, encoding: str, file: str) -> str:
    name = legacy_encodings.named(encoding)
    if name is None:
        known = ", ".join(legacy_encodings.NAMES.values())
        raise DataError("data.encoding_unknown", encoding=encoding, known=known)
    text = content.decode(name, errors="surrogateescape").removeprefix("\ufeff")
    if 50 * _count_broken(text) > len(text) or "\0" in text:
        raise DataError("data.encoding_wrong", file=file, encoding=legacy_encodings.NAMES[name])
    return text


def _legacy(content: bytes, tally: NoticeTally | None) -> str | None:
    """The text in an encoding that it reads well in; GB18030, which is usual here, needs no notice where it is certain."""
    found = legacy_encodings.likely(content)
    certain = found == "gb18030"
    if found is None and _gb18030(content) is not None and not legacy_encodings.is_doubted(content, "gb18030"):
        found = "gb18030"
    if found is None:
        return None
    if tally is not None and not certain:
        tally.add("encoding", 1, legacy_encodings.NAMES[found])
    return content.decode(found, errors="surrogateescape")


def _decode_marked(content: bytes, encoding: str, file: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8-sig" and (found := _damaged_utf8(content[3:], error.start)):
            return found
        raise _encoding_error(content, error, file) from error


def _refuse_nul(text: str, file: str) -> str:
    """Valid UTF-8 with NUL characters is UTF-16 of ASCII text, or no text at all."""
    if "\0" not in text:
        return text
    found = _utf16_without_mark(text.encode("utf-8"))
    if found is None:
        raise DataError("data.binary", file=file)
    return found


def _utf16_without_mark(content: bytes) -> str | None:
    """UTF-16 writes ASCII (quotes, commas, line ends) with a zero in every second byte, always on the same side."""
    head = content[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if not even and not odd:
        return None
    if max(even, odd) < len(head) / 20 or min(even, odd) > max(even, odd) / 20:
        return _utf16_chinese(content)
    try:
        return content.decode("utf-16-le" if odd > even else "utf-16-be")
    except UnicodeDecodeError:
        return None


def _utf16_chinese(content: bytes) -> str | None:
    """UTF-16 of Chinese text, which has few zero bytes: only the right order of bytes gives common Chinese characters."""
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and "\n" in text and _reads_as_chinese(text):
            return text
    return None


def _damaged_utf8(content: bytes, first: int) -> str | None:
    """UTF-8 with a few broken bytes, the `first` given: what decodes outnumbers what does not by fifty to one."""
    near = content[max(0, first - 5_000) : first + 5_000].decode("utf-8", errors="surrogateescape")
    if 4 * _count_broken(near) > len(near):
        return None
    text = content.decode("utf-8", errors="surrogateescape")
    broken = _count_broken(text)
    wide = len(text) - broken - len(text.encode("ascii", errors="ignore"))
    return text if wide >= 50 * broken and "\0" not in text else None


def _gb18030(content: bytes) -> str | None:
    text = content.decode("gb18030", errors="surrogateescape")
    if "\0" in text or _count_broken(text) * 200 > len(text) or not _reads_as_chinese(text):
        return None
    return text


def _count_broken(text: str) -> int:
    return len(_BROKEN.findall(text))


def _reads_as_chinese(text: str) -> bool:
    """Chinese keeps to the 3,755 most used characters (rows B0 to D7 of GB 2312); wrongly decoded text does not.

    Big5 read as GB 18030 also gives characters of the private use area, which nobody writes.
    """
    wide = [character for character in text[:200_000] if not character.isascii()][:20_000]
    hanzi = [character for character in wide if "\u4e00" <= character <= "\u9fff"]
    common = sum(0xB0 <= character.encode("gb2312", errors="replace")[0] <= 0xD7 for character in hanzi)
    private = sum("\ue000" <= character <= "\uf8ff" for character in wide)
    if _reads_as_korean(wide):
        return False
    return bool(hanzi) and common >= 0.7 * len(hanzi) and len(hanzi) >= 0.5 * len(wide) and private < 0.02 * len(wide)


def _reads_as_korean(wide: list[str]) -> bool:
    """EUC-KR syllables lie where GB 2312 has its common characters; each reading has characters that every text uses."""
    chinese = sum(character in _COMMON_HANZI for character in wide)
    try:
        syllables = "".join(wide).encode("gb18030").decode("cp949")
    except UnicodeError:
        return False
    korean = sum(character in _COMMON_HANGUL for character in syllables)
    return korean > max(2, 2 * chinese) and all("\uac00" <= one <= "\ud7a3" or not one.isalpha() for one in syllables)


def _encoding_error(content: bytes, error: UnicodeDecodeError, file: str) -> DataError:
    line = content.count(b"\n", 0, error.start) + 1
    column = error.start - content.rfind(b"\n", 0, error.start)
    return DataError("data.encoding", file=file, line=line, byte=column)
