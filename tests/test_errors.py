"""A sentence that was written down is read in the language of its reader, its parts too."""

import json

from glm_core import i18n
from glm_core.data import DataError
from glm_core.data.readers import read
from glm_core.errors import EasyError
from glm_core.runs import status

BROKEN = b'{"messages": ['


def test_the_parts_of_a_kept_sentence_follow_the_reader():
    i18n.use("zh")
    try:
        read.read_bytes(BROKEN, "rows.json")
    except DataError as error:
        why = json.loads(json.dumps(error.as_record()))
    reason = "data.json.value"
    assert i18n.table("zh")[reason] in str(EasyError.from_record(why))
    i18n.use("en")
    assert i18n.table("en")[reason] in str(EasyError.from_record(why))
    said = status.read_status({"state": "failed", "why": why}, damaged=False).why
    assert i18n.table("en")[reason] in said and i18n.table("zh")[reason] not in said


def test_the_reason_of_a_refusal_that_is_an_error_itself_follows_the_reader_too():
    i18n.use("zh")
    inner = DataError("data.json.value")
    record = json.loads(json.dumps(EasyError("serving.cannot_load", why=inner).as_record()))
    i18n.use("en")
    said = str(EasyError.from_record(record))
    assert i18n.table("en")["data.json.value"] in said and i18n.table("zh")["data.json.value"] not in said


def test_a_record_whose_parts_cannot_be_worded_is_none():
    good = {"key": "data.json.value", "values": {}}
    for why in ({"key": "no.such", "values": {}}, {"values": {}}, {"key": []}):
        assert EasyError.from_record({"key": "serving.cannot_load", "values": {"why": why}}) is None
    assert "[1]" in str(EasyError.from_record({"key": "serving.cannot_load", "values": {"why": [1]}}))
    deep = good
    for _ in range(5000):
        deep = {"key": "serving.cannot_load", "values": {"why": deep}}
    assert EasyError.from_record(deep) is None
