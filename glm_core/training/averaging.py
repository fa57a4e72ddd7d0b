"""The mean of the adapter's weights over the last updates of a run.

At a constant rate the weights circle around what the rows ask for; their mean is nearer to it than any of them, and changes
fewer of the model's other answers (Izmailov et al., 2018; measured in benchmarks/RESULTS.md). Not here: which updates
count (settings.py), when a checkpoint is written (trainer.py).
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open

from glm_core.models.checkpoints import write_tensors

FILE = "average.safetensors"


class WeightAverage:
    """The running mean of `weights` after each update that follows the first `skipped` ones."""

    def __init__(self, weights: Iterable[torch.Tensor], skipped: int):
        self._weights, self._skipped = list(weights), skipped
        self._means: list[torch.Tensor] = []
        self.count = 0

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Count the weights in as they are after update `step`."""
        if step <= self._skipped:
            return
        self.count += 1
        if self.count == 1:
            self._means = [weight.detach().clone() for weight in self._weights]
        else:
            torch._foreach_lerp_(self._means, [weight.detach() for weight in self._weights], 1 / self.count)

    @torch.no_grad()
    def apply(self) -> None:
        """Give the weights their means; nothing where none was counted."""
        for weight, mean in zip(self._weights, self._means, strict=False):
            weight.copy_(mean)

    def save(self, folder: Path) -> None:
        """Write means and count into `folder`, if there are any.

        Raises:
            OSError: the system refuses it.
        """
        if self.count:
            means = {str(place): mean.contiguous() for place, mean in enumerate(self._means)}
            write_tensors(means | {"count": torch.tensor(self.count)}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote into `folder`; from nothing where it wrote nothing."""
        self.count, self._means = 0, []
        if (folder / FILE).is_file():
            with safe_open(folder / FILE, "pt") as file:
                self.count = int(file.get_tensor("count"))
                self._means = [file.get_tensor(str(place)).to(one) for place, one in enumerate(self._weights)]
