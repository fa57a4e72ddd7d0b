"""Keys and values of the rows of a running batch: every row at the left of buffers that are larger than all of them.

A transformers `Cache`, so any model takes it. Each row writes its next token into its own column, so rows of any lengths
share a step; a row joins or leaves without the others being copied. What a step sees of it is a plain view (`window`),
the same memory at every step, so that a step can be recorded on the device.
"""

import weakref

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

CHUNK = 256
"Columns of the smallest buffer; larger ones are this doubled."


class RowLayer(CacheLayerMixin):
    """One layer: `keys` and `values` (R, heads, capacity, D)."""

    is_sliding = False

    def __init__(self, cache: "SlotKVCache", like: torch.Tensor):
        super().__init__()
        self._cache = weakref.proxy(cache)  # a cycle would keep gigabytes until the next collection
        self.dtype, self.device, self.is_initialized = like.dtype, like.device, True
        self.keys = like.new_zeros(0, like.shape[1], 0, like.shape[3])
        self.values = self.keys

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Do nothing: the buffers exist from the beginning."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        """Write (B, heads, 1, D) behind each row's tokens; returns the window's keys and values, as views."""
        rows, where = self._cache.numbers[: key_states.shape[0]], self._cache.lengths[: key_states.shape[0]]
        self.keys[rows, :, where] = key_states[:, :, 0]
        self.values[rows, :, where] = value_states[:, :, 0]
        return self._window(self.keys), self._window(self.values)

    def _window(self, states: torch.Tensor) -> torch.Tensor:
        return states[: self._cache.rows, :, : self._cache.columns]

    def get_seq_length(self) -> int:
        """Columns before the step's own."""
        return self._cache.columns - 1

    def get_max_length(self) -> int:
        """No limit of its own."""
        return -1

    get_max_cache_shape = get_max_length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys that a step sees."""
        return self._cache.columns, 0

    def resize(self, rows: int, columns: int) -> None:
        """Move to buffers of another size."""
        self.keys, self.values = (
            enlarged(states, (rows, states.shape[1], columns)) for states in (self.keys, self.values)
        )

    def write(self, row: int, column: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Put (heads, S, D) into columns `column` and following of `row`."""
        self.keys[row, :, column : column + keys.shape[1]] = keys
        self.values[row, :, column : column + keys.shape[1]] = values

    def move(self, source: int, target: int, columns: int) -> None:
        """Copy the first `columns` of one row over another's."""
        self.keys[target, :, :columns] = self.keys[source, :, :columns]
        self.values[target, :, :columns] = self.values[source, :, :columns]


class SlotKVCache(Cache):
    """The layers of a whole model, shaped like those of a prompt's cache.

    On the device, `lengths` (R,) holds each row's tokens so far, which is the column its next token goes to; `log_scale` (R,) is
    added to the scores of its first `ahead` (R,) columns, a prefix that acts at another strength than as trained.
    """

    def __init__(self, like: Cache):
        super().__init__(layers=[RowLayer(self, layer.keys) for layer in like.layers])
        self.lengths = torch.zeros(0, dtype=torch.long, device=like.layers[0].keys.device)
        self.numbers = self.lengths
        self.capacity = self.rows = self.columns = 0
        self.ahead, self.log_scale = self.lengths, self.lengths.float()
        self.masked = False

    def reserve(self, rows: int, columns: int) -> bool:
        """Have room for so many; True where that moved the buffers."""
        have = self.lengths.shape[0], self.capacity
        if rows <= have[0] and columns <= have[1]:
            return False
        self.resize(max(have[0], doubled(1, rows)), max(have[1], doubled(CHUNK, columns)))
        return True

    def resize(self, rows: int, columns: int) -> None:
        """Move to buffers of exactly that size, at least the present one."""
        self.capacity = columns
        for layer in self.layers:
            layer.resize(rows, self.capacity)
        self.lengths, self.ahead, self.log_scale = (
            enlarged(one, (rows,)) for one in (self.lengths, self.ahead, self.log_scale)
        )
        self.numbers = torch.arange(rows, device=self.lengths.device)

    def window(self, rows: int, columns: int, masked: bool) -> None:
        """Let the next step see the first `rows` and `columns`, the one it writes included.

        Args:
            masked: some row has fewer columns, or a log_scale.
        """
        self.rows, self.columns, self.masked = rows, columns, masked

    def seen(self) -> torch.Tensor | None:
        """Boolean (rows, columns): which each row has, the one that the step writes included; None for all."""
        if not self.masked:
            return None
        return torch.arange(self.columns, device=self.lengths.device) <= self.lengths[: self.rows, None]

    def visible(self, dtype: torch.dtype) -> torch.Tensor | None:
        """The same as a mask to add to scores, (rows, 1, 1, columns), with the log scales."""
        seen = self.seen()
        if seen is None:
            return None
        ahead = torch.arange(self.columns, device=self.lengths.device) < self.ahead[: self.rows, None]
        mask = torch.where(ahead, self.log_scale[: self.rows, None], 0.0).to(dtype)  # (rows, columns)
        return mask.masked_fill(~seen, -torch.inf)[:, None, None]  # (rows, 1, 1, columns)

    def fill(self, row: int, prompts: Cache, index: int, length: int, prefix: list | None, log_scale: float) -> int:
        """Put the last `length` columns of row `index` of `prompts` into `row`, behind its prefix; returns its tokens.

        Args:
            prefix: key and value (1, heads, P, D) of every layer, or None.
            log_scale: of its scores.
        """
        ahead = 0 if prefix is None else prefix[0][0].shape[2]
        for number, (layer, prompt) in enumerate(zip(self.layers, prompts.layers, strict=True)):
            if ahead:
                layer.write(row, 0, *(states[0] for states in prefix[number]))
            layer.write(row, ahead, prompt.keys[index, :, -length:], prompt.values[index, :, -length:])
        self.lengths[row], self.ahead[row], self.log_scale[row] = ahead + length, ahead, log_scale
        return ahead + length

    def copy(self, row: int, columns: int, start: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return key and value (1, heads, columns, D) of every layer, of a row's columns from `start` on, as new tensors."""
        kept = slice(start, start + columns)
        return [
            (layer.keys[row, None, :, kept].clone(), layer.values[row, None, :, kept].clone()) for layer in self.layers
        ]

    def move(self, source: int, target: int, columns: int) -> None:
        """Let row `target` be what `source` was, which has `columns` tokens; `source` is idle from now on."""
        if source != target:
            for layer in self.layers:
                layer.move(source, target, columns)
            for states in (self.lengths, self.ahead, self.log_scale):
                states[target] = states[source]
        self.lengths[source] = 0


def doubled(size: int, wanted: int) -> int:
    """`size`, doubled until it is at least `wanted`."""
    while size < wanted:
        size *= 2
    return size


def enlarged(states: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """`states` at the left of zeros of a larger `shape` (leading sizes): what no row has written must be finite."""
    larger = states.new_zeros(*shape, *states.shape[len(shape) :])
    larger[tuple(slice(size) for size in states.shape)] = states
    return larger
