"""From tokens to text that may be shown at once: whole characters, tidied as the family tidies, cut at stop strings.

What has been shown is never taken back: the pieces joined are exactly the final text. The cost of an answer is linear
in its length. Not here: tokens to characters (`glm_core.models.tokenizers.tokenizer.Detokenizer`).
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glm_core.models.thinking import ThoughtReader
    from glm_core.models.tool_calls import CallReader

# What the tidying of a family (`Family.clean`) may still change once more text follows: white space at the end is
# stripped, ASCII punctuation becomes full width beside a Chinese character, "[[训练时间]]" is replaced as a whole.
_PLACEHOLDER = "[[训练时间]]"
_UNSETTLED = re.compile(
    r"(?:[\s,!:;?]|" + "|".join(re.escape(_PLACEHOLDER[:n]) for n in range(len(_PLACEHOLDER) - 1, 0, -1)) + r")+\Z"
)


class Tidier:
    """Applies `clean` to a growing text, holding back only the end that more text could still change.

    `clean` must be local as ChatGLM's is: it strips the ends, and what it makes of a character depends on that
    character's neighbours and `[[训练时间]]` alone.
    """

    def __init__(self, clean: Callable[[str], str]):
        self._clean = clean
        self.held = ""
        "What more text may still change."
        self._last = ""  # the last character shown: the left neighbour of what follows

    def push(self, text: str) -> str:
        """Add `text`; returns what is now settled."""
        self.held += text
        tail = _UNSETTLED.search(self.held)
        cut = tail.start() if tail else len(self.held)
        settled, self.held = self.held[:cut], self.held[cut:]
        return self._show(settled)

    def finish(self) -> str:
        """The rest, at the end of the answer."""
        settled, self.held = self.held, ""
        return self._show(settled)

    def _show(self, settled: str) -> str:
        if not settled:
            return ""
        shown = self._clean(self._last + settled)[len(self._last) :]
        self._last = shown[-1:] or self._last
        return shown


class Stopper:
    """Ends a growing text before the first of several stop strings, holding back what may be the start of one."""

    def __init__(self, stops: Iterable[str] = ()):
        self._stops = tuple(stop for stop in stops if stop)
        self.held = ""
        "What may be the start of a stop string."
        self.stopped = False

    def push(self, text: str) -> str:
        """Add `text`; returns what can be shown. After a stop string, `stopped` is true and nothing more comes."""
        if self.stopped or not self._stops:
            return "" if self.stopped else text
        self.held += text
        found = [place for stop in self._stops if (place := self.held.find(stop)) >= 0]
        if found:
            self.stopped = True
            shown, self.held = self.held[: min(found)], ""
            return shown
        keep = max(self._overlap(stop) for stop in self._stops)
        cut = len(self.held) - keep
        shown, self.held = self.held[:cut], self.held[cut:]
        return shown

    def finish(self) -> str:
        """Return what was held back and turned out to be no stop string."""
        shown, self.held = self.held, ""
        return shown

    def _overlap(self, stop: str) -> int:
        """Length of the longest end of the held text that begins `stop`."""
        longest = min(len(stop) - 1, len(self.held))
        return next((n for n in range(longest, 0, -1) if self.held.endswith(stop[:n])), 0)


class AnswerText:
    """The text side of one answer: `push` a token, get what may be shown."""

    thought: "ThoughtReader | None" = None
    "Splits a thought from the answer; None where the model does not think."
    calls: "CallReader | None" = None
    "Splits calls of tools from the answer; None where none may be called in the model's own format."

    def __init__(self, detokenizer, clean: Callable[[str], str], stops: Iterable[str] = ()):
        self._detokenizer = detokenizer
        self._thoughts: list[str] = []
        self._tidier = Tidier(clean)
        self._stopper = Stopper(stops)

    @property
    def stopped(self) -> bool:
        """Return whether a stop string has ended the answer."""
        return self._stopper.stopped

    def resume(self, tokens: Iterable[int], text: str) -> str:
        """Go on after `text`, whose ids are `tokens`; returns what of it stays: its end may come again, tidied anew."""
        settled = "".join([self.push(token) for token in tokens])
        if text == settled + self._stopper.held + self._tidier.held:
            return settled
        self.finish()  # the tokenizer cannot spell the text exactly: leave it as it is
        return text

    def push(self, token: int) -> str:
        """Add one token id; returns the text that may now be shown, often none."""
        return self._stopper.push(self._tidier.push(self._spoken(self._detokenizer.push(token))))

    def take_thought(self) -> str:
        """Return what the thought has grown by since this was last asked."""
        grown = "".join(self._thoughts)
        self._thoughts.clear()
        return grown

    def _spoken(self, text: str, ended: bool = False) -> str:
        """Return the part of `text` that is neither thought nor call."""
        text = self._split(text, ended)
        if self.calls is None:
            return text
        return self.calls.push(text) + (self.calls.finish() if ended else "")

    def _split(self, text: str, ended: bool = False) -> str:
        """Return the part of `text` that belongs to the answer."""
        if self.thought is None:
            return text
        parts = [self.thought.push(text), *([self.thought.finish()] if ended else [])]
        self._thoughts += [thought for thought, _ in parts]
        return "".join(answer for _, answer in parts)

    def finish(self) -> str:
        """The rest of the text; call once, at the end, whatever ended the answer."""
        text = self._spoken(self._detokenizer.finish(), ended=True)
        rest = self._stopper.push(self._tidier.push(text) + self._tidier.finish())
        return rest + self._stopper.finish()
