"""LoRA chosen row by row in a step of one token: the adapters of a batch side by side, as one low-rank product.

y += ((x A^T) * share) B, where A (R, in) and B (R, out) hold all of the batch's adapters one behind the other and `share`
(rows, R) is 1 in a row's own ranks and 0 elsewhere. Two small products and a multiplication a layer whatever the mixture,
or one kernel on a GPU, in memory that stays where it is, so that a step can be recorded. Not here: prompts, which PEFT
computes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel

from glm_core.models.kernels.adjacent import SIBLINGS
from glm_core.models.kernels.dispatch import kernels_for

ROUND = 16
"The ranks together are rounded up to a multiple of this."


class RowLora:
    """The adapters of the rows of a model's one mixed batch.

    Args:
        factors: of the adapter in a slot, `glm_core.adapters.scale.factors`, the same object as long as it is loaded.
    """

    def __init__(self, model: PreTrainedModel, factors: Callable[[str], dict]):
        self._model, self._factors = model, factors
        self._held: dict[str, dict] = {}  # slot -> its factors, in the order of their ranks
        self._layers: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._together: dict[
            str, tuple[torch.Tensor, torch.Tensor, list[int]]
        ] = {}  # of siblings, by the first one's path
        self._handles: list = []
        self._first: list[nn.Module] = []  # of each set of siblings
        self._share = torch.empty(0, 0)
        self._ranges = torch.empty(2, 0, dtype=torch.int32)  # of each row's adapter: its first rank, how many it has
        self._most = 0
        self._active = False
        self.generation = 0
        "Counts how often the tensors moved; 0 where no row has a LoRA."
        self._moves = 0

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Forwards within the block, of one token a row, use them."""
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def arrange(self, slots: Sequence[str | None], rows: int) -> None:
        """Let row i use `slots[i]`; there are `rows` rows, those beyond `slots` idle."""
        needed = {slot: self._factors(slot) for slot in slots if slot}
        needed = {slot: factors for slot, factors in needed.items() if factors}
        if any(self._held.get(slot) is not factors for slot, factors in needed.items()):
            self._hold(needed)
        self.generation = self._moves if needed else 0
        if needed:
            self._divide(slots, rows)

    def _hold(self, needed: dict[str, dict]) -> None:
        """Lay the factors of `needed` side by side, in the tensors at hand where they fit; these only grow."""
        self._held = needed
        ranks = sum(_rank(factors) for factors in needed.values())
        sizes = {path: (a.shape[1], b.shape[0]) for factors in needed.values() for path, (a, b, _) in factors.items()}
        if ranks > self._ranks() or not sizes.keys() <= self._layers.keys():
            held = {path: (a.shape[1], b.shape[1]) for path, (a, b) in self._layers.items()}
            self._allocate(held | sizes, max(self._ranks(), -(-ranks // ROUND) * ROUND))
        for a, b in self._layers.values():
            a.zero_()
            b.zero_()
        start = 0
        for factors in needed.values():
            stop = start + _rank(factors)
            for path, (a, b, scaling) in factors.items():
                self._layers[path][0][start : start + a.shape[0]] = a  # (rank, in) of (ranks, in)
                self._layers[path][1][start : start + a.shape[0]] = b.T * scaling  # (rank, out) of (ranks, out)
            start = stop
        self._watch()

    def _ranks(self) -> int:
        return next((a.shape[0] for a, _ in self._layers.values()), 0)

    def _allocate(self, sizes: dict[str, tuple[int, int]], ranks: int) -> None:
        """Siblings that have one input get common tensors, also those that no adapter is for; each one's are parts of them."""
        like, self._layers, self._together = self._model.get_input_embeddings().weight, {}, {}
        for paths in self._siblings(sizes):
            layers = [self._model.get_submodule(path) for path in paths]
            wide, widths = layers[0].in_features, [layer.out_features for layer in layers]
            a, b = like.new_empty(len(paths) * ranks, wide), like.new_empty(ranks, sum(widths))
            self._layers |= zip(paths, zip(a.split(ranks), b.split(widths, 1), strict=True), strict=True)
            self._together[paths[0]] = a, b, widths
        for path, (wide, out) in sizes.items():
            if path not in self._layers:
                self._layers[path] = like.new_empty(ranks, wide), like.new_empty(ranks, out)
        self._moves += 1

    def _siblings(self, paths: Iterable[str]) -> Iterator[list[str]]:
        """The paths of all layers of each set of siblings of which one at least is among `paths`."""
        for parent in dict.fromkeys(path.rpartition(".")[0] for path in paths):
            for names in SIBLINGS:
                found = [f"{parent}.{name}" for name in names]
                modules = self._model.get_submodule(parent)._modules
                if not any(path in paths for path in found) or not all(name in modules for name in names):
                    continue
                if len({modules[name].in_features for name in names}) == 1:
                    yield found

    def _watch(self) -> None:
        """Hook all layers there are factors for: PEFT makes new ones when its last adapter goes and one comes.

        Those too that no adapter of the moment is for, whose factors are 0: what is recorded then holds for the next ones.
        """
        for handle in self._handles:
            handle.remove()
        self._handles = [
            self._model.get_submodule(path).register_forward_hook(self._hook(*tensors))
            for path, tensors in self._layers.items()
        ]
        for module in self._first:
            vars(module).pop("add_together", None)
        self._first = [self._model.get_submodule(path) for path in self._together]
        for module, tensors in zip(self._first, self._together.values(), strict=True):
            vars(module)["add_together"] = self._adder(*tensors)

    def _hook(self, a: torch.Tensor, b: torch.Tensor):
        def add(module, inputs, output):
            if not (self._active and self.generation):
                return None
            rows = output.shape[0]  # output (B, 1, out), or (B, out), columns of what siblings made together
            kernels = kernels_for(output.view(rows, -1))
            if kernels is not None and self._most <= kernels.MOST_RANKS:
                kernels.add_lora(output.view(rows, -1), inputs[0].reshape(rows, -1), a, b, *self._ranges, self._most)
                return output
            low = inputs[0].reshape(rows, -1) @ a.T  # (B, in) @ (in, ranks) -> (B, ranks)
            return torch.addmm(output.view(rows, -1), low.mul_(self._share[:rows]), b).view(output.shape)

        return add

    def _adder(self, a: torch.Tensor, b: torch.Tensor, widths: list[int]):
        def add(states, product) -> bool:
            """Add to `product` (B, all outs) of siblings what their hooks would; returns whether it could."""
            kernels = kernels_for(product) if self._active and self.generation else None
            if kernels is None or self._most > kernels.MOST_RANKS:
                return False
            if any(width % kernels.TOGETHER for width in widths[:-1]):
                return False
            kernels.add_lora(product, states, a, b, *self._ranges, self._most, widths)
            return True

        return add

    def _divide(self, slots: Sequence[str | None], rows: int) -> None:
        share, ranges, start = torch.zeros(rows, self._ranks()), torch.zeros(2, rows, dtype=torch.int32), 0
        for slot, factors in self._held.items():
            stop = start + _rank(factors)
            for row, wanted in enumerate(slots):
                if wanted == slot:
                    share[row, start:stop] = 1.0
                    ranges[0, row], ranges[1, row] = start, stop - start
            start = stop
        most = max(map(_rank, self._held.values()))
        if self._share.shape != share.shape or most > self._most:
            self._most = most
            self._share = share.to(self._model.get_input_embeddings().weight)
            self._ranges = ranges.to(self._share.device)
            self._moves += 1
            self.generation = self._moves
        else:
            self._share.copy_(share)
            self._ranges.copy_(ranges)


def _rank(factors: dict) -> int:
    """Ranks may differ by module (a pattern); the widest has room for all."""
    return max(a.shape[0] for a, _, _ in factors.values())
