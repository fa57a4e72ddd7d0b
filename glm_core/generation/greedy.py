"""Greedy answers to many conversations at once: what training samples, evaluation and the recipe share.

Not for chatting: streaming, sampling and cancelling are the engine's business (`glm_core.serving`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from glm_core.generation.decode import DecodeRunner
    from glm_core.models import LoadedModel


def greedy(
    loaded: "LoadedModel",
    conversations: Sequence[list[dict]],
    max_new_tokens: int | Sequence[int] = 96,
    batch: int = 32,
) -> list[str]:
    """One greedy answer a conversation, cleaned as the family does; a model that thinks is asked to answer at once.

    Where the family's published sampling has a repetition penalty, it counts here too, as in chat.

    Args:
        conversations: message lists that end with a user message.
        max_new_tokens: longest answer, in tokens, of all or of each; shorter where the context ends before.
        batch: conversations decoded together.
    """
    return [text for text, _whole in greedy_answers(loaded, conversations, max_new_tokens, batch)]


def greedy_answers(
    loaded: "LoadedModel",
    conversations: Sequence[list[dict]],
    max_new_tokens: int | Sequence[int] = 96,
    batch: int = 32,
) -> list[tuple[str, bool]]:
    """As `greedy`, and of each answer whether it ended within its limit."""
    import torch

    from glm_core.generation.decode import ActiveAdapter, DecodeRunner

    family, tokenizer = loaded.family, loaded.tokenizer
    prompts = [family.prompt(tokenizer, messages, thinking=False) for messages in conversations]
    if not prompts:
        return []
    adapters = ActiveAdapter(loaded)
    most = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else max_new_tokens
    limits = [loaded.longest_answer(*pair) for pair in zip(prompts, most, strict=True)]
    capacity = min(batch, len(prompts)), adapters.prefix_log_scale(None)[0] + max(map(len, prompts)) + max(limits)
    runner, answers = DecodeRunner(loaded, adapters, capacity=capacity), []
    with torch.inference_mode():
        for start in range(0, len(prompts), batch):
            with adapters.restored():
                end = start + batch
                answers += _answer_batch(loaded, runner, prompts[start:end], limits[start:end])
    texts = [family.answer_text(tokenizer, prompt, ids) for prompt, ids in zip(prompts, answers, strict=True)]
    ended = [len(ids) < limit or family.has_ended(tokenizer, ids) for ids, limit in zip(answers, limits, strict=True)]
    return list(zip(texts, ended, strict=True))


def _answer_batch(
    loaded: "LoadedModel", runner: "DecodeRunner", prompts: Sequence[list[int]], limits: Sequence[int]
) -> list[list[int]]:
    """The ids of each answer, at most `limits` tokens, without the one that ends it. `runner` has no rows before and after."""
    from glm_core.generation.decode import argmax_finite
    from glm_core.generation.prefill import prefill
    from glm_core.generation.repetition import penalize, penalty_of

    penalty, answers = penalty_of(loaded.family), [[] for _prompt in prompts]

    def choose(logits: "torch.Tensor", which: Sequence[int]) -> "torch.Tensor":
        """The next tokens (B,) of the answers `which` by `logits` (B, V), noted."""
        if penalty != 1:
            logits = logits.float().clone()
            for own, number in zip(logits, which, strict=True):
                penalize(own, list({*prompts[number], *answers[number]}), penalty)
        chosen = argmax_finite(logits)
        for number, token in zip(which, chosen.tolist(), strict=True):
            answers[number].append(token)
        return chosen

    begun = prefill(loaded, prompts)
    stops = {-1, *loaded.family.stop_ids(loaded.tokenizer)}  # -1: logits were no numbers
    chosen = choose(begun.logits, range(len(prompts)))
    for number, prompt in enumerate(prompts):
        where = begun.positions[number], begun.strides[number]
        runner.add(None, begun.cache, number, len(prompt), chosen[number].clamp(min=0), *where)
    rows = list(range(len(prompts)))  # of the answers, by the runner's number

    def sweep() -> None:
        """Let rows that have ended leave, which frees what they take; a recorded step takes as long with them."""
        ended = [
            number for number, row in enumerate(rows) if answers[row][-1] in stops or len(answers[row]) >= limits[row]
        ]
        for number in reversed(ended if len(ended) == len(rows) or not runner.fixed else []):
            runner.remove(number)
            rows[number] = rows[-1]
            rows.pop()

    sweep()
    while rows:
        runner.next_ids()[:, 0] = choose(runner.step(), rows).clamp(min=0)
        sweep()
    return [until(ids[:limit], stops) for ids, limit in zip(answers, limits, strict=True)]


def until(ids: list[int], ends: set[int]) -> list[int]:
    """The ids before the first one of `ends`."""
    return ids[: next((place for place, token in enumerate(ids) if token in ends), len(ids))]
