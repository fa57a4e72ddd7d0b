"""Chat templates of tokenizers: rendered in a sandbox and a process of its own (rendering/), and split into ids and labels.

The rendering equals transformers' `apply_chat_template`. Two things are added: text of a message never becomes a control
token, and every answer is found in the rendering, with the token that ends it. Not here: families that have no template
but a format of their own (chat_formats.py).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any

from glm_core.models import thinking as thoughts
from glm_core.models.errors import ModelError
from glm_core.models.rendering import process
from glm_core.models.thinking import BREAK
from glm_core.models.tool_calls import ToolStyle, find_style
from glm_core.models.tool_messages import tools_of, use_tools

IGNORED = -100
TEMPLATE_BYTES = 200_000

Messages = Sequence[Mapping[str, Any]]


class ChatTemplate:
    """The template of one tokenizer.

    Args:
        source: jinja2 text, a stranger's.
        named: what it may refer to by name: `bos_token` and so on.

    Raises:
        ModelError: too long, or no valid template.
    """

    def __init__(self, source: str, named: Mapping[str, str] | None = None):
        if len(source.encode()) > TEMPLATE_BYTES:
            raise ModelError("models.template_broken", why=f"> {TEMPLATE_BYTES} bytes")
        self.source, self._named = source, dict(named or {})
        with _named_errors("models.template_broken"):
            process.check(source)

    @property
    def thinks(self) -> bool:
        """Return whether it knows of thoughts."""
        return thoughts.CLOSE in self.source or thoughts.OPEN in self.source

    @property
    def switchable(self) -> bool:
        """Return whether it can be told to think or not."""
        return thoughts.SWITCH in self.source

    def prompt(self, messages: Messages, thinking: bool | None = None) -> str:
        """Return the conversation as text up to where the answer, or the thought before it, begins.

        Args:
            thinking: think first, or answer at once; None = the model's default.

        Raises:
            ModelError: as `render`.
        """
        text = self.render(messages, answering=True, **thoughts.options(self, thinking))
        return thoughts.close(text) if thinking is False and thoughts.is_open(text) else text

    def render(self, messages: Messages, answering: bool = False, **options: Any) -> str:
        """Return the conversation as text.

        Args:
            answering: end where the assistant's answer begins.
            options: of the template itself, such as `enable_thinking`.

        Raises:
            ModelError: the template refuses the conversation, knows no tools that it has, fails, or takes too long.
        """
        return self._texts([self._values(messages, answering, options)])[0]

    def _values(self, messages: Messages, answering: bool, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a rendering of `messages` gets, in the template's own form.

        Raises:
            ModelError: they use tools, and the template knows none.
        """
        if not use_tools(messages):
            return self._raw_values(messages, answering, options)
        style = self.tool_style
        if style is None:
            raise ModelError("models.template_no_tools")
        return self._raw_values(style.adapt(messages), answering, {"tools": tools_of(messages) or None, **options})

    def _raw_values(self, messages: Messages, answering: bool, options: Mapping[str, Any]) -> dict[str, Any]:
        given = {**self._named, "tools": None, "documents": None, **options}
        return given | {"messages": list(messages), "add_generation_prompt": answering}

    def _texts(self, renderings: Sequence[Mapping[str, Any]]) -> list[str]:
        with _named_errors("models.template_failed"):
            return process.render(self.source, renderings)

    @cached_property
    def takes_system(self) -> bool:
        """Return whether a system message is written; some templates refuse it, or leave it out."""
        told, asked = ({"role": role, "content": f"-{role}-"} for role in ("system", "user"))
        try:
            return "-system-" in self.render_raw([told, asked], answering=True)
        except ModelError:
            return False

    @cached_property
    def tool_style(self) -> ToolStyle | None:
        """How it takes tools and their calls; None where it does not."""
        return find_style(self)

    def render_raw(self, messages: Messages, answering: bool = False, **options: Any) -> str:
        """Return messages that stand in the template's own form as text; arguments and errors as of `render`."""
        return self._texts([self._raw_values(messages, answering, options)])[0]

    def answers(self, messages: Messages) -> tuple[str, list[tuple[int, int]]]:
        """Return the whole conversation as text, and where in it each learned answer is: (start, end) characters.

        An answer begins where the prompt for it ends, and ends with its message. One whose prompt reads otherwise in the
        whole conversation is not learned, as it would be learned in a place where it is never asked. Where the template
        knows of thoughts, only the last answer is learned (`thinking.learned_answer`).
        """
        if self.thinks:
            last = messages[-1]
            if last["role"] == "assistant" and last.get("learn") is not False:
                text, span = thoughts.learned_answer(self, messages)
                return text, [span]
            return self.render(messages), []
        learned = [
            number
            for number, message in enumerate(messages)
            if message["role"] == "assistant" and message.get("learn") is not False
        ]
        parts = [(number, True) for number in learned] + [(number + 1, False) for number in learned]
        values = [self._values(messages[:end], answering, {}) for end, answering in [(len(messages), False), *parts]]
        whole, *texts = self._texts(values)
        spans = []
        for number, prompt, upto in zip(learned, texts, texts[len(learned) :], strict=False):
            if not whole.startswith(prompt):
                prompt = prompt[: _common(prompt, whole)] if number == len(messages) - 1 else ""
            if prompt and (whole.startswith(upto) or number == len(messages) - 1):
                spans.append((len(prompt), len(upto) if whole.startswith(upto) else len(whole)))
        return whole, spans


@contextmanager
def _named_errors(key: str) -> Iterator[None]:
    """Let what is wrong with a template be said in the reader's language; `key` where it is not its size."""
    try:
        yield
    except process.RenderingTooHeavy as error:
        raise ModelError("models.template_heavy") from error
    except process.RenderingError as error:
        raise ModelError(key, why=error) from error


def guard(messages: Messages, controls: Iterable[str], marks: Iterable[str] = ()) -> list[dict]:
    """Return `messages` in which no content spells one of `controls` in one piece.

    Args:
        marks: other tokens that a template uses, such as `<think>`, which only an assistant may spell.
    """
    strict = _spellings(tuple(sorted({*controls, *marks}, key=len, reverse=True)))
    lenient = _spellings(tuple(sorted(controls, key=len, reverse=True)))
    return [_guarded(message, lenient if message["role"] == "assistant" else strict) for message in messages]


def _guarded(value: Any, pattern: re.Pattern) -> Any:
    if isinstance(value, str):
        clean = value.replace(BREAK, "")
        return pattern.sub(lambda found: found[0][0] + BREAK + found[0][1:], clean)
    if isinstance(value, Mapping):
        return {key: one if key in ("role", "learn") else _guarded(one, pattern) for key, one in value.items()}
    return [_guarded(one, pattern) for one in value] if isinstance(value, (list, tuple)) else value


@lru_cache(maxsize=64)
def _spellings(controls: tuple[str, ...]) -> re.Pattern:
    return re.compile("|".join(map(re.escape, controls)) or r"(?!)")


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
