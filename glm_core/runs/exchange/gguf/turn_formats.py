"""Turns of the common chat formats, from which a template for Ollama is written.

Ollama's templates are Go's, so the Jinja template of a tokenizer cannot be used. It is compared with the formats here instead:
the one that writes the same prompts stands for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glm_core.models import ModelError, template_format
from glm_core.models.tokenizers.tokenizer import Tokenizer

Pair = tuple[str, str]

_QUESTION = {"role": "user", "content": "-question-"}
_SYSTEM = {"role": "system", "content": "-system-"}
_PAST = [_QUESTION, {"role": "assistant", "content": "-answer-"}, {"role": "user", "content": "-again-"}]


@dataclass(frozen=True)
class TurnFormat:
    """Text before and after a message of each role.

    Attributes:
        system: None where the system message is the head of the first question.
        joint: between the two there.
        start: before everything.
        begun: what an answer begins with that is no part of it, such as the mark of a thought.
    """

    user: Pair
    assistant: Pair
    system: Pair | None = None
    joint: str = "\n\n"
    start: str = ""
    begun: str = ""

    def render(self, messages: Sequence[dict]) -> str:
        """Return a conversation up to where the answer begins."""
        pairs = {"user": self.user, "assistant": self.assistant, "system": self.system}
        text = head = ""
        for message in messages:
            pair = pairs[message["role"]]
            if pair is None:
                head = f"{message['content']}{self.joint}"
            else:
                text += pair[0] + head + message["content"] + pair[1]
                head = ""
        return self.start + text + self.assistant[0] + self.begun

    def go_template(self) -> str:
        """Return the same as a template of Go."""
        (asked, done), (answered, ended) = self.user, self.assistant
        if self.system is None:
            begin = '{{ $system := .System }}{{ range .Messages }}{{ if eq .Role "user" }}'
            asked += f'{{{{ if $system }}}}{{{{ $system }}}}{self.joint}{{{{ $system = "" }}}}{{{{ end }}}}'
        else:
            before, after = self.system
            begin = '{{ range .Messages }}{{ if eq .Role "system" }}' + before + "{{ .Content }}" + after
            begin += '{{ else if eq .Role "user" }}'
        user, assistant = asked + "{{ .Content }}" + done, answered + "{{ .Content }}" + ended
        turns = f'{begin}{user}{{{{ else if eq .Role "assistant" }}}}{assistant}{{{{ end }}}}{{{{ end }}}}'
        return self.start + turns + answered + self.begun

    def default_system(self, tokenizer: Tokenizer) -> str | None:
        """Return the system message that the tokenizer's template puts where none is given; None where it is of another format."""
        try:
            alone = _prompt(tokenizer, [_QUESTION])
            told = _prompt(tokenizer, [_SYSTEM, _QUESTION])
            past = _prompt(tokenizer, [_SYSTEM, *_PAST])
        except ModelError:
            return None
        if told != self.render([_SYSTEM, _QUESTION]) or past != self.render([_SYSTEM, *_PAST]):
            return None
        marked = self.render([_SYSTEM, _QUESTION]).partition(_SYSTEM["content"])
        default = alone.removeprefix(marked[0]).removesuffix(marked[2])
        if alone == self.render([_QUESTION]):
            return ""
        return default if alone == self.render([{"role": "system", "content": default}, _QUESTION]) else None


def _prompt(tokenizer: Tokenizer, messages: list[dict]) -> str:
    """Return the template's prompt without the tokens that the tokenizer puts before every text."""
    template = tokenizer.chat_template
    assert template is not None, "asked only of tokenizers that have one"
    spelled = {number: text for text, number in tokenizer.controls.items()}
    begins = "".join(spelled.get(token, "") for token in tokenizer.start_ids)
    return template.prompt(template_format.as_taken(template, messages)).removeprefix(begins)


def _headed(
    start: str, end: str, after: str, system: str | None = "system", assistant: str = "assistant"
) -> TurnFormat:
    """A format in which a role stands between `start` and `end`, and `after` ends a message."""
    told = (f"{start}{system}{end}", after) if system else None
    return TurnFormat((f"{start}user{end}", after), (f"{start}{assistant}{end}", after), told)


def _role(name: str) -> Pair:
    return f"<|{name}|>\n", ""


_GLM_EDGE = TurnFormat(_role("user"), _role("assistant"), _role("system"))
FORMATS = (
    _headed("<|im_start|>", "\n", "<|im_end|>\n"),
    _headed("<start_of_turn>", "\n", "<end_of_turn>\n", None, "model"),
    _headed("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>"),
    _headed("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>\n"),
    _headed("<|", "|>\n", "<|end|>\n"),
    _headed("<|", "|>", "<|end|>"),
    _headed("<|", "|>\n", "</s>\n"),
    _GLM_EDGE,
    replace(_GLM_EDGE, start="[gMASK]<sop>", begun="<think>"),
)
"ChatML (Qwen, SmolLM), Gemma, Llama 3, Granite, Phi-3, Phi-4-mini, Zephyr, GLM-Edge, GLM-Z1."


def find(tokenizer: Tokenizer) -> tuple[TurnFormat, str] | None:
    """Return the format of the tokenizer's template and the system message that it adds; None where it is none of these."""
    for one in FORMATS:
        if (system := one.default_system(tokenizer)) is not None:
            return one, system
    return None
