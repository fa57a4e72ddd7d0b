"""Greedy answers to many conversations at once: what training samples, evaluation and the recipe share.

Not for chatting: streaming, sampling and cancelling are the engine's business (`glm_core.serving`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glm_core.models import LoadedModel


def greedy(loaded: "LoadedModel", conversations: Sequence[list[dict]], max_new_tokens: int = 96, batch: int = 32) -> list[str]:
    """One greedy answer a conversation, cleaned as the family does.

    Args:
        conversations: message lists that end with a user message.
        max_new_tokens: longest answer, in tokens.
        batch: conversations decoded together, left-padded.
    """
    import torch

    answers: list[str] = []
    with torch.inference_mode():
        for start in range(0, len(conversations), batch):
            answers += _answer_batch(loaded, conversations[start : start + batch], max_new_tokens)
    return answers


def _answer_batch(loaded: "LoadedModel", conversations: Sequence[list[dict]], max_new_tokens: int) -> list[str]:
    import torch

    tokenizer, family, device = loaded.tokenizer, loaded.family, loaded.model.device
    prompts = [family.encode_prompt(tokenizer, messages) for messages in conversations]
    width, pad = max(map(len, prompts)), tokenizer.pad_token_id
    padding = [width - len(ids) for ids in prompts]
    stops = family.stop_ids(tokenizer)
    output = loaded.model.generate(
        torch.tensor([[pad] * gap + ids for gap, ids in zip(padding, prompts, strict=True)], device=device),
        attention_mask=torch.tensor([[0] * gap + [1] * (width - gap) for gap in padding], device=device),
        max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=stops, pad_token_id=pad,
    )  # fmt: skip
    ends = {*stops, pad}
    return [family.clean(tokenizer.decode(until(row, ends))) for row in output[:, width:].tolist()]


def until(ids: list[int], ends: set[int]) -> list[int]:
    """The ids before the first one of `ends`."""
    return ids[: next((place for place, token in enumerate(ids) if token in ends), len(ids))]
