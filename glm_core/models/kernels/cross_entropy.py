"""Triton kernel of the loss: logits become the gradients of their cross-entropies where they are, with no float32 copy of them.

Imports Triton; ask `dispatch.py` for the kernels, which `layers.py` has all of.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def _errors(logits, targets, losses, width, IGNORED: tl.constexpr, BLOCK: tl.constexpr):
    """Logits of one row (V,) become probabilities less the target's 1; of an ignored row zeros. Its loss goes to `losses`."""
    row, column = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    start, target = logits + row * width, tl.load(targets + row)
    live = target != IGNORED
    wanted = tl.load(start + target, live, 0.0).to(tl.float32)  # before anything is written over it
    highest, mass = tl.full((BLOCK,), -float("inf"), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for first in range(0, width, BLOCK):
        inside = first + column < width
        scores = tl.load(start + first + column, inside, -float("inf")).to(tl.float32)
        higher = tl.maximum(highest, scores)
        known = tl.where(higher == -float("inf"), 0.0, higher)
        mass = mass * tl.exp(highest - known) + tl.exp(scores - known)
        highest = higher
    top = tl.max(highest)
    total = tl.log(tl.sum(mass * tl.exp(highest - top))) + top
    tl.store(losses + row, tl.where(live, total - wanted, 0.0))
    for first in range(0, width, BLOCK):
        inside = first + column < width
        scores = tl.load(start + first + column, inside, 0.0)
        error = tl.exp(scores.to(tl.float32) - total) - tl.where(first + column == target, 1.0, 0.0)
        tl.store(start + first + column, tl.where(live, error, 0.0).to(scores.dtype), inside)


def logits_to_errors(logits: torch.Tensor, targets: torch.Tensor, ignored: int) -> torch.Tensor:
    """Turn `logits` (N, V), contiguous, in place into the gradients of their cross-entropies, which are returned: (N,) float32.

    Args:
        targets: (N,); rows whose target is `ignored` have loss and gradient 0.
    """
    losses = torch.empty(logits.shape[0], dtype=torch.float32, device=logits.device)
    _errors[(logits.shape[0],)](logits, targets, losses, logits.shape[1], IGNORED=ignored, BLOCK=4096, num_warps=8)
    return losses
