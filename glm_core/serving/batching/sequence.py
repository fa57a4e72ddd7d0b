"""One answer: the prompt that fits into the context, what has been computed of it, the tokens drawn, the text they make.

Not here: the rows that are computed together (`batch.py`).
"""

from collections import abc
from typing import TYPE_CHECKING

from glm_core.generation.prefill import PartialPrompt
from glm_core.models.thinking import ThoughtReader
from glm_core.models.tokenizers.tokenizer import Detokenizer
from glm_core.models.tool_calls import CallReader
from glm_core.models.tool_messages import keep_tools
from glm_core.serving.batching.grammar import TokenMask
from glm_core.serving.batching.sampling import Sampler, SamplingParams
from glm_core.serving.conversation_turns import RESERVED_SHARE, turns
from glm_core.serving.errors import EngineUnavailable, PromptTooLong, RequestError, ServingError
from glm_core.serving.request_handle import RequestHandle, TokenLogprob
from glm_core.serving.text_stream import AnswerText

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

TOGETHER_TOKENS = 2048
"Tokens of prompts, with their padding, that are computed in one forward; a longer prompt is computed alone."
NO_LIMIT = 2**30


def fit_prompt(
    loaded,
    messages: abc.Sequence[dict],
    context: int,
    wanted: int,
    beginning: str = "",
    thinking: bool | None = None,
    thought: str = "",
) -> tuple[list[int], int]:
    """The prompt's ids, oldest turns left out until an answer fits behind it.

    Args:
        loaded: a `LoadedModel`.
        messages: the conversation; system messages at its beginning and the last message are never left out.
        context: the model's context length in tokens.
        wanted: tokens the answer may have.
        beginning: of the answer, to go on from; `thought`: what was thought before it.
        thinking: as `Request.thinking`.

    Returns:
        The ids, and how many turns (a question with its answer) were left out.

    Raises:
        PromptTooLong: the last message alone is too long.
    """
    limit = context - min(wanted, context // RESERVED_SHARE)
    heads, starts = turns(messages)

    def encode(dropped: int) -> list[int]:
        kept = keep_tools(messages, [*messages[:heads], *messages[starts[dropped] :]])
        return _encode(loaded, kept, beginning, thinking, thought)

    ids = encode(0)
    if len(ids) <= limit:
        return ids, 0
    low, high = 0, len(starts) - 1  # encode(low) does not fit; the fewest turns to drop are in (low, high]
    shortest = encode(high)
    if len(shortest) > limit:
        raise PromptTooLong("serving.too_long", tokens=len(shortest), limit=limit, context=context)
    best = shortest
    while high - low > 1:
        middle = (low + high) // 2
        ids = encode(middle)
        if len(ids) <= limit:
            high, best = middle, ids
        else:
            low = middle
    return best, high


def _encode(loaded, messages: list[dict], beginning: str, thinking: bool | None, thought: str) -> list[int]:
    """The prompt; with a `beginning` exactly what training shows the model of such an answer, up to its end token."""
    family, tokenizer = loaded.family, loaded.tokenizer
    if not beginning:
        return family.prompt(tokenizer, messages, thinking)
    answer = {"role": "assistant", "content": beginning} | ({"reasoning_content": thought} if thought else {})
    answered = [*messages, answer]
    return family.encode_example(tokenizer, answered, NO_LIMIT, NO_LIMIT)[0][:-1]


def group_by_length(rows: abc.Sequence["Sequence"], most: int = TOGETHER_TOKENS) -> list[list["Sequence"]]:
    """Rows whose prompts are computed together: of like length, so that little is padding, and at most `most` tokens."""
    groups: list[list[Sequence]] = []
    for row in sorted(rows, key=lambda row: row.length):
        last = groups[-1] if groups else None
        fits = last and (len(last) + 1) * row.length <= most and row.length <= 1.5 * last[0].length + 16
        if fits:
            last.append(row)
        else:
            groups.append([row])
    return groups


class Sequence:
    """One answer being computed.

    Args:
        mask: follows the grammar of the request, where it has one.
    """

    def __init__(
        self,
        handle: RequestHandle,
        loaded: "LoadedModel",
        slot: str | None,
        prompt: list[int],
        sampling: SamplingParams,
        limit: int,
        mask: TokenMask | None = None,
    ):
        self.handle = handle
        self.prompt = prompt
        self.slot = slot
        "Where its adapter is (`Adapters`); None = the base."
        self.sampler = Sampler(sampling, prompt, handle.request.logit_bias, mask)
        self.length = len(prompt)
        self.answer: list[int] = []
        "Its tokens so far; the next step feeds the last one."
        self.partial: PartialPrompt | None = None
        "What is known or computed of the prompt, where that is not done in one forward."
        self._limit = limit
        self._stop_ids = frozenset(loaded.family.stop_ids(loaded.tokenizer))
        clean = loaded.family.clean if mask is None else str  # which would change what the grammar has let through
        talks = mask is None and handle.request.prompt is None
        stops = (*handle.request.stop, *(loaded.family.stop_texts(loaded.tokenizer) if talks else ()))
        self._text = AnswerText(Detokenizer(loaded.tokenizer), clean, stops)
        self._thought: ThoughtReader | None = None
        if handle.request.prompt is None and not handle.request.beginning:
            self._thought = loaded.family.thought_reader(loaded.tokenizer, prompt)
            self._text.thought = self._thought
        if handle.tells_calls and not handle.request.must_call:
            offered = [tool["function"] for tool in handle.request.tools]
            functions = {one["name"]: one.get("parameters") or {} for one in offered}
            format = loaded.family.call_format(loaded.tokenizer)
            self._text.calls = CallReader(format, functions) if format else None
        if beginning := handle.request.beginning:
            handle.text = self._text.resume(loaded.tokenizer.encode(beginning), beginning)
        handle.prompt_tokens = len(prompt)

    @property
    def foreseen(self) -> bool:
        """Return whether the next token can be chosen before this one is looked at."""
        return self.sampler.foreseen and self.handle.request.logprobs is None

    @property
    def uncomputed(self) -> int:
        """Tokens of the prompt that are still to compute."""
        return self.length if self.partial is None else self.partial.left

    @property
    def left(self) -> int:
        """Tokens that its answer may still have."""
        return self._limit - self.handle.completion_tokens

    def take(self, token: int, logprob: TokenLogprob | None = None) -> None:
        """Add the token just chosen to the answer; may end it."""
        if token < 0:
            self.end("error", self._no_token())
        elif token in self._stop_ids:
            self.end("stop")
        else:
            self.answer.append(token)
            piece = self._text.push(token)
            self._note_thought(counted=True)
            self.handle.add(piece, logprob)
            self._note_calls()
            if self._text.stopped:
                self.end("stop")
            elif self.handle.completion_tokens >= self._limit:
                self.end("length")

    def _no_token(self) -> ServingError:
        if why := self.sampler.failure:
            return RequestError("serving.bad_grammar", self.handle.request.grammar_field, why=why)
        return EngineUnavailable("serving.not_finite")

    def end(self, reason: str, error: ServingError | None = None) -> None:
        """Finish the handle with what text is left."""
        if not self.handle.done:
            rest = self._text.finish()
            self._note_thought(counted=False)
            self._note_calls()
            self.handle.tool_calls = tuple(self._text.calls.calls) if self._text.calls else ()
            self.handle.finish(reason, rest, error)

    def _note_calls(self) -> None:
        """Hand on what the last piece adds to calls."""
        if self._text.calls is not None and self._text.calls.told != self.handle.told_calls:
            self.handle.tell(self._text.calls.told)

    def _note_thought(self, counted: bool) -> None:
        """Hand on what the last piece adds to the thought; `counted`: a token came with it."""
        if self._thought is None or self.handle.thought_ended is not None:
            return
        piece = self._text.take_thought()
        if piece or self.handle.reasoning_tokens or self._thought.thinking:
            self.handle.reasoning_tokens += counted
            self.handle.think(piece, ended=self._thought.answering)
