"""A decode step of pre-normalized decoders in torch's own operations: what a processor computes with few calls.

The functions of `decoder.py` by the same names. On a processor a call costs as long as a small product, so heads of
queries and keys are rotated together, and the mask of a step is made once for all layers.
"""

import torch
import torch.nn.functional as F

from glm_core.models.architectures.base import StepCache
from glm_core.models.architectures.rotation import rotate


class PlainStep:
    """One step of the rows of `cache`, in float32.

    Args:
        dtype: of the states.
    """

    def __init__(self, cache: StepCache, dtype: torch.dtype):
        self._rows, self._columns = cache.rows, cache.columns
        self._numbers = torch.arange(cache.rows, device=cache.lengths.device)
        self._mask = cache.visible(dtype)  # (B, 1, 1, columns), None where every row has all columns
        self._tables: tuple[torch.Tensor, torch.Tensor] | None = None  # (B, 1, D) each, of the step's positions

    @staticmethod
    def add_rms_norm(
        states: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor, eps: float, before: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the new residual (B, H) and its RMSNorm (B, H), see `decoder.add_rms_norm`."""
        if before is not None:
            states = F.rms_norm(states, before.shape, before, eps)
        total = states + residual
        return total, F.rms_norm(total, weight.shape, weight, eps)

    @staticmethod
    def silu_mul(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """SiLU of `gate` times `up`, both (B, F)."""
        return F.silu(gate).mul_(up)

    def attend_grouped(
        self, query, key, value, cosine, sine, keys, values, lengths, ahead, log_scale, *, scale, pairs, norms=None
    ) -> torch.Tensor:
        """Normalize, rotate, remember, attend, for one token a row; (B, heads x D), see `decoder.attend_grouped`."""
        rows, width, groups = self._rows, keys.shape[3], keys.shape[1]
        query, key = query.view(rows, -1, width), key.view(rows, -1, width)
        if norms is not None:
            query, key = (
                F.rms_norm(one, norm.shape, norm, norms[2]) for one, norm in ((query, norms[0]), (key, norms[1]))
            )
        both = self._rotate(torch.cat([query, key], 1), cosine, sine, pairs)  # (B, heads + groups, D)
        query, key = both[:, :-groups], both[:, -groups:]
        places: tuple = self._numbers, slice(None), lengths[:rows]
        if self._mask is None:  # all rows write the last column
            places = slice(rows), slice(None), self._columns - 1
        keys[places], values[places] = key, value.view(rows, groups, width)
        window = slice(rows), slice(None), slice(self._columns)
        heads = query.reshape(rows, groups, -1, width)  # the heads of a group are the rows of one product
        mixed = F.scaled_dot_product_attention(heads, keys[window], values[window], self._mask, scale=scale)
        return mixed.reshape(rows, -1)

    def _rotate(self, heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, pairs: bool) -> torch.Tensor:
        """`heads` (B, heads, D) turned by the step's angles, (B, R) of each; see `rotate`."""
        half = heads.shape[2] // 2
        if pairs or cosine.shape[1] < heads.shape[2]:
            return rotate(heads, cosine[:, None], sine[:, None], pairs)
        if self._tables is None:
            signed = torch.cat([-sine[:, :half], sine[:, half:]], 1)
            self._tables = cosine[:, None], signed[:, None]
        return torch.addcmul(heads * self._tables[0], heads.roll(half, 2), self._tables[1])
