"""Rows of a training batch one behind the other, without padding: only the attention, a hundredth of the work, sees rows.

Embedding, products, norms and activations compute the T tokens there are in place of B x S places. Within the attention
query, key and value stand as padded rows again, so that masks, prefixes and fast kernels are those of a padded batch.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Packing:
    """Where each token stands.

    Attributes:
        padded: (B, S), for each place of the padded rows its token among the packed ones; any one where it is padding.
        packed: (T,), for each packed token its place among the B * S padded ones; for a filler that of some padding.
        real: (B, S), True where a place is no padding.
    """

    padded: torch.Tensor
    packed: torch.Tensor
    real: torch.Tensor

    def spread(self, states: torch.Tensor) -> torch.Tensor:
        """Packed heads (1, heads, T, D) as padded rows (B, heads, S, D)."""
        rows = _Spread.apply(states[0].transpose(0, 1), self.padded, self.packed)  # (B, S, heads, D)
        return rows.transpose(1, 2)

    def gather(self, states: torch.Tensor) -> torch.Tensor:
        """Padded rows (B, S, heads, D) as packed heads (1, T, heads, D)."""
        return _Gather.apply(states, self.padded, self.packed, self.real)[None]


class _Spread(torch.autograd.Function):
    """(T, heads, D) -> (B, S, heads, D). No gradient comes to padding, so each token's is read from its one place."""

    @staticmethod
    def forward(ctx, states, padded, packed):
        ctx.save_for_backward(packed)
        return states[padded]

    @staticmethod
    def backward(ctx, gradient):
        (packed,) = ctx.saved_tensors
        return gradient.flatten(0, 1)[packed], None, None


class _Gather(torch.autograd.Function):
    """(B, S, heads, D) -> (T, heads, D); padding gets no gradient."""

    @staticmethod
    def forward(ctx, states, padded, packed, real):
        ctx.save_for_backward(padded, real)
        return states.flatten(0, 1)[packed]

    @staticmethod
    def backward(ctx, gradient):
        padded, real = ctx.saved_tensors
        return gradient[padded].mul_(real[..., None, None]), None, None, None


def pack(mask: torch.Tensor, tokens: int) -> Packing:
    """Return where the tokens of a batch padded at the right stand; never waits for the device.

    Args:
        mask: (B, S), 0 for padding.
        tokens: packed tokens, at least as many as there are and at most B * S; the rest are fillers.
    """
    real = mask.bool()
    padded = (real.flatten().cumsum(0) - 1).clamp_(min=0).view(real.shape)
    packed = real.flatten().byte().argsort(descending=True, stable=True)[:tokens]  # fillers: the first padding places
    return Packing(padded, packed, real)


def round_tokens(count: int, most: int) -> int:
    """`count` packed tokens rounded up by at most a sixteenth, so that few shapes recur; at most `most`."""
    step = max(64, 2 ** max(0, count.bit_length() - 5))
    return min(-(-count // step) * step, most)
