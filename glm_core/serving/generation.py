"""The decode loop: prompts become rows, rows of a batch advance one token at a time, join and leave between steps.

The model is called directly with a cache of our own (`rowcache.py`); transformers' `generate` is not used, as its
overhead a token exceeds a small model's forward. Not here: queues, threads and loading (`engine.py`).
"""

from collections.abc import Sequence

import torch

from glm_core.models.tokenization import Detokenizer
from glm_core.serving.adapters import Adapters
from glm_core.serving.rowcache import RowCache
from glm_core.serving.sampling import Sampler, Sampling, choose
from glm_core.serving.streaming import AnswerText
from glm_core.serving.tickets import EngineUnavailable, PromptTooLong, ServingError, Ticket

RESERVED_SHARE = 4
"At most one part in this many of the context is kept free for the answer; the rest may hold the conversation."
NO_LIMIT = 2**30


def fit_prompt(
    loaded, messages: Sequence[dict], context: int, wanted: int, beginning: str = ""
) -> tuple[list[int], int]:
    """The prompt's ids, oldest turns left out until an answer fits behind it.

    Args:
        loaded: a `LoadedModel`.
        messages: the conversation; system messages at its beginning and the last message are never left out.
        context: the model's context length in tokens.
        wanted: tokens the answer may have.
        beginning: of the answer, to go on from.

    Returns:
        The ids, and how many turns (a question with its answer) were left out.

    Raises:
        PromptTooLong: the last message alone is too long.
    """
    room = context - min(wanted, context // RESERVED_SHARE)
    heads, starts = _turns(messages)

    def encode(dropped: int) -> list[int]:
        kept = [*messages[:heads], *messages[starts[dropped] :]]
        return _encode(loaded, kept, beginning)

    ids = encode(0)
    if len(ids) <= room:
        return ids, 0
    low, high = 0, len(starts) - 1  # encode(low) does not fit; the fewest turns to drop are in (low, high]
    shortest = encode(high)
    if len(shortest) > room:
        raise PromptTooLong("serving.too_long", tokens=len(shortest), room=room, context=context)
    best = shortest
    while high - low > 1:
        middle = (low + high) // 2
        ids = encode(middle)
        if len(ids) <= room:
            high, best = middle, ids
        else:
            low = middle
    return best, high


def _encode(loaded, messages: list[dict], beginning: str) -> list[int]:
    """The prompt; with a `beginning` exactly what training shows the model of such an answer, up to its end token."""
    family, tokenizer = loaded.family, loaded.tokenizer
    if not beginning:
        return family.encode_prompt(tokenizer, messages)
    answered = [*messages, {"role": "assistant", "content": beginning}]
    return family.encode_example(tokenizer, answered, NO_LIMIT, NO_LIMIT)[0][:-1]


def _turns(messages: Sequence[dict]) -> tuple[int, list[int]]:
    """How many system messages lead, and where each turn begins (every turn with a user's message)."""
    heads = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    starts = [i for i, message in enumerate(messages) if message["role"] == "user" and i >= heads]
    return heads, [heads, *[i for i in starts if i > heads]]


@torch.inference_mode()
def first_token(loaded, adapters: Adapters, slot: str | None, ids: list[int]) -> torch.Tensor:
    """Probabilities (V,) of the first token after prompt `ids`, without any sampling settings."""
    with adapters.using([slot]):
        logits = loaded.model(torch.tensor([ids], device=loaded.model.device), use_cache=False, logits_to_keep=1).logits
    return logits[0, -1].float().softmax(-1)


class Row:
    """One answer being computed."""

    def __init__(self, ticket: Ticket, loaded, slot: str | None, prompt: list[int], sampling: Sampling, limit: int):
        self.ticket = ticket
        self.prompt = prompt
        self.slot = slot
        "Where its adapter is (`Adapters`); None = the base."
        self.sampler = Sampler(sampling, prompt)
        self.length = len(prompt)
        "Tokens in the cache."
        self.last = -1
        "The newest token, which the next step feeds."
        self._limit = limit
        self._stop_ids = frozenset(loaded.family.stop_ids(loaded.tokenizer))
        self._text = AnswerText(Detokenizer(loaded.tokenizer), loaded.family.clean, ticket.request.stop)
        if beginning := ticket.request.beginning:
            ticket.text = self._text.resume(loaded.tokenizer.encode(beginning), beginning)
        ticket.prompt_tokens = len(prompt)

    def take(self, token: int) -> None:
        """Add the token just chosen to the answer; may end it."""
        if token < 0:
            self.end("error", EngineUnavailable("serving.not_finite"))
        elif token in self._stop_ids:
            self.end("stop")
        else:
            self.last = token
            self.ticket.add(self._text.push(token))
            if self._text.stopped:
                self.end("stop")
            elif self.ticket.completion_tokens >= self._limit:
                self.end("length")

    def end(self, reason: str, error: ServingError | None = None) -> None:
        """Finish the ticket with what text is left."""
        if not self.ticket.done:
            self.ticket.finish(reason, self._text.finish(), error)


class Batch:
    """The rows that are computed together, and their cache. All methods belong to the engine's thread."""

    def __init__(self, loaded, adapters: Adapters):
        self.rows: list[Row] = []
        self._loaded = loaded
        self._adapters = adapters
        self._cache: RowCache | None = None
        self._positions = self._strides = torch.empty(0)

    @torch.inference_mode()
    def join(self, row: Row) -> None:
        """Compute the prompt of `row`, its first token, and add it to the batch unless that already ended it."""
        cache = RowCache()
        ids = torch.tensor([row.prompt], device=self._loaded.model.device)
        logits = self._forward([row], ids, None, None, cache)
        row.take(choose(logits, [row.sampler])[0])
        if row.ticket.done:
            return
        positions, strides = self._next_positions(ids)
        if self._cache is None:
            self._cache, self._positions, self._strides = cache, positions, strides
        else:
            self._cache.append(cache)
            self._positions = torch.cat([self._positions, positions])
            self._strides = torch.cat([self._strides, strides])
        self.rows.append(row)

    @torch.inference_mode()
    def step(self) -> None:
        """One token for every row, then those that ended leave."""
        ids = torch.tensor([[row.last] for row in self.rows], device=self._loaded.model.device)
        logits = self._forward(self.rows, ids, self._mask(), self._positions, self._cache)
        self._positions = self._positions + self._strides
        for row, token in zip(self.rows, choose(logits, [row.sampler for row in self.rows]), strict=True):
            row.length += 1
            row.take(token)
        self.sweep()

    @torch.inference_mode()
    def sweep(self) -> None:
        """Let rows whose ticket is done leave; the padding that only they needed goes too."""
        kept = [i for i, row in enumerate(self.rows) if not row.ticket.done]
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in kept]
        if not kept:
            self._cache = None
            return
        longest = max(row.length for row in self.rows)
        self._cache.select(kept, self._cache.get_seq_length() - longest)
        self._positions, self._strides = self._positions[kept], self._strides[kept]

    def _forward(self, rows: list[Row], ids, mask, positions, cache) -> torch.Tensor:
        """Logits (B, V) of the last column."""
        inputs = {"input_ids": ids, "attention_mask": mask, "past_key_values": cache, "use_cache": True}
        if positions is not None and self._loaded.family.native != "bloom":  # which counts the mask's columns instead
            inputs["position_ids"] = positions
        with self._adapters.using([row.slot for row in rows]):
            return self._loaded.model(**inputs, logits_to_keep=1).logits[:, -1]

    def _mask(self) -> torch.Tensor | None:
        """(B, past + 1), 0 for the padding at the left; None where no row is padded, which is the fast way."""
        past = self._cache.get_seq_length()
        pads = [past - row.length for row in self.rows]
        if not any(pads):
            return None
        column = torch.arange(past + 1, device=self._loaded.model.device)
        return (column >= torch.tensor(pads, device=column.device)[:, None]).long()

    def _next_positions(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The position of the token after prompt `ids` (1, S), and by how much each later one is further on.

        (1, 1); for ChatGLM-6B, which has two positions a token, (1, 2, 1).
        """
        if self._loaded.family.native == "chatglm":
            longer = torch.cat([ids, ids[:, -1:]], dim=1)
            last, following = self._loaded.model.positions(longer)[:, :, -2:].split(1, dim=2)
            return following, following - last
        return torch.full((1, 1), ids.shape[1], device=ids.device), torch.ones(
            1, 1, dtype=torch.long, device=ids.device
        )
