"""Thoughts: text between `<think>` and `</think>` that a model writes before its answer.

Which models think, and how it is asked of them, follows from their chat template. Covers prompts with and without thoughts,
the training text of an answer, and the split of a growing text. Not here: rendering (chat_templates.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glm_core.models.errors import ModelError

if TYPE_CHECKING:
    from glm_core.models.chat_templates import ChatTemplate

OPEN, CLOSE = "<think>", "</think>"
MARKS = frozenset((OPEN, CLOSE))
SWITCH = "enable_thinking"
"The option by which templates are told to think or not."
REASONING = "reasoning_content"
"Key of an assistant message: what was thought before `content`."
BREAK = "\ue0f1"
"A private-use character that stands for no text: what is at its two sides is encoded apart."
GAP = "\n\n"
"Between a thought's end and the answer, where a template does not show what it writes there."
_EMPTY = re.compile(rf"{OPEN}\s*{CLOSE}(\s*)\Z")


def is_open(prompt: str) -> bool:
    """Return whether a rendered prompt ends inside a thought."""
    return prompt.rstrip().endswith(OPEN)


def options(template: "ChatTemplate", thinking: bool | None) -> dict[str, bool]:
    """Options of the template for `thinking`; none where it is the model's default or the template has no switch."""
    return {SWITCH: thinking} if thinking is not None and template.switchable else {}


def close(prompt: str) -> str:
    """Return `prompt`, which ends inside a thought, with that thought ended at once: how a model that always thinks is kept from it."""
    line = "" if prompt.endswith("\n") else "\n"
    return f"{prompt}{BREAK}{line}\n{CLOSE}{GAP}"


def learned_answer(template: "ChatTemplate", messages: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[int, int]]:
    """Return the text of a conversation that ends with an answer, and where in it what is learned is: (start, end) characters.

    With a thought (`reasoning_content`) it begins at the prompt that thinks, and the thought is learned. Without one it
    begins behind the empty thought of a prompt that does not think: that block is no label, so that the model is not
    taught to stop thinking. Thoughts of earlier answers are left out, as they are when chatting.
    """
    *before, last = [
        {key: value for key, value in one.items() if key != REASONING or place == len(messages) - 1}
        for place, one in enumerate(messages)
    ]
    thought = str(last.get(REASONING) or "").strip()
    given = options(template, bool(thought))
    prompt = template.prompt(before, thinking=bool(thought))
    plain = {key: value for key, value in last.items() if key != REASONING}
    gap = _gap(template, before)
    spelled = plain | {"content": f"{OPEN}\n{thought}\n{CLOSE}{gap}{plain['content']}"}
    for candidate in (last, spelled) if thought else (plain,):
        whole = template.render([*before, candidate], **given)
        if whole.startswith(prompt) and thought in whole[len(prompt) :]:
            return _split(prompt, whole[len(prompt) :])
    opened = "" if is_open(prompt) else OPEN
    block = f"{opened}\n{thought}\n{CLOSE}{gap}" if thought else ""
    return _split(prompt, block + _written(template, before, plain, given))


def _written(
    template: "ChatTemplate", before: Sequence[Mapping[str, Any]], answer: Mapping[str, Any], given: dict
) -> str:
    """Return an answer without a thought, and what the template writes behind it: calls of tools, the end.

    A mark stands in for the text, which may be a part of what ends it, or hold marks of thoughts.
    """
    said = str(answer["content"]).strip()
    ending = template.render([*before, {**answer, "content": BREAK}], **given).rpartition(BREAK)[2]
    return said + ending if said else ending.lstrip()


def _split(prompt: str, rest: str) -> tuple[str, tuple[int, int]]:
    """Both texts, encoded apart as they are when chatting, and where the second one is."""
    start = len(prompt) + len(BREAK)
    return prompt + BREAK + rest, (start, start + len(rest))


def _gap(template: "ChatTemplate", before: Sequence[Mapping[str, Any]]) -> str:
    """Return what the template writes between a thought's end and the answer."""
    found = _EMPTY.search(template.prompt(before, thinking=False))
    return found[1] if found else GAP


class ThoughtReader:
    """Splits a growing text into the thought that it begins with and the answer.

    Args:
        inside: the prompt has begun the thought already.
    """

    def __init__(self, inside: bool):
        self._held, self._fresh = "", True
        self._push: Callable[[str], tuple[str, str]] = self._think if inside else self._begin

    @property
    def answering(self) -> bool:
        """Return whether the thought has ended, or there is none."""
        return self._push == self._answer

    @property
    def thinking(self) -> bool:
        """Return whether the text is inside a thought."""
        return self._push == self._think

    def push(self, text: str) -> tuple[str, str]:
        """Add `text`; returns what is settled of thought and answer."""
        return self._push(text)

    def finish(self) -> tuple[str, str]:
        """Return the rest of thought and answer at the end of the text."""
        held, self._held = self._held, ""
        return (held.rstrip(), "") if self.thinking else ("", held)

    def _begin(self, text: str) -> tuple[str, str]:
        self._held += text
        first = self._held.lstrip()
        if first.startswith(OPEN):
            self._held, self._push = "", self._think
            return self._think(first.removeprefix(OPEN))
        if OPEN.startswith(first):
            return "", ""
        self._push = self._answer
        return "", self._drain()

    def _think(self, text: str) -> tuple[str, str]:
        self._held += text
        thought, mark, answer = self._held.partition(CLOSE)
        if mark:
            self._held, self._push = "", self._answer
            return self._trimmed(thought.rstrip()), answer
        cut = len(self._held) - _overlap(self._held)
        settled = self._held[:cut].rstrip()
        self._held = self._held[len(settled) :]
        return self._trimmed(settled), ""

    def _answer(self, text: str) -> tuple[str, str]:
        return "", text

    def _trimmed(self, thought: str) -> str:
        """A piece of the thought, the first one without the blanks that it begins with."""
        shown = thought.lstrip() if self._fresh else thought
        self._fresh = self._fresh and not shown
        return shown

    def _drain(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str) -> int:
    """Length of the longest end of `text` that begins the closing mark."""
    return next((n for n in range(min(len(CLOSE) - 1, len(text)), 0, -1) if text.endswith(CLOSE[:n])), 0)


def find_template(folder: str | Path) -> "ChatTemplate | None":
    """Return the chat template in `folder` where it says how the model thinks, else None; reads no tokenizer."""
    from glm_core.models import registry
    from glm_core.models.checkpoints import read_config
    from glm_core.models.tokenizers.tokenizer_files import read_template

    try:
        family = registry.find(read_config(Path(folder)))
        template = read_template(Path(folder)) if family is not None and family.templated else None
    except ModelError:
        return None
    return template if template is not None and template.thinks else None
