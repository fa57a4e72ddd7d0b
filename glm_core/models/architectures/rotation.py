"""Rotary positions (Su et al. 2021) as the kernels compute them."""

import torch


def rotate(heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, pairs: bool) -> torch.Tensor:
    """Return `heads` (..., D) turned by the angles of their positions.

    Args:
        cosine, sine: (..., R) of R / 2 angles, which come first; R entries of each head are rotated.
        pairs: turn an entry together with its neighbor (ChatGLM, GLM), not the first half with the second (Llama).
    """
    turned = cosine.shape[-1]
    a, b = cosine[..., : turned // 2], sine[..., : turned // 2]  # (..., R / 2) each, as first and second
    first, second = (
        (heads[..., 0:turned:2], heads[..., 1:turned:2])
        if pairs
        else (heads[..., : turned // 2], heads[..., turned // 2 : turned])
    )
    both = first * a - second * b, second * a + first * b
    front = torch.stack(both, -1).flatten(-2) if pairs else torch.cat(both, -1)
    return front if turned == heads.shape[-1] else torch.cat([front, heads[..., turned:]], -1)
