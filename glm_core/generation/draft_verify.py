"""Greedy answers to the same questions again and again while a model learns, at a fraction of what decoding costs.

An answer seldom changes from one evaluation to the next, and a row of the data is answered by its reference once it is
learnt. So what was said before and what is taught are proposed, and one forward pass tells whether greedy decoding would
choose each of their tokens. A draft that is confirmed to its end is the greedy answer: speculative decoding (Leviathan
et al., 2023) whose draft comes from memory. Only the rest is decoded token by token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from glm_core.generation.greedy import greedy
from glm_core.generation.repetition import penalize_along, penalty_of
from glm_core.models import LoadedModel

SHARE, LEAST = 0.02, 64_000_000  # of the model's bytes, that answers computed together may take beside it
MOST_TOGETHER = 12  # more pad each other to the longest and wait for the last to end
SOURCE_TOKENS = 1 << 16  # tokens; prompts are never cut here


@dataclass(frozen=True)
class _Draft:
    """A proposed answer to question `place`: `ids` are prompt and answer, the answer from `start` on."""

    place: int
    ids: list[int]
    start: int
    ends: bool
    text: str


class DraftVerifier:
    """Greedy answers of `loaded`, with whatever adapter is active.

    Args:
        longest: tokens of an answer, where it is cut off; fewer where the context ends before.
    """

    def __init__(self, loaded: LoadedModel, longest: int):
        self._loaded, self._longest = loaded, longest

    def answer(
        self,
        conversations: Sequence[list[dict]],
        drafts: Sequence[Sequence[str]],
        longest: Sequence[int] | None = None,
    ) -> list[str]:
        """One greedy answer a conversation, the same as `greedy` gives.

        Args:
            conversations: message lists that end with a user message.
            drafts: for each, answers that are likely, the likeliest first; wrong ones cost a little time and change nothing.
            longest: for each, tokens after which what has to be decoded is cut off, where that is sooner.
        """
        limits = [min(self._longest, one) for one in longest or [self._longest] * len(conversations)]
        found: dict[int, str] = {}
        with torch.inference_mode():
            for turn in range(max(map(len, drafts), default=0)):
                open_ = [i for i in range(len(conversations)) if i not in found and turn < len(drafts[i])]
                proposed = (self._encode(i, conversations[i], drafts[i][turn]) for i in open_)
                for batch in self._batches([draft for draft in proposed if draft is not None]):
                    found |= {draft.place: draft.text for draft in self._confirm(batch)}
        rest = [i for i in range(len(conversations)) if i not in found]
        rest.sort(key=lambda i: max(map(len, drafts[i]), default=0))  # answers of like length end together
        if rest:
            found |= self._decode(rest, conversations, limits)
        return [found[i] for i in range(len(conversations))]

    def _decode(
        self, places: Sequence[int], conversations: Sequence[list[dict]], limits: Sequence[int]
    ) -> dict[int, str]:
        """Answers of the conversations at `places`, those that may be of like length together."""
        order = sorted(places, key=lambda i: limits[i])
        tokens = max(len(self._prompt(conversations[i])) + limits[i] for i in order)
        together = self.sequences_at_once(self._kept_numbers() * tokens)
        asked, most = [conversations[i] for i in order], [limits[i] for i in order]
        return dict(zip(order, greedy(self._loaded, asked, most, together), strict=True))

    def find_exact(self, conversations: Sequence[list[dict]], references: Sequence[str]) -> list[bool]:
        """For each conversation, whether greedy decoding would answer with its reference, to the letter and to its end."""
        with torch.inference_mode():
            drafts = [self._encode(i, *pair) for i, pair in enumerate(zip(conversations, references, strict=True))]
            whole = [draft for draft in drafts if draft is not None and draft.ends]
            confirmed = {draft.place for batch in self._batches(whole) for draft in self._confirm(batch)}
        return [place in confirmed for place in range(len(conversations))]

    def cut(self, text: str) -> str:
        """The beginning of `text` that fits into an answer."""
        ids = self._loaded.tokenizer.encode(text)
        return text if len(ids) <= self._longest else self._loaded.tokenizer.decode(ids[: self._longest])

    def tokens_of(self, text: str) -> int:
        """Return how many tokens `text` has."""
        return len(self._loaded.tokenizer.encode(text))

    def _kept_numbers(self) -> int:
        """Return what a token of a decoded row takes: keys and values of all layers, and of one for every query head."""
        dims = self._loaded.family.architecture.dimensions(self._loaded.model.config.to_dict())
        return 2 * dims.layers * dims.kv_heads * dims.head_dim + 2 * dims.query

    def _prompt(self, messages: list[dict]) -> list[int]:
        return self._loaded.family.prompt(self._loaded.tokenizer, messages, thinking=False)

    def _encode(self, place: int, messages: list[dict], text: str) -> _Draft | None:
        """A draft in tokens as the family learns them; None where its prompt is written otherwise than in chat."""
        family, tokenizer, prompt = self._loaded.family, self._loaded.tokenizer, self._prompt(messages)
        ids, _, cut = family.encode_example(
            tokenizer, [*messages, {"role": "assistant", "content": text}], SOURCE_TOKENS, SOURCE_TOKENS
        )
        answer = ids[len(prompt) : -1]
        if cut or ids[: len(prompt)] != prompt or not answer:
            return None
        longest = self._loaded.longest_answer(prompt, self._longest)
        ends = len(answer) < longest
        answer = answer[:longest]
        return _Draft(place, prompt + answer, len(prompt), ends, family.clean(tokenizer.decode(answer)))

    def _batches(self, drafts: Sequence[_Draft]) -> Iterator[Sequence[_Draft]]:
        """Drafts of like length together, so that little is padded."""
        ordered = sorted(drafts, key=lambda draft: len(draft.ids), reverse=True)
        size = self.sequences_at_once(self._loaded.model.config.vocab_size * len(ordered[0].ids)) if ordered else 1
        return (ordered[start : start + size] for start in range(0, len(ordered), size))

    def sequences_at_once(self, numbers: int) -> int:
        """Rows that may be computed at once where each needs so many numbers, keys and values or a draft's logits."""
        most_bytes = max(LEAST, SHARE * self._loaded.model.get_memory_footprint())
        return int(max(1, min(MOST_TOGETHER, most_bytes // (numbers * self._loaded.model.dtype.itemsize))))

    def _confirm(self, batch: Sequence[_Draft]) -> Iterator[_Draft]:
        """The drafts whose every token greedy decoding would choose, and would end after."""
        model, pad = self._loaded.model, self._loaded.tokenizer.pad_token_id
        width, first = max(len(draft.ids) for draft in batch), min(draft.start for draft in batch) - 1
        gaps = [width - len(draft.ids) for draft in batch]
        logits = model(
            input_ids=torch.tensor(
                [draft.ids + [pad] * gap for draft, gap in zip(batch, gaps, strict=True)], device=model.device
            ),
            attention_mask=torch.tensor([[1] * (width - gap) + [0] * gap for gap in gaps], device=model.device),
            use_cache=False,
            logits_to_keep=torch.arange(first, width, device=model.device),
        ).logits
        stops, penalty = set(self._loaded.family.stop_ids(self._loaded.tokenizer)), penalty_of(self._loaded.family)
        if penalty != 1:
            logits = logits.float()  # (B, N, V)
            for own, draft in zip(logits, batch, strict=True):
                penalize_along(own[: len(draft.ids) - first], draft.ids, penalty)
        for draft, chosen in zip(batch, logits.argmax(-1).tolist(), strict=True):
            said = chosen[
                draft.start - 1 - first : len(draft.ids) - first
            ]  # what follows each token from the prompt's last on
            if said[:-1] == draft.ids[draft.start :] and (not draft.ends or said[-1] in stops):
                yield draft
