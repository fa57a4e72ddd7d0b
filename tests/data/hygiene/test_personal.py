"""Personal data is found by form and checksum, masked so that it cannot be read, and ordinary numbers are let be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core.data.examples import pair
from glm_core.data.hygiene import check, mend, personal


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ("打13812345678找我", "phone", "13812345678"),
        ("电话：+86 139-1234-5678。", "phone", "+86 139-1234-5678"),
        ("座机 010-62781234", "phone", "010-62781234"),
        ("call +1 415 555 2671 now", "phone", "+1 415 555 2671"),
        ("身份证11010519491231002X，请保密", "id_card", "11010519491231002X"),
        ("身份证 ４４０５２４１８８００１０１００１４", "id_card", None),
        ("写信到 li.lei@example.com.cn 吧", "mail", "li.lei@example.com.cn"),
        ("卡号6222 0212 3456 7890 129", "bank_card", None),
        ("卡 4111111111111111 到期", "bank_card", "4111111111111111"),
    ],
)
def test_personal_data_is_found(text, kind, data):
    found = personal.find(text)
    if data is None:  # a wrong check digit
        assert all(one.kind != kind for one in found)
        return
    assert [(one.kind, text[one.start : one.end]) for one in found] == [(kind, data)]
    assert data not in personal.mask(text) and not personal.find(personal.mask(text))


@pytest.mark.parametrize(
    "text",
    [
        "订单号 20240315001234567",
        "11010519491231002",
        "110105194913310025",
        "3.14159265358979323846",
        "4111111111111112",
        "a@b",
        "2024-01-15 10:30:00",
        "版本 1.3.812345678",
        "@所有人 123",
        "公元前 221 年到 1912 年",
    ],
)
def test_ordinary_numbers_are_not_personal(text):
    assert personal.find(text) == [] and personal.mask(text) == text


def luhn(digits: list[int]) -> int:
    total = sum(digits[-2::-2]) + sum(divmod(2 * one, 10)[0] + 2 * one % 10 for one in digits[::-2])
    return -total % 10


@given(st.lists(st.integers(0, 9), min_size=13, max_size=13).filter(lambda one: len(set(one)) > 1))
def test_every_bank_card_of_a_known_issuer_is_found(middle):
    digits = [6, 2, *middle]
    number = "".join(map(str, [*digits, luhn(digits)]))
    assert personal.is_bank_card(number)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not personal.is_bank_card(wrong)


def test_masking_changes_only_the_rows_with_personal_data():
    rows = [pair("怎么联系你", "打 13812345678 或写 a.b@example.com"), pair("你好", "你好")]
    [one] = [one for one in check.check(rows) if one.kind == "personal"]
    assert one.rows == (0,) and one.counts == {"phone": 1, "mail": 1}
    assert one.notes[0] == ("13812345678", "a.b@example.com")
    masked = mend.mend(rows, one)
    assert masked[0].answer == "打 138******78 或写 a***@example.com" and masked[1] == rows[1]
    assert not [one for one in check.check(masked) if one.kind == "personal"]
