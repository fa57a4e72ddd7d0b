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
