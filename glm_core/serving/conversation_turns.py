"""The turns of a conversation that is shortened until it fits into a context, and the share of that kept for the answer.

Without torch: pages and engines elsewhere ask it too.
"""

from collections.abc import Sequence

RESERVED_SHARE = 4
"At most one part in this many of the context is kept free for the answer; the rest may hold the conversation."


def turns(messages: Sequence[dict]) -> tuple[int, list[int]]:
    """Number of leading system messages, and the index at which each turn begins (with a user's message)."""
    heads = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    starts = [i for i, message in enumerate(messages) if message["role"] == "user" and i >= heads]
    return heads, [heads, *[i for i in starts if i > heads]]
