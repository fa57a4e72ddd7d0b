"""Forward and backward of a micro-batch recorded as a CUDA graph and replayed: one launch in place of thousands.

At 128 tokens a card computes a step of ChatGLM-6B several times faster than Python can launch its kernels. A shape that
keeps coming back is recorded at its third time; shapes are rounded so that there are few. Where recording fails, all
goes on as without. Not here: which work is recorded (`AnswerLoss.compute`), the optimiser, which stays outside.
"""

from collections import Counter
from collections.abc import Callable

import torch

from glm_core.training.loss import IGNORED, AnswerLoss

SEEN_BEFORE = 2  # times that a shape is computed the ordinary way first, which is also the warm-up that libraries need
SHARES = 4  # places for targets come in quarters of a batch's tokens


def round_length(length: int) -> int:
    """`length` rounded up by at most an eighth, and at least to a multiple of 8: lengths of batches then recur."""
    step = max(8, 2 ** (length.bit_length() - 4))
    return -(-length // step) * step


class Replay:
    """Computes the gradients of batches from recordings of `loss`, one for each shape.

    Args:
        loss: in training mode, on a card, with what is to be trained requiring gradients.
        complain: called with the error when recording fails; nothing is recorded any more then.
    """

    def __init__(self, loss: AnswerLoss, complain: Callable[[Exception], None]):
        self._loss, self._complain = loss, complain
        self._weights = [weight for weight in loss.parameters() if weight.requires_grad]
        self._seen: Counter = Counter()
        self._recordings: dict[tuple, _Recording] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._works = True

    def __call__(self, inputs: dict[str, torch.Tensor], items: torch.Tensor | int | None) -> torch.Tensor | None:
        """The loss of a micro-batch, its gradients added to the weights'; None where it has to be computed otherwise.

        Args:
            inputs: `input_ids`, `attention_mask` and `labels` (B, S), best still in the computer's own memory.
            items: what the sum of losses is divided by.
        """
        rows, length = inputs["input_ids"].shape
        quarter = rows * length // SHARES
        most = -(-int((inputs["labels"] != IGNORED).sum()) // quarter) * quarter
        shape = (rows, length, most)
        self._seen[shape] += 1
        if not self._works or not most or self._seen[shape] <= SEEN_BEFORE:
            return None
        device = self._weights[0].device
        plan = self._loss.plan(**{name: tensor.to(device) for name, tensor in inputs.items()}, items=items, most=most)
        if shape not in self._recordings:
            try:
                self._recordings[shape] = _Recording(self._loss, self._weights, plan, self._pool)
            except (RuntimeError, NotImplementedError) as error:  # what a library may not do while it is recorded
                self._works = False
                self._recordings.clear()
                self._complain(error)
                return None
        return self._recordings[shape].replay(plan)


class _Recording:
    """One shape: the tensors that the graph reads, the graph, and what it writes."""

    def __init__(self, loss: AnswerLoss, weights: list[torch.nn.Parameter], plan: dict[str, torch.Tensor], pool):
        self._weights = weights
        self._inputs = {name: tensor.clone() for name, tensor in plan.items()}
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._result = loss.compute(**self._inputs)
            self._gradients = torch.autograd.grad(self._result, weights)
            self._result = self._result.detach()
        torch.cuda.empty_cache()  # the ordinary way's memory, which this shape no longer needs

    def replay(self, plan: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of `plan`; its gradients are added to the weights'."""
        for name, tensor in plan.items():
            self._inputs[name].copy_(tensor)
        self._graph.replay()
        if self._weights[0].grad is None:
            for weight, gradient in zip(self._weights, torch._foreach_mul(self._gradients, 1.0), strict=True):
                weight.grad = gradient
        else:
            torch._foreach_add_([weight.grad for weight in self._weights], self._gradients)
        return self._result.clone()
