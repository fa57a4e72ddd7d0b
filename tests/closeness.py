"""How near two tensors must be that different processors compute: a share of their own size, not a fixed number."""

import torch


def gap(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the largest difference as a share of the largest wanted value (of 1e-4 where that is smaller)."""
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-4))
