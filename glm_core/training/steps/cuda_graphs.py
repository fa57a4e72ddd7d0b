"""Forward and backward of a micro-batch recorded as a CUDA graph and replayed: one launch in place of thousands.

At 128 tokens a GPU computes a step of ChatGLM-6B several times faster than Python can launch its kernels. Shapes are
rounded so that there are few. The largest is recorded first and the others share its memory, so that all of them take no
more than one. Where recording fails, all goes on as without. Not here: which work is recorded (`AnswerLoss.compute`), the
optimizer, which stays outside.
"""

import gc
from collections.abc import Callable

import torch

from glm_core.training.steps.loss import IGNORED, AnswerLoss

SHARES = 2  # places for targets come in halves of a batch's tokens
FEW_TOKENS = 64  # that more cost a GPU next to nothing
MOST = 64  # recordings; rarer shapes are computed the ordinary way


def round_length(length: int, rows: int) -> int:
    """`length` of a batch of `rows`, rounded up so that lengths recur: by at most an eighth, or by what few tokens take."""
    step = max(8, FEW_TOKENS // rows, 2 ** (length.bit_length() - 4))
    return -(-length // step) * step


class Recording:
    """One shape: the tensors that the graph reads, the graph, and the loss that it writes beside the gradients."""

    def __init__(self, loss: AnswerLoss, weights: list, gradients: list, plan: dict[str, torch.Tensor], pool):
        self._inputs = {name: tensor.clone() for name, tensor in plan.items()}
        self._result = torch.zeros((), device=gradients[0].device)  # the loss, ()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            result = loss.compute(**self._inputs)  # ()
            torch._foreach_copy_(gradients, torch.autograd.grad(result, weights))  # each as its weight
            self._result.copy_(result.detach())

    def replay(self, plan: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of `plan`."""
        for name, tensor in plan.items():
            self._inputs[name].copy_(tensor)
        self._graph.replay()
        return self._result.clone()


class CudaGraphStep:
    """Computes the gradients of batches from recordings of `loss`, one for each shape.

    Args:
        loss: on a GPU, with what is to be trained requiring gradients.
        largest: the batch that needs most memory, as in `__call__`; it is computed once to warm up, and recorded.
        complain: called with the error when recording fails; nothing is recorded any more then.
        record: makes a recording of one shape; its arguments are those of `Recording`.
        scale: by which losses and gradients are multiplied, as the Trainer does with those of several processes.
    """

    def __init__(
        self,
        loss: AnswerLoss,
        largest: dict[str, torch.Tensor],
        complain: Callable[[Exception], None],
        record: Callable[..., Recording] = Recording,
        scale: float = 1.0,
    ):
        self._loss, self._complain, self._record, self._scale = loss, complain, record, scale
        self._weights = [weight for weight in loss.parameters() if weight.requires_grad]
        self._gradients = [torch.zeros_like(weight) for weight in self._weights]  # what every recording writes
        self._recordings: dict[tuple, Recording] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._works = True
        loss.train()
        self._warm_up(largest)
        self._find(largest)

    def __call__(self, inputs: dict[str, torch.Tensor], items: torch.Tensor | int | None) -> torch.Tensor | None:
        """The loss of a micro-batch, its gradients added to the weights'; None where it has to be computed otherwise.

        Args:
            inputs: `input_ids`, `attention_mask` and `labels` (B, S), best still in the computer's own memory.
            items: what the sum of losses is divided by.
        """
        recording = self._find(inputs)
        if recording is None:
            return None
        loss = recording.replay(self._plan(inputs, items))
        if self._weights[0].grad is None:
            for weight, gradient in zip(self._weights, torch._foreach_mul(self._gradients, self._scale), strict=True):
                weight.grad = gradient
        else:
            torch._foreach_add_([weight.grad for weight in self._weights], self._gradients, alpha=self._scale)
        return loss * self._scale

    def _warm_up(self, largest: dict[str, torch.Tensor]) -> None:
        """Libraries prepare themselves at a first use, which may not be recorded. No random number is used up."""
        device = self._weights[0].device
        with torch.random.fork_rng([device]):
            torch.autograd.grad(self._loss.compute(**self._plan(largest, 1)), self._weights)
        torch.cuda.empty_cache()
        gc.collect()
        gc.freeze()  # recording collects garbage each time, and need not look at what is there now

    def _find(self, inputs: dict[str, torch.Tensor]) -> Recording | None:
        """The recording for batches of this shape, made now where there is none yet."""
        tokens = self._loss.count_packed(inputs["attention_mask"])
        shape = (*inputs["input_ids"].shape, tokens, self._count_places(inputs))  # B, S, packed tokens, targets
        if shape in self._recordings or not (self._works and shape[-1] and len(self._recordings) < MOST):
            return self._recordings.get(shape)
        try:
            self._recordings[shape] = self._record(
                self._loss, self._weights, self._gradients, self._plan(inputs, 1), self._pool
            )
        except (RuntimeError, NotImplementedError) as error:  # what a library may not do while it is recorded
            self._works = False
            self._recordings.clear()
            self._end_recording()
            self._complain(error)
        return self._recordings.get(shape)

    def _end_recording(self) -> None:
        """A failed recording leaves the random numbers of its device as if it went on; dropout would refuse to work."""
        device = self._weights[0].device
        if device.type != "cuda":
            return
        generator = torch.cuda.default_generators[device.index or 0]
        generator.graphsafe_set_state(generator.clone_state())

    def _count_places(self, inputs: dict[str, torch.Tensor]) -> int:
        """Room for the batch's targets."""
        part = inputs["labels"].numel() // SHARES
        return -(-int((inputs["labels"] != IGNORED).sum()) // part) * part

    def _plan(self, inputs: dict[str, torch.Tensor], items: torch.Tensor | int | None) -> dict[str, torch.Tensor]:
        most, device = self._count_places(inputs), self._weights[0].device  # most: targets of the batch, rounded up
        tokens = self._loss.count_packed(inputs["attention_mask"])  # before the batch is on the device
        on_device = {name: tensor.to(device) for name, tensor in inputs.items()}
        return self._loss.plan(**on_device, items=items, most=most, tokens=tokens)
