"""Keys and values of what was computed before, for prompts that begin with the same tokens under the same adapter.

A conversation that goes on, a system message that many share, a question asked again: only what is new is computed. The
oldest entries make room. Keys and values of a beginning depend on nothing behind it, so the answer is the same; where the
tokens of a context see each other (ChatGLM-6B), only a prompt with that whole context begins the same.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from glm_core.generation.prefill import LayerStates

LEAST = 64
"Tokens; a shorter beginning is as quickly computed, with others in one forward."
MOST_ENTRIES = 64


class PromptCache:
    """Beginnings, by what computed them, in at most `capacity` bytes."""

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._entries: OrderedDict[tuple[Hashable, tuple[int, ...]], LayerStates] = OrderedDict()
        self.size = 0
        "Bytes that the entries take."
        self.reused = 0
        "Tokens that did not have to be computed."

    def match(self, key: Hashable, ids: Sequence[int], undivided: int = 0) -> int:
        """Return how many first tokens of the prompt `ids` `find` knows, 0 where it is not worth it."""
        return self._search(key, tuple(ids), undivided)[0]

    def find(self, key: Hashable, ids: Sequence[int], undivided: int = 0) -> LayerStates:
        """Return the states of the longest beginning of the prompt `ids` that is known, its last token never among them.

        Args:
            key: the base with its adapter, version and strength.
            undivided: tokens at the beginning that must all be the same, see `ResumablePrompts`.

        Returns:
            Key and value (1, kv_heads, S, D) of every layer, or nothing.
        """
        count, entry = self._search(key, tuple(ids), undivided)
        if not entry:
            return ()
        self._entries.move_to_end(entry)
        self.reused += count
        return [(keys[:, :, :count], values[:, :, :count]) for keys, values in self._entries[entry]]

    def _search(self, key: Hashable, prompt: tuple[int, ...], undivided: int) -> tuple[int, tuple | None]:
        """The number of first tokens that an entry shares with `prompt`, the most there are, and that entry."""
        best, found = 0, None
        for entry in self._entries:
            if entry[0] == key and entry[1][:LEAST] == prompt[:LEAST]:
                shared = _common(entry[1], prompt)
                if shared > best and shared >= undivided:
                    best, found = shared, entry
        best = min(best, len(prompt) - 1)
        return (best, found) if best >= LEAST else (0, None)

    def wants(self, key: Hashable, ids: Sequence[int]) -> bool:
        """Return whether it is worth keeping the states of `ids`: long enough, and not known already."""
        known = tuple(ids)
        return len(known) >= LEAST and not any(
            entry[0] == key and entry[1][: len(known)] == known for entry in self._entries
        )

    def keep(self, key: Hashable, ids: Sequence[int], states: LayerStates) -> None:
        """Remember the `states` of `ids`, tensors of their own; what is a beginning of them is forgotten."""
        known = tuple(ids)
        for entry in [one for one in self._entries if one[0] == key and known[: len(one[1])] == one[1]]:
            self._drop(entry)
        self._entries[key, known] = states
        self.size += _bytes(states)
        while self._entries and (self.size > self._capacity or len(self._entries) > MOST_ENTRIES):
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything, which frees its memory."""
        self._entries.clear()
        self.size = 0

    def _drop(self, entry: tuple[Hashable, tuple[int, ...]]) -> None:
        self.size -= _bytes(self._entries.pop(entry))


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return how many first items are equal, by halving: slices are compared at the speed of C."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _bytes(states: LayerStates) -> int:
    return sum(tensor.numel() * tensor.element_size() for pair in states for tensor in pair)
