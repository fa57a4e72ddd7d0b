"""A sentence that was written down is read in the language of its reader, its parts too."""

import json

from glm_core import text
from glm_core.data import DataError, formats
from glm_core.errors import EasyError
from glm_core.runs import status

BROKEN = b'{"messages": ['


def test_the_parts_of_a_kept_sentence_follow_the_reader():
    text.use("zh")
    try:
        formats.read_bytes(BROKEN, "rows.json")
    except DataError as error:
        why = json.loads(json.dumps(error.as_record()))
    reason = "data.json.value"
    assert text.table("zh")[reason] in str(EasyError.from_record(why))
    text.use("en")
    assert text.table("en")[reason] in str(EasyError.from_record(why))
    said = status.read_status({"state": "failed", "why": why}, damaged=False).why
    assert text.table("en")[reason] in said and text.table("zh")[reason] not in said
