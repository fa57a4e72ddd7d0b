"""One token for every row of a batch: the rows' state on the device, and the step, recorded once and replayed on a GPU.

Not here: prompts (prefill.py), text and who the rows belong to (greedy.py, `glm_core.serving.batching.batch`).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import Cache

from glm_core.generation.kv_cache import SlotKVCache, doubled, enlarged
from glm_core.generation.prefill import LayerStates
from glm_core.models.kernels.dispatch import kernels_for
from glm_core.models.kernels.processor import decoding
from glm_core.models.prefix_tuning import activate_prefix

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

log = logging.getLogger(__name__)


PARTS = 32
"Of a row of logits, searched side by side: a GPU would give a whole row to one of its many processors."


def argmax_finite(logits: torch.Tensor) -> torch.Tensor:
    """The token of the highest logit in each row of (..., V), the first of equal ones; -1 where that is not finite.

    A NaN counts as the highest, so a row that has one anywhere is found out.
    """
    kernels = kernels_for(logits)
    if kernels is not None:
        return kernels.argmax_finite(logits)
    width = logits.shape[-1]
    parts = logits.unflatten(-1, (PARTS, -1)) if width % PARTS == 0 else logits.unsqueeze(-2)
    highest, places = parts.max(-1)
    value, part = highest.max(-1)
    token = part * parts.shape[-1] + places.gather(-1, part.unsqueeze(-1)).squeeze(-1)
    return torch.where(torch.isfinite(value), token, -1)


def send(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`values`, which the processor has, on `device`, without waiting for what that still computes."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


class CudaGraphs:
    """Records steps as CUDA graphs of the current device that share one pool of memory."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, step: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Run `step` once for real beside the main stream, which lets libraries prepare what must not be recorded."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = step().clone()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        return result

    def record(self, step: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """Return what repeats all that `step` launches, and returns its result.

        Raises:
            RuntimeError: it cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                result = step()
        except RuntimeError:
            torch.cuda.synchronize()
            raise

        def replay() -> torch.Tensor:
            graph.replay()
            return result

        return replay


class CudaGraphRunner:
    """Runs steps on a GPU from CUDA graphs, which spares the launch of every kernel; elsewhere it just runs them.

    Args:
        device: where the steps compute.
        recorder: makes what records steps; None = `CudaGraphs` on the current GPU, and nothing elsewhere.
    """

    def __init__(self, device: torch.device, recorder: Callable[[], CudaGraphs] | None = None):
        on_gpu = device.type == "cuda" and device.index in (None, torch.cuda.current_device())
        self._recorder = recorder or (CudaGraphs if on_gpu else None)
        self._recorded: dict[object, Callable[[], torch.Tensor]] = {}
        self.forget()

    def forget(self) -> None:
        """Tensors that steps use have moved."""
        self._recorded.clear()
        self._graphs = self._recorder() if self._recorder else None  # a pool without graphs is closed for good

    def run(self, key: object, step: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The result of `step`; the second run of the same `key` and later ones repeat what the first launched.

        `step` must not wait for the device, and all its inputs must stay where they are. The result is overwritten by
        the next run. Where recording fails, steps just run from then on.
        """
        if self._graphs is None:
            return step()
        if key in self._recorded:
            return self._recorded[key]()
        result = self._graphs.warm_up(step)
        try:
            self._recorded[key] = self._graphs.record(step)
        except RuntimeError:
            log.warning("the decoding step cannot be recorded; it goes on launch by launch", exc_info=True)
            self._recorder = self._graphs = None
        return result


class ActiveAdapter:
    """The adapters of a `DecodeRunner` all of whose rows use what is active on the model just now."""

    side_by_side = None

    def __init__(self, loaded: "LoadedModel"):
        switch = getattr(loaded.model, "prefixes", None)
        self._model, self._name = loaded.model, switch.active if switch is not None else None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Return what is active after the block is what was before."""
        try:
            yield
        finally:
            activate_prefix(self._model, self._name)

    def set_step(self, slot: None, prefixes: Sequence[str | None] | None) -> None:
        """Let the next forwards see these prefixes, None for none; a LoRA stays."""
        activate_prefix(self._model, prefixes)

    def prefix(self, slot: None) -> str | None:
        """The active prefix."""
        return self._name

    def prefix_states(self, slot: None) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """Its key and value (1, kv_heads, P, D) of every layer; None where there is none."""
        return self._name and self._model.prefixes.states(self._name, self._model.get_input_embeddings().weight.dtype)

    def prefix_log_scale(self, slot: None) -> tuple[int, float]:
        """Number of its columns, and the summand of their scores by its strength."""
        encoder = self._name and self._model.prefixes[self._name]
        return (encoder.length, encoder.log_scale) if encoder else (0, 0.0)


class DecodeRunner:
    """Rows 0 to n - 1 of a batch. All methods belong to one thread, in inference mode.

    Args:
        adapters: what a slot is: `ActiveAdapter`, or `glm_core.serving.batching.adapter_slots.Adapters`.
        slot: the adapter of all rows where it is one that cannot be mixed, else None.
        fixed: compute whole buffers and numbers of rows that are powers of two, so that the tensors of a step have few
            shapes. By default where that can be recorded: on a GPU, for architectures whose steps can.
        capacity: rows and columns of the buffers where that is known; else they grow by doubling.

    Attributes:
        recorder: runs the part of a step that is recorded on a GPU; another one with the methods of `CudaGraphRunner` may take its place.
    """

    def __init__(
        self,
        loaded: "LoadedModel",
        adapters,
        slot: str | None = None,
        fixed: bool | None = None,
        capacity: tuple[int, int] | None = None,
    ):
        self._loaded, self._adapters, self._slot = loaded, adapters, slot
        self._architecture, device = loaded.family.architecture, loaded.model.device
        self.fixed = device.type == "cuda" and self._architecture.recordable if fixed is None else fixed
        self.recorder = CudaGraphRunner(device if self.fixed else torch.device("cpu"))
        self._lora = adapters.side_by_side if slot is None else None
        self._generation = 0  # of the tensors of `_lora` that recorded steps use
        self._capacity = capacity
        self._cache: SlotKVCache | None = None
        self._slots: list[str | None] = []
        self._lengths: list[int] = []
        self._log_scales: list[float] = []
        self._ahead: list[int] = []  # columns of each row's prefix
        self._changed = False
        shape = (0, *self._architecture.position_shape)
        self._positions, self._strides = (torch.zeros(shape, dtype=torch.long, device=device) for _ in range(2))
        self._ids, self._active = (torch.zeros(one, dtype=torch.long, device=device) for one in ((0, 1), (0,)))

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def kept_bytes(self) -> int:
        """Return what the buffers of keys and values take; recorded steps take more beside them."""
        return 0 if self._cache is None else sum(one.keys.nbytes + one.values.nbytes for one in self._cache.layers)

    def add(self, slot: str | None, prompts: Cache, index: int, length: int, token: int, position, stride) -> None:
        """A row whose prompt is the last `length` columns of row `index` of `prompts`.

        Args:
            token: the one to feed next.
            position, stride: of it, (1) or (2, 1), and by how much each later one is further on.
        """
        if self._cache is None:
            self._cache = SlotKVCache(prompts)
            if self._capacity:
                self._cache.resize(*self._capacity)
                self._move_rows()
        number = len(self)
        prefix = self._adapters.prefix_states(slot) if self._architecture.caches_prefix else None
        ahead, log_scale = (0, 0.0) if prefix is None else self._adapters.prefix_log_scale(slot)
        self._reserve(number + 1, ahead + length + 1)
        self._lengths.append(self._cache.fill(number, prompts, index, length, prefix, log_scale))
        self._log_scales.append(log_scale)
        self._ahead.append(ahead)
        self._slots.append(slot)
        self._ids[number], self._active[number] = token, 1
        self._positions[number], self._strides[number] = position, stride
        self._changed = True

    def remove(self, row: int) -> None:
        """Take a row out; the last one takes its number."""
        last = len(self) - 1
        self._cache.move(last, row, self._lengths[last])
        for states in (self._ids, self._positions, self._strides, self._active):
            states[row] = states[last]
            states[last] = 0
        state: tuple[list, ...] = (self._slots, self._lengths, self._log_scales, self._ahead)
        for values in state:
            values[row] = values[last]
            values.pop()
        self._changed = True

    def states(self, row: int, most: int) -> LayerStates:
        """Return a copy of the keys and values of a row's tokens, at most the first `most`, without its prefix."""
        return self._cache.copy(row, min(most, self._lengths[row] - self._ahead[row]), self._ahead[row])

    def next_ids(self) -> torch.Tensor:
        """(n, 1): where the tokens that the next step feeds belong."""
        return self._ids[: len(self)]

    def step(self) -> torch.Tensor:
        """Feed one token to every row; logits (n, V) of the following ones."""
        self._reserve(len(self), max(self._lengths) + 1)
        self._choose_window()
        self._choose_adapters()
        if self._lora is None:
            logits = self.recorder.run(self._cache.rows, self._compute)
        else:
            if self._lora.generation > self._generation:
                self.recorder.forget()  # its tensors have moved
                self._generation = self._lora.generation
            with self._lora.acting():
                logits = self.recorder.run((self._cache.rows, self._lora.generation), self._compute)
        self._lengths = [length + 1 for length in self._lengths]
        return logits[: len(self)]

    def _reserve(self, rows: int, columns: int) -> None:
        if self._cache.reserve(rows, columns):
            self._move_rows()

    def _move_rows(self) -> None:
        """Follow the cache to its new size."""
        rows, self._changed = self._cache.lengths.shape[0], True
        self._ids, self._positions, self._strides, self._active = (
            enlarged(states, (rows, *states.shape[1:]))
            for states in (self._ids, self._positions, self._strides, self._active)
        )
        self.recorder.forget()

    def _choose_window(self) -> None:
        longest = max(self._lengths) + 1
        if self.fixed:
            rows = min(doubled(1, len(self)), self._cache.lengths.shape[0])
            self._cache.window(rows, self._cache.capacity, masked=True)
        else:
            self._cache.window(len(self), longest, masked=min(self._lengths) + 1 < longest or any(self._log_scales))

    def _choose_adapters(self) -> None:
        """Prefixes are in the cache where the architecture can have them there; LoRA is ours, but for one that cannot be mixed."""
        if self._lora is not None and self._changed:
            self._lora.arrange(self._slots, self._cache.lengths.shape[0])
            self._changed = False
        beside = not self._architecture.caches_prefix
        prefixes = [self._adapters.prefix(slot) for slot in self._slots] if beside else None
        self._adapters.set_step(self._slot, prefixes)

    def _compute(self) -> torch.Tensor:
        """The step, as tensors of fixed places: forward, then every row one token further."""
        rows, cache = self._cache.rows, self._cache
        ids, positions = self._ids[:rows], self._positions[:rows]  # (B, 1), (B, *position_shape)
        with decoding():
            logits = self._architecture.decode_step(self._loaded.model, ids, positions, cache)  # (B, V)
        self._positions += self._strides
        cache.lengths += self._active
        return logits
