"""x-request-id: the word under which client and log speak of one request."""

import re
import secrets
from collections.abc import Mapping

HEADER = "x-request-id"


def request_id(headers: Mapping[str, str]) -> str:
    """Return the client's own x-request-id where it is a plain word, else a new one."""
    own = headers.get(HEADER, "")
    return own if re.fullmatch(r"[A-Za-z0-9._:-]{1,100}", own) else f"req_{secrets.token_hex(12)}"
