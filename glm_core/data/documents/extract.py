"""The text of a foreign document. Parsers of pdf, docx, html and Markdown run in a process of their own, with bounds.

Their libraries have met files that took all memory or never ended; here that is a sentence. Parsing is `worker`.
"""

import json

from glm_core import bounded
from glm_core.bounded import BoundExceeded
from glm_core.data.documents.blocks import MAX_CHARACTERS, Block, Document, plain_blocks
from glm_core.data.documents.worker import BOUNDS
from glm_core.data.examples import DataError, Notice
from glm_core.data.readers.formats.text_encoding import decode

DOCUMENT_ENDINGS = ("txt", "md", "docx", "pdf", "html", "htm")
MAX_DOCUMENT_BYTES = 100_000_000


def extract(content: bytes, file: str) -> Document:
    """Return the text of an uploaded document.

    Args:
        file: the name it came with, whose ending tells the format.

    Raises:
        DataError: the format is not known, or the file is damaged, protected, too large, without text, or too slow to read.
    """
    ending = file.rsplit(".", 1)[-1].lower() if "." in file else ""
    if ending == "doc":
        raise DataError("documents.old_word", file=file)
    if ending not in (*DOCUMENT_ENDINGS, "markdown"):
        raise DataError("documents.ending", file=file, endings=", ".join(DOCUMENT_ENDINGS))
    if not content.strip():
        raise DataError("data.empty", file=file)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise DataError("data.too_large", file=file, limit=MAX_DOCUMENT_BYTES // 10**6)
    document = _plain(content, file) if ending == "txt" else _parsed(content, file, ending)
    if not document.blocks:
        raise DataError("documents.no_text", file=file)
    return document


def _plain(content: bytes, file: str) -> Document:
    text = decode(content, file).replace("\r\n", "\n").replace("\r", "\n")
    return Document(
        file, tuple(plain_blocks(text[:MAX_CHARACTERS])), _losses({"cut": max(0, len(text) - MAX_CHARACTERS)})
    )


def _parsed(content: bytes, file: str, ending: str) -> Document:
    if ending in ("md", "markdown", "html", "htm"):
        content = decode(content, file).encode("utf-8", errors="replace")
    try:
        found = json.loads(bounded.run("glm_core.data.documents.worker", [ending], content, BOUNDS))
    except BoundExceeded as error:
        key = "documents.slow" if error.kind == bounded.SLOW else "documents.too_heavy"
        raise DataError(key, file=file, seconds=round(BOUNDS.seconds)) from error
    except ValueError as error:
        raise DataError("documents.too_heavy", file=file) from error
    if "error" in found:
        raise DataError(found["error"], file=file, reason=found.get("reason", ""))
    return Document(file, tuple(Block(*one) for one in found["blocks"]), _losses(found["losses"]))


def _losses(counts: dict[str, int]) -> tuple[Notice, ...]:
    return tuple(Notice(kind, count, f"documents.notice.{kind}") for kind, count in counts.items() if count)
