"""The prefix language model of ChatGLM-6B: where a row's context ends, positions, mask, rotary angles, attention.

A row is context, [gMASK] or [MASK], <sop>, answer. The context looks at itself in both directions, <sop> and the answer
are causal. Not here: the network (modeling.py).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch.nn.attention.bias import causal_lower_right

from glm_core.models.kernels.block_sizes import fits_block
from glm_core.models.kernels.dispatch import training_kernels

if TYPE_CHECKING:
    from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig


class PromptError(ValueError):
    """A row without the tokens that a ChatGLM prompt must have."""


@dataclass
class Prompt:
    """Positions at which each row's context ends: `context` and `mask` (B,) index <sop> and [gMASK]/[MASK], `pads` the left padding.

    `shared` is the context length when every row has the same and none is padded, so that no mask is needed.
    """

    context: torch.Tensor
    mask: torch.Tensor
    pads: torch.Tensor
    uses_gmask: torch.Tensor
    shared: int | None


def find_prompt(config: "ChatGLMConfig", input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> Prompt:
    """Locate the control tokens of every row of `input_ids` (B, S).

    Raises:
        PromptError: a row has no <sop>, or neither [gMASK] nor [MASK].
    """
    is_bos, is_gmask = input_ids == config.bos_token_id, input_ids == config.gmask_token_id
    uses_gmask = is_gmask.any(1)
    is_mask = torch.where(uses_gmask[:, None], is_gmask, input_ids == config.mask_token_id)
    context, mask = is_bos.int().argmax(1), is_mask.int().argmax(1)
    if attention_mask is None:
        pads, scattered = torch.zeros_like(context), torch.zeros_like(uses_gmask)
    else:
        real = attention_mask[:, : input_ids.shape[1]].bool()
        pads = (~real).int().cumprod(1).sum(1)
        scattered = (real[:, 1:] & ~real[:, :-1]).any(1)  # a zero before a one; zeros at the end are a causal tail
    complete = is_bos.any(1) & is_mask.any(1)
    facts = torch.stack([context, complete, scattered], 1).tolist()  # the only wait for the device in a forward
    for row, (_, found, _) in enumerate(facts):
        if not found:
            raise PromptError(
                f"row {row}: a ChatGLM prompt needs [gMASK] ({config.gmask_token_id}) or [MASK] "
                f"({config.mask_token_id}), then <sop> ({config.bos_token_id})"
            )
    lengths = {length for length, _, _ in facts}
    padded = any(is_padded for _, _, is_padded in facts)
    return Prompt(context, mask, pads, uses_gmask, lengths.pop() if len(lengths) == 1 and not padded else None)


def number_positions(config: "ChatGLMConfig", prompt: Prompt, start: int, stop: int) -> torch.Tensor:
    """Positions of columns `start` to `stop`: (B, 2, stop - start), sequence positions and block positions.

    From <sop> on, the sequence position stays at the mask token's and the block position counts 1, 2, 3, ...
    Left padding is not counted. In 1-D mode only the first row is used, and only [MASK] freezes it.
    """
    column = torch.arange(start, stop, device=prompt.context.device)
    context = prompt.context[:, None]
    frozen = column >= context
    if not config.position_encoding_2d:
        frozen = frozen & ~prompt.uses_gmask[:, None]
    sequence = torch.where(frozen, prompt.mask[:, None], column) - prompt.pads[:, None]
    return torch.stack([sequence, column + 1 - context], 1).clamp_(min=0)


def visible_columns(prompt: Prompt, attention_mask: torch.Tensor | None, length: int) -> torch.Tensor:
    """Boolean (B, 1, S, S), True where a row may look: causal, and the whole context for everyone, no padding.

    A padding row sees itself, as a row without any column would become NaN.
    """
    column = torch.arange(length, device=prompt.context.device)
    visible = (column <= column[:, None]) | (column < prompt.context[:, None, None])
    if attention_mask is not None:
        visible = visible & attention_mask[:, None, :length].bool() | (column == column[:, None])
    return visible[:, None]


class Rotary:
    """Cosine and sine by position, kept for the dtype and device last asked for.

    Frequencies are rounded to half as in the published code. Half and bfloat16 models compute the whole table in
    half, which is what the published weights were trained with.
    """

    def __init__(self, config: "ChatGLMConfig"):
        self.axes = 2 if config.position_encoding_2d else 1
        self.width = config.head_dim // self.axes
        self.length = config.max_sequence_length + 1
        self.table: torch.Tensor | None = None

    def __call__(
        self, position_ids: torch.Tensor, columns: int, like: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`position_ids` (B, 2, S), all at most `columns` -> cosine and sine for `split_rotated`.

        Both are (B, S, 1, axes, width / 2), in the dtype and on the device of `like`.
        """
        fits = self.table is not None and self.table.shape[0] > columns
        if not fits or self.table.dtype != like.dtype or self.table.device != like.device:
            self.length = self.length if columns < self.length else 2 * columns
            self.table = self._build(self.length, like)
        rows = self.table[position_ids[:, : self.axes].transpose(1, 2)]  # (B, S, axes, 2, width / 2)
        return rows[:, :, None, :, 0], rows[:, :, None, :, 1]

    def _build(self, length: int, like: torch.Tensor) -> torch.Tensor:
        dtype = torch.float32 if like.dtype in (torch.float32, torch.float64) else torch.float16
        exponent = torch.arange(0, self.width, 2).float() / self.width
        frequency = (1.0 / 10000**exponent).half().to(dtype)
        angle = torch.arange(length, dtype=dtype)[:, None] * frequency
        table = torch.stack([angle.cos(), angle.sin()], 1)
        return table.to(dtype=like.dtype, device=like.device)


def split_rotated(fused: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Query, key and value (B, heads, S, D) of `fused` (B, S, heads, 3, D), query and key rotated.

    Args:
        cosine, sine: (B, S, 1, axes, D / axes / 2). Each axis has its share of a head, whose first and second halves
            are the two coordinates that are rotated.
    """
    return tuple(part.transpose(1, 2) for part in _SplitRotated.apply(fused, cosine, sine))


class _SplitRotated(torch.autograd.Function):
    """Writes each result once, in the forward and in the backward, and keeps none of `fused`."""

    @staticmethod
    def forward(ctx, fused, cosine, sine):
        ctx.save_for_backward(cosine, sine)
        parts = fused.new_empty(3, *fused.shape[:3], fused.shape[4])  # 3, B, S, heads, D
        for part, states in zip(parts[:2], fused.unbind(3)[:2], strict=True):
            _rotate(states, cosine, sine, part)
        parts[2].copy_(fused[:, :, :, 2])
        return parts.unbind()

    @staticmethod
    def backward(ctx, *gradients):
        cosine, sine = ctx.saved_tensors
        query = gradients[0]
        result = query.new_empty(*query.shape[:3], 3, query.shape[3])
        for part, gradient in zip(result.unbind(3)[:2], gradients[:2], strict=True):
            _rotate(gradient, cosine, sine, part, back=True)
        result[:, :, :, 2].copy_(gradients[2])
        return result, None, None


def _rotate(
    states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, result: torch.Tensor, back: bool = False
) -> None:
    """`states` (B, S, heads, D) rotated, or rotated back, into `result`."""
    kernels = training_kernels(states.device) if fits_block(states.shape[-1]) else None
    if kernels is not None:
        tables = [table.flatten(2) for table in (cosine, sine)]  # (B, S, D / 2)
        return kernels.rotate_heads(states, *tables, result, states.shape[-1], axes=cosine.shape[-2], back=back)
    sine = -sine if back else sine
    split = (cosine.shape[-2], 2, cosine.shape[-1])
    first, second = states.unflatten(-1, split).unbind(-2)  # each (B, S, heads, axes, D / axes / 2)
    one, other = result.unflatten(-1, split).unbind(-2)
    torch.mul(first, cosine, out=one).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=other).addcmul_(first, sine)


def attend(query, key, value, visible: torch.Tensor | None, context: int | None) -> torch.Tensor:
    """Attention over (B, H, S, D); either `visible` is given, or the mask is the prefix-LM one of `context` columns.

    The latter needs no mask: the first `context` queries look at each other, the rest are causal to the lower right.
    Keys may be longer than queries: what is ahead of them (a cache, a prefix) is visible to all.
    """
    rows, columns = query.shape[2], key.shape[2]
    if visible is not None or rows == 1:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    ahead = columns - rows
    parts = []
    if context:
        seen = ahead + context
        parts.append(F.scaled_dot_product_attention(query[:, :, :context], key[:, :, :seen], value[:, :, :seen]))
    if context < rows:
        answer = query[:, :, context:]
        causal = None if rows - context == 1 else causal_lower_right(rows - context, columns)
        parts.append(F.scaled_dot_product_attention(answer, key, value, attn_mask=causal))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 2)
