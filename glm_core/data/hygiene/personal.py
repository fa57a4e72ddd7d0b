"""Personal data in texts: telephone numbers, Chinese identity cards, mail addresses, bank cards; found by form and checksum.

Identity cards follow GB 11643 (date and ISO 7064 check digit), bank cards Luhn's sum and the ranges of their issuers.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

KINDS = ("id_card", "bank_card", "phone", "mail")

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_NARROW = str.maketrans("０１２３４５６７８９＠．＋－（）Ｘｘ", "0123456789@.+-()Xx")
_ID_CARD = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}[ ]?(?:19|20)\d{6}[ ]?\d{3}[0-9Xx](?![0-9A-Za-z])")
_BANK_CARD = re.compile(r"(?<![0-9A-Za-z.])[2-6]\d{3}(?:[ -]?\d{4}){2,3}(?:[ -]?\d{1,4})?(?![0-9A-Za-z])")
_ISSUERS = re.compile(r"4|5[1-5]|62|60|65|35|3[47]|2[2-7]")
_PHONE = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:\+|00)?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d|[A-Za-z])"  # mobile, China
    r"|(?<![0-9A-Za-z-])(?:\(0\d{2,3}\)|0\d{2,3})[ -]\d{7,8}(?:[ -]?(?:转|ext\.?) ?\d{1,5})?(?![0-9A-Za-z-])"  # line, China
    r"|(?<![0-9A-Za-z+])\+(?!86)[1-9]\d{0,2}(?:[ -]?\(?\d{1,4}\)?){2,5}(?![0-9A-Za-z])"  # abroad
    r"|(?<![0-9A-Za-z-])\(?[2-9]\d{2}\)?[ -][2-9]\d{2}-\d{4}(?![0-9A-Za-z-])"  # North America
)
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_WORTH_A_LOOK = re.compile(r"\d[\d \-()－（）]{6}|[@＠]")


class PersonalData(NamedTuple):
    """One finding in a text: its kind (one of `KINDS`) and where it stands."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[PersonalData]:
    """Return the personal data in `text` by place; none overlaps another."""
    if not _WORTH_A_LOOK.search(text):
        return []
    plain = text if text.isascii() else text.translate(_NARROW)
    taken: list[PersonalData] = []
    for one in _candidates(plain):
        if all(one.end <= other.start or one.start >= other.end for other in taken):
            taken.append(one)
    return sorted(taken, key=lambda one: one.start)


def mask(text: str) -> str:
    """Replace the middle of all personal data in `text` by stars; what is left tells two numbers apart, and no more."""
    parts, place = [], 0
    for one in find(text):
        parts += [text[place : one.start], _masked(one.kind, text[one.start : one.end])]
        place = one.end
    return "".join([*parts, text[place:]])


def _candidates(text: str) -> Iterator[PersonalData]:
    for kind, pattern, check in (
        ("id_card", _ID_CARD, is_id_card),
        ("mail", _MAIL, lambda found: ".." not in found),
        ("phone", _PHONE, _is_phone),
        ("bank_card", _BANK_CARD, is_bank_card),
    ):
        for match in pattern.finditer(text):
            if check(match[0]):
                yield PersonalData(kind, match.start(), match.end())


def is_id_card(number: str) -> bool:
    """Return whether `number` has the date and the check digit of an identity card of 18 places."""
    number = number.replace(" ", "").upper()
    if len(number) != 18 or not number[:17].isdecimal():
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    return 1900 <= born.year <= date.today().year and number[17] == _CHECKS[total % 11]


def is_bank_card(number: str) -> bool:
    """Return whether `number` is of an issuer's range, has 13 to 19 digits, and passes Luhn's check."""
    digits = [int(one) for one in number if one.isdecimal()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or not _ISSUERS.match(number):
        return False
    doubled = (two - 9 if (two := 2 * digit) > 9 else two for digit in digits[-2::-2])
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _is_phone(number: str) -> bool:
    digits = [one for one in number if one.isdecimal()]
    return 10 <= len(digits) <= 18 and len(set(digits[-8:])) > 1


def _masked(kind: str, found: str) -> str:
    if kind == "mail":
        at = max(found.find("@"), found.find("＠"))
        return f"{found[0]}***{found[at:]}"
    places = [place for place, one in enumerate(found) if one.isalnum()]
    kept = {"phone": (3, 2), "id_card": (3, 1), "bank_card": (4, 2)}[kind]
    hidden = set(places[kept[0] : len(places) - kept[1]])
    return "".join("*" if place in hidden else one for place, one in enumerate(found))
