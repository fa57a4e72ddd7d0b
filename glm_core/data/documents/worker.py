"""`python -m glm_core.data.documents.worker ENDING`: a document on standard input becomes JSON on standard output.

{"blocks": [[text, level, page], ...], "losses": {"images": 2}}   or   {"error": KEY, "reason": TEXT}
"""

import json
import sys

from glm_core import bounded as bounded_process
from glm_core.bounded import Bounds
from glm_core.data.documents import parsers
from glm_core.data.documents.blocks import MAX_CHARACTERS, Block

BOUNDS = Bounds(memory=2_000_000_000, processor=80, seconds=90.0)


def main(ending: str) -> None:
    """Parse, and print what was found."""
    bounded_process.limit_this_process(BOUNDS)
    losses: dict[str, int] = {}
    try:
        blocks = bounded(parsers.PARSERS[ending](sys.stdin.buffer.read(), losses), losses)
        found = {"blocks": [[one.text, one.level, one.page] for one in blocks], "losses": losses}
    except parsers.Unreadable as error:
        found = {"error": error.key, "reason": ""}
    except MemoryError:
        found = {"error": "documents.too_heavy"}
    except Exception as error:  # damaged files raise what their parsers have never heard of
        found = {"error": "documents.broken", "reason": f"{type(error).__name__}: {str(error)[:200]}"}
    json.dump(found, sys.stdout)


def bounded(blocks, losses: dict[str, int]) -> list[Block]:
    """The blocks with text, up to `MAX_CHARACTERS`; what is beyond is counted in `losses`."""
    kept, size = [], 0
    for block in blocks:
        text = clean(block.text)
        room = MAX_CHARACTERS - size
        if len(text) > room:
            losses["cut"] = losses.get("cut", 0) + len(text) - room
            text = text[:room]
        if text:
            kept.append(Block(text, block.level, block.page))
            size += len(text)
    return kept


def clean(text: str) -> str:
    """`text` without control characters and halves of surrogate pairs."""
    text = "".join(one if one.isprintable() or one in "\n\t\u3000" else " " if one.isspace() else "" for one in text)
    return text.encode("utf-8", errors="ignore").decode("utf-8").strip()


if __name__ == "__main__":
    main(sys.argv[1])
