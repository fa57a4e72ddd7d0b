"""The chat format of models that bring a template: prompts and training examples by `ChatTemplate`.

A model without one, a base model, gets lines of questions and answers, which is said where it is described.
"""

from collections.abc import Callable
from dataclasses import dataclass

from glm_core.models.call_formats import CallFormat
from glm_core.models.chat_formats import IGNORED, Example, split_rounds
from glm_core.models.chat_templates import ChatTemplate, guard
from glm_core.models.thinking import BREAK
from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.models.tool_calls import as_shown
from glm_core.models.tool_messages import keep_tools, use_tools

Turns = list[dict]


def encode_prompt(tokenizer: Tokenizer, messages: Turns, thinking: bool | None = None) -> list[int]:
    """Return the ids of the conversation up to where the answer begins.

    Args:
        thinking: think first, or answer at once, where the template knows of it; None = the model's default.
    """
    if tokenizer.chat_template is None:
        rounds, question = split_rounds(messages)
        return [*tokenizer.start_ids, *tokenizer.encode(plain_text(rounds, question))]
    guarded = guard(as_taken(tokenizer.chat_template, messages), tokenizer.controls, tokenizer.marks)
    return tokenizer.encode_marked(tokenizer.chat_template.prompt(guarded, thinking))[0]


def encode_example(tokenizer: Tokenizer, messages: Turns, max_source: int, max_target: int) -> Example:
    """Return ids and labels of a conversation; every answer is learned, and the token that ends it.

    The oldest rounds are left out while it is too long; what still does not fit is cut at its end.
    """
    limit, kept, cut = max_source + max_target, list(messages), False
    ids, labels = _encode(tokenizer, kept)
    while len(ids) > limit and (shorter := _without_oldest(kept)):
        kept, cut = shorter, True
        ids, labels = _encode(tokenizer, kept)
    return ids[:limit], labels[:limit], cut or len(ids) > limit


TURNS = ("Question:", "### Instruction:", "Human:")
"Words before a question, in formats that mark turns by words: a base model that has not learned to end writes the next one itself."


def ending_texts(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Return the texts that end an answer: the beginning of the next question, where the format has only words for it."""
    if tokenizer.chat_template is None:
        return (f"\n{TURNS[0]}",)
    source = tokenizer.chat_template.source
    return tuple(f"\n{turn}" for turn in TURNS if f"{{{{ '{turn}" in source)


def plain_text(rounds: list[tuple[str, str]], question: str) -> str:
    """Return the conversation of a base model: a question a line, its answer on the next."""
    past = "".join(f"Question: {asked}\nAnswer: {answer}\n" for asked, answer in rounds)
    return f"{past}Question: {question}\nAnswer:"


def as_taken(template: ChatTemplate, messages: Turns) -> Turns:
    """Return `messages`; the system message is the head of the first question where the template has no place for it."""
    if len(messages) < 2 or messages[0]["role"] != "system" or template.takes_system:
        return list(messages)
    system, first, *rest = messages
    if first["role"] != "user":
        return list(messages)
    return keep_tools(messages, [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest])


def _without_oldest(messages: Turns) -> Turns:
    """The conversation without its first round; empty where only one is left."""
    heads = [message for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    starts = [place for place, message in enumerate(turns) if message["role"] == "user"]
    return keep_tools(messages, [*heads, *turns[starts[1] :]]) if len(starts) > 1 else []


def _encode(tokenizer: Tokenizer, messages: Turns) -> tuple[list[int], list[int]]:
    """Ids up to the end of the last answer, and labels."""
    if tokenizer.chat_template is None:
        prompt = encode_prompt(tokenizer, messages[:-1])
        answer = [*tokenizer.encode(f" {messages[-1]['content']}"), tokenizer.eos_token_id]
        return prompt + answer, [IGNORED] * len(prompt) + answer
    text, spans = tokenizer.chat_template.answers(
        guard(as_taken(tokenizer.chat_template, messages), tokenizer.controls, tokenizer.marks)
    )
    ids, places = tokenizer.encode_marked(text)
    if torn := [start for start, _ in spans if start not in set(places)]:
        text, spans = _broken_at(text, spans, torn)
        ids, places = tokenizer.encode_marked(text)
    labels = [IGNORED] * len(ids)
    for start, end in spans:
        inside = [number for number, place in enumerate(places) if start <= place < end]
        ending = next((n for n in reversed(inside) if ids[n] in tokenizer.special_ids), None)
        for number in inside:
            if ending is None or number <= ending:
                labels[number] = ids[number]
        following = inside[-1] + 1 if inside else len(ids)
        if ending is None and following < len(ids) and ids[following] in _turn_ids(tokenizer):
            labels[following] = ids[following]
    last = max((number for number, label in enumerate(labels) if label != IGNORED), default=len(ids) - 1)
    ids, labels = ids[: last + 1], labels[: last + 1]
    if ids and ids[-1] not in tokenizer.special_ids:  # a template that ends answers with nothing
        ids, labels = [*ids, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]
    return ids, labels


def _turn_ids(tokenizer: Tokenizer) -> list[int]:
    """Ids of the roles that end an answer in GLM's formats, whose answers have no end of their own."""
    return [tokenizer.controls[name] for name in ("<|user|>", "<|observation|>") if name in tokenizer.controls]


def _broken_at(text: str, spans: list[tuple[int, int]], places: list[int]) -> tuple[str, list[tuple[int, int]]]:
    """Return `text` in which what is at the two sides of `places` is encoded apart, as it is when chatting; spans move along.

    For templates whose prompt ends with a letter or blank that would become one token with the beginning of an answer.
    """
    for place in sorted(places, reverse=True):
        text = text[:place] + BREAK + text[place:]
        size = len(BREAK)
        spans = [(start + size * (start >= place), end + size * (end > place)) for start, end in spans]
    return text, spans


@dataclass(frozen=True)
class RoleTools:
    """Tools of a family that writes them by rules of its own; a template in the folder that knows tools goes first.

    Attributes:
        adapt: messages with tools as the family's encoder takes them.
        format: how it writes calls.
    """

    adapt: Callable[[Turns], Turns]
    format: CallFormat

    def encoders(self, prompt: Callable, example: Callable) -> tuple[Callable, Callable]:
        """Return `encode_prompt` and `encode_example` of a family, made to take tools."""

        def encode_told(tokenizer: Tokenizer, messages: Turns) -> list[int]:
            if not use_tools(messages):
                return prompt(tokenizer, messages)
            if template_calls(tokenizer) is not None:
                return encode_prompt(tokenizer, messages)
            return prompt(tokenizer, self.adapt(messages))

        def encode_told_example(tokenizer: Tokenizer, messages: Turns, max_source: int, max_target: int) -> Example:
            if not use_tools(messages):
                return example(tokenizer, messages, max_source, max_target)
            if template_calls(tokenizer) is not None:
                return encode_example(tokenizer, messages, max_source, max_target)
            return example(tokenizer, self.adapt(messages), max_source, max_target)

        return encode_told, encode_told_example


def template_calls(tokenizer: Tokenizer) -> CallFormat | None:
    """Return how a tokenizer's template writes calls, as an answer shows it; None where it does not, or in no known way."""
    style = tokenizer.chat_template.tool_style if tokenizer.chat_template else None
    return as_shown(style.format, tokenizer.controls) if style and style.format else None


def ending_ids(tokenizer: Tokenizer) -> list[int]:
    """Return the ids that end an answer: those that the settings name, and the one that the template writes."""
    learned = _encode(tokenizer, [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])[0]
    return [*tokenizer.ending_ids, learned[-1], *_turn_ids(tokenizer)]
