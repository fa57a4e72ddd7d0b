"""Chat formats to choose from for a model without a chat template, such as a base model.

Each is a small template, so that prompts, labels and ends come about as for models that bring one. Which one a run was
trained with stands in its settings; its adapter is asked in the same.
"""

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from glm_core.models.chat_templates import ChatTemplate

if TYPE_CHECKING:
    from glm_core.models import LoadedModel
    from glm_core.models.tokenizers.tokenizer import Tokenizer

_QUESTIONS = (
    "{{ bos_token }}{% set ns = namespace(asked='') %}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ 'Question: ' + ns.asked + '\nAnswer: ' + m.content + '\n' }}{% set ns.asked = '' %}{% else %}"
    "{% set ns.asked = ns.asked + '\n' + m.content if ns.asked else m.content %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Question: ' + ns.asked + '\nAnswer:' }}{% endif %}"
)
"The default as a template, for other tools."
DEFAULT = "question"
"Lines of questions and answers, which `template_format` writes."
_SYSTEM = "{%- if messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
FORMATS = {
    DEFAULT: "",
    "chatml": (
        "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' }}"
        "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "alpaca": (
        "{{ bos_token }}" + _SYSTEM + "{% for m in messages if m.role != 'system' %}{% if m.role == 'user' %}"
        "{{ '### Instruction:\n' + m.content + '\n\n' }}{% else %}"
        "{{ '### Response:\n' + m.content + eos_token + '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"
    ),
    "human": (
        "{{ bos_token }}" + _SYSTEM + "{% for m in messages if m.role != 'system' %}{% if m.role == 'user' %}"
        "{{ 'Human: ' + m.content + '\n\n' }}{% else %}"
        "{{ 'Assistant:\n' + m.content + eos_token + '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
    ),
}


def is_free(loaded: "LoadedModel") -> bool:
    """Return whether the model's format is open: prompts are a template's, and it brings none."""
    return loaded.family.templated and loaded.tokenizer is not None and loaded.tokenizer.chat_template is None


def formatted(loaded: "LoadedModel", name: str) -> "LoadedModel":
    """Return `loaded` with the chat format `name`; as it is where it brings a format, or for the default.

    The weights are shared, the tokenizer is a copy.
    """
    if loaded.tokenizer is None or not is_free(loaded) or not FORMATS.get(name):
        return loaded
    return replace(loaded, tokenizer=with_format(loaded.tokenizer, name))


def with_format(tokenizer: "Tokenizer", name: str) -> "Tokenizer":
    """Return a copy of a tokenizer without a chat template that has the format `name`; the tokenizer itself for the default."""
    source = FORMATS.get(name, "")
    if not source:
        return tokenizer
    tokenizer = copy.copy(tokenizer)
    tokenizer.chat_template = ChatTemplate(source, _tokens(tokenizer))
    return tokenizer


def exported(tokenizer: "Tokenizer", name: str) -> str:
    """Return the chat format `name` as a template for other tools: what begins and ends a text is spelled out in it."""
    source = FORMATS.get(name) or _QUESTIONS
    for key, text in _tokens(tokenizer).items():
        source = source.replace(key, json.dumps(text, ensure_ascii=False))
    return source


def _tokens(tokenizer: "Tokenizer") -> dict[str, str]:
    """Text that a template writes at the beginning of a text and at the end of an answer."""
    spelled = {number: text for text, number in tokenizer.controls.items()}
    starts = "".join(spelled.get(token, "") for token in tokenizer.start_ids)
    return {"bos_token": starts, "eos_token": spelled.get(tokenizer.eos_token_id, "")}
