"""Keys and values of the rows of a running batch, in buffers that grow in steps instead of being copied at every token.

A transformers `Cache`, so any model takes it. Rows are padded at the left to one length; they join and leave between
steps. What the padding means for attention is the caller's business (`generation.py`).
"""

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

CHUNK = 128
"Columns by which a buffer grows."


class RowLayer(CacheLayerMixin):
    """One layer: `keys` and `values` (B, heads, capacity, D), of which the first `length` columns are in use."""

    is_sliding = False

    def __init__(self):
        super().__init__()
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take shape, type and device from the first states."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = _buffer(key_states, CHUNK)
        self.values = _buffer(value_states, CHUNK)
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        """Append (B, heads, S, D) and return all keys and values so far, as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.length = self.length, self.length + key_states.shape[2]
        if self.length > self.keys.shape[2]:
            self.keys, self.values = self._grown(self.keys), self._grown(self.values)
        self.keys[:, :, start : self.length] = key_states
        self.values[:, :, start : self.length] = value_states
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def _grown(self, buffer: torch.Tensor) -> torch.Tensor:
        larger = _buffer(buffer, max(self.length, buffer.shape[2] + buffer.shape[2] // 2))
        larger[:, :, : buffer.shape[2]] = buffer
        return larger

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.length

    def get_max_length(self) -> int:
        """No limit of its own."""
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys that `query_length` new columns will see."""
        return self.length + query_length, 0

    def select(self, rows: list[int], drop: int) -> None:
        """Keep only `rows`, without the first `drop` columns."""
        index = torch.tensor(rows, device=self.device)
        self.keys = self.keys[index, :, drop : self.length]
        self.values = self.values[index, :, drop : self.length]
        self.length -= drop

    def append(self, other: "RowLayer") -> None:
        """Add the rows of `other` below; the shorter of the two gets columns of zeros at its left."""
        length = max(self.length, other.length)
        self.keys = _stacked(self.keys, self.length, other.keys, other.length, length)
        self.values = _stacked(self.values, self.length, other.values, other.length, length)
        self.length = length


class RowCache(Cache):
    """The layers of a whole model; each is made when the model first writes to it."""

    def __init__(self):
        super().__init__(layer_class_to_replicate=RowLayer)

    def select(self, rows: list[int], drop: int = 0) -> None:
        """Keep only `rows` of the batch, without the first `drop` columns."""
        for layer in self.layers:
            layer.select(rows, drop)

    def append(self, other: "RowCache") -> None:
        """Add the rows of `other` to the batch."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.append(theirs)


def _buffer(like: torch.Tensor, columns: int) -> torch.Tensor:
    """Zeros (B, heads, at least `columns`, D): padding is multiplied by a weight of zero, so it must be finite."""
    rounded = -(-columns // CHUNK) * CHUNK
    return like.new_zeros(like.shape[0], like.shape[1], rounded, like.shape[3])


def _stacked(
    upper: torch.Tensor, upper_length: int, lower: torch.Tensor, lower_length: int, length: int
) -> torch.Tensor:
    rows = upper.shape[0] + lower.shape[0]
    stacked = _buffer(upper[:1], length + 1).expand(rows, -1, -1, -1).contiguous()
    stacked[: upper.shape[0], :, length - upper_length : length] = upper[:, :, :upper_length]
    stacked[upper.shape[0] :, :, length - lower_length : length] = lower[:, :, :lower_length]
    return stacked
