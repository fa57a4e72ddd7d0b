"""Cross-entropy over the answer rows only, a chunk of logits at a time; the full logits never exist.

With a frozen head the gradient with respect to the hidden states is known as soon as a chunk's softmax is, so the
forward computes it and throws the logits away: at 2,048 tokens of ChatGLM-6B 0.2 GB in place of 3.7. A trainable head
(LoRA on `lm_head`) takes the ordinary way, a chunk at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

from glm_core.models.architectures.base import Architecture, CappedLogits, PackedRows
from glm_core.models.architectures.packing import Packing, pack, round_tokens
from glm_core.models.kernels.dispatch import training_kernels
from glm_core.training.memory.activations import CHUNK_ROWS

IGNORED = -100


class _TakenInForward(torch.autograd.Function):
    """A sum over its first argument, whose gradient its forward has saved, None where none is needed; of four more none is."""

    @staticmethod
    def backward(ctx, upstream):
        (gradient,) = ctx.saved_tensors
        return (gradient * upstream.to(gradient.dtype) if gradient is not None else None), None, None, None, None


class _FrozenHeadLoss(_TakenInForward):
    """Summed cross-entropy of `rows` (N, H) under a frozen head (V, H), its gradient taken in the forward."""

    @staticmethod
    def forward(ctx, rows, weight, bias, targets, chunk):
        total = torch.zeros((), dtype=torch.float32, device=rows.device)
        gradient = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for start in range(0, rows.shape[0], chunk):
            logits = F.linear(rows[start : start + chunk], weight, bias)  # (C, V)
            losses, errors = _to_errors(logits, targets[start : start + chunk])
            total += losses.sum()
            if gradient is not None:
                torch.mm(errors, weight, out=gradient[start : start + chunk])
            del logits, errors  # or the next chunk's would be beside them
        ctx.save_for_backward(gradient)
        return total


def _to_errors(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The cross-entropies (N,) of `logits` (N, V) and their gradients (N, V), for which the memory of `logits` is used."""
    kernels = training_kernels(logits.device)
    if kernels is not None:
        return kernels.logits_to_errors(logits, targets, IGNORED), logits
    live, wanted = (targets != IGNORED)[:, None], targets.clamp(min=0)[:, None]
    scores = F.log_softmax(logits, -1, dtype=torch.float32)  # (N, V)
    losses = -(scores.gather(1, wanted) * live)[:, 0]
    errors = scores.exp_()  # in place: one float32 chunk is all there is
    errors.scatter_add_(1, wanted, -torch.ones_like(wanted, dtype=errors.dtype))
    return losses, errors.mul_(live).to(logits.dtype)


def output_head(model: nn.Module, architecture: Architecture) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what makes logits (..., V) of the head's inputs (..., H): the head itself, where nothing is done behind it."""
    head = model.get_output_embeddings()
    if not isinstance(architecture, CappedLogits) or not architecture.caps(model):
        return head
    return lambda inputs: architecture.cap_logits(model, head(inputs))


def find_targets(labels: torch.Tensor, most: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The hidden states that predict a token to be learned, and those tokens.

    Args:
        labels: (B, S), -100 where nothing is to be learnt.
        most: how many to return, at least as many as there are; the rest have the target -100. So the shape does not
            depend on the labels, and nothing waits for the device. None: as many as there are.

    Returns:
        Places in the flattened hidden states (B * S), and their targets; both (N,).
    """
    following = F.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()
    kept = following != IGNORED
    places = kept.nonzero()[:, 0] if most is None else kept.byte().argsort(descending=True, stable=True)[:most]
    return places, following[places]


def sum_losses(
    hidden: torch.Tensor,
    head: Callable[[torch.Tensor], torch.Tensor],
    places: torch.Tensor,
    targets: torch.Tensor,
    chunk: int = CHUNK_ROWS,
):
    """The summed cross-entropy, in float32, of what `find_targets` found in the hidden states (B, S, H)."""
    rows = hidden.flatten(0, 1).index_select(0, places)
    if isinstance(head, nn.Linear) and head.weight.is_floating_point() and not head.weight.requires_grad:
        return _FrozenHeadLoss.apply(rows, head.weight, head.bias, targets, chunk)
    total = rows.float().sum() * 0  # keeps the graph where no row is left
    for start in range(0, rows.shape[0], chunk):
        logits = head(rows[start : start + chunk]).float()
        total = total + F.cross_entropy(logits, targets[start : start + chunk], ignore_index=IGNORED, reduction="sum")
    return total


class _FrozenHeadDivergence(_TakenInForward):
    """Summed KL divergence of what a frozen head (V, H) makes of `rows` (N, H) from what it makes of `base` (N, H), as `_FrozenHeadLoss`."""

    @staticmethod
    def forward(ctx, rows, base, weight, bias, chunk):
        total = torch.zeros((), dtype=torch.float32, device=rows.device)
        gradient = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for start in range(0, rows.shape[0], chunk):
            some = slice(start, start + chunk)
            wanted = F.log_softmax(F.linear(base[some], weight, bias), -1, dtype=torch.float32)  # (C, V)
            scores = F.log_softmax(F.linear(rows[some], weight, bias), -1, dtype=torch.float32)
            shares = wanted.exp()
            total += wanted.sub_(scores).mul_(shares).sum()
            del wanted  # or the errors in the model's precision would be beside it
            if gradient is not None:
                torch.mm(scores.exp_().sub_(shares).to(weight.dtype), weight, out=gradient[some])
            del scores, shares
        ctx.save_for_backward(gradient)
        return total


def sum_divergences(
    hidden: torch.Tensor,
    head: Callable[[torch.Tensor], torch.Tensor],
    places: torch.Tensor,
    base_states: torch.Tensor,
    chunk: int = CHUNK_ROWS,
) -> torch.Tensor:
    """The summed KL divergence, in float32 and over the whole vocabulary, of the tuned model's probabilities from the base's.

    Args:
        hidden: (B, S, H), what `head` is applied to.
        places: in the flattened `hidden`, (N,).
        base_states: what the base's head, which no adapter changes, is applied to there, (N, H).
    """
    rows, base_states = hidden.flatten(0, 1).index_select(0, places), base_states.to(hidden.dtype)
    if isinstance(head, nn.Linear) and head.weight.is_floating_point() and not head.weight.requires_grad:
        return _FrozenHeadDivergence.apply(rows, base_states, head.weight, head.bias, chunk)
    total = rows.float().sum() * 0  # keeps the graph where no row is left
    for start in range(0, rows.shape[0], chunk):
        some = slice(start, start + chunk)
        with torch.no_grad():
            wanted = F.log_softmax(head(base_states[some]), -1, dtype=torch.float32)
        scores = F.log_softmax(head(rows[some]), -1, dtype=torch.float32)
        total = total + F.kl_div(scores, wanted, reduction="sum", log_target=True)
    return total


def answer_loss(
    hidden: torch.Tensor,
    head: nn.Module,
    labels: torch.Tensor,
    items: torch.Tensor | int | None = None,
    chunk: int = CHUNK_ROWS,
) -> torch.Tensor:
    """The language-model loss of hidden states, as the library computes it from logits: shifted by one, in float32.

    Args:
        hidden: (B, S, H), what the head is applied to.
        head: the output layer; a plain frozen `nn.Linear` takes the cheap way.
        labels: (B, S), -100 where nothing is to be learnt.
        items: what the sum is divided by: the labels of a whole accumulated batch over all processes. None: this
            batch's.
        chunk: rows whose logits exist at one time.

    Returns:
        A scalar; 0 with a zero gradient where no label is left, so that every process of a group takes part.
    """
    total = sum_losses(hidden, head, *find_targets(labels), chunk)
    return total / _divisor(labels, items)


def count_items(labels: torch.Tensor, distilled: torch.Tensor) -> torch.Tensor:
    """Labels of the rows that are not distilled, and distilled places; (2,), what the two sums of a batch are divided by."""
    own = ~distilled.any(1, keepdim=True)
    return torch.stack([((labels[:, 1:] != IGNORED) & own).sum(), distilled.sum()])


def _divisor(labels: torch.Tensor, items: torch.Tensor | int | None) -> torch.Tensor:
    count = (labels[:, 1:] != IGNORED).sum() if items is None else torch.as_tensor(items, device=labels.device)
    return count.clamp(min=1)


class AnswerLoss(nn.Module):
    """A language model that returns its training loss; what the Trainer, and DDP around it, call.

    Args:
        packed: compute rows one behind the other, without padding, where the architecture can (`packs`).
        distillation: how much the mean divergence of a distilled place counts beside the mean loss of a label.

    In two parts: `plan` looks at a batch and may wait for the device; `compute` is tensors only, so that the same work
    can be recorded and replayed (cuda_graphs.py).
    """

    accepts_loss_kwargs = True  # tells the Trainer that the loss is divided by `num_items_in_batch`

    def __init__(self, model: nn.Module, architecture: Architecture, packed: bool = False, distillation: float = 0.0):
        super().__init__()
        self.packs = packed and isinstance(architecture, PackedRows) and architecture.packs(model)
        self.model = model
        self.architecture = architecture
        self.distillation = distillation
        self.config = model.config

    def forward(
        self, input_ids, attention_mask, labels, num_items_in_batch=None, distilled=None, base_states=None
    ) -> dict[str, torch.Tensor]:
        """Loss of `input_ids` (B, S) with `labels` (B, S), see `answer_loss`; a dict as the Trainer reads it.

        Args:
            distilled: (B, S), true where the base's probabilities are learned; `num_items_in_batch` is then what
                `count_items` returns.
            base_states: (N, H), the inputs of the base's head at these N places.
        """
        tokens = self.count_packed(attention_mask)
        items = num_items_in_batch
        if items is None and distilled is not None:
            items = count_items(labels, distilled)
        plan = self.plan(input_ids, attention_mask, labels, items, tokens=tokens)
        if distilled is not None:
            places = distilled.flatten().nonzero()[:, 0]
            if "packed" in plan:
                places = plan["padded"].flatten()[places]
            plan |= {"distilled": places, "base_states": base_states}
        return {"loss": self.compute(**plan)}

    def count_packed(self, attention_mask: torch.Tensor) -> int:
        """Return how many tokens a batch padded at the right is packed into; 0 where it is not packed."""
        return round_tokens(int(attention_mask.sum()), attention_mask.numel()) if self.packs else 0

    def plan(
        self, input_ids, attention_mask, labels, items=None, most: int | None = None, tokens: int = 0
    ) -> dict[str, torch.Tensor]:
        """Return what `compute` needs of a batch padded at the right; `most` as in `find_targets`.

        Args:
            tokens: what `count_packed` said.
        """
        places, targets = find_targets(labels, most)
        found = {"input_ids": input_ids, "places": places, "targets": targets, "items": _divisor(labels, items)}
        if not tokens or not isinstance(self.architecture, PackedRows):
            return found | self.architecture.training_inputs(self.model, input_ids, attention_mask)
        packing = pack(attention_mask, tokens)
        found |= vars(packing) | {"input_ids": input_ids.flatten()[packing.packed][None]}
        found["places"] = packing.padded.flatten()[places]
        return found | self.architecture.packed_inputs(self.model, input_ids, attention_mask, packing.packed)

    def compute(self, input_ids, places, targets, items, distilled=None, base_states=None, **layout) -> torch.Tensor:
        """The loss of what `plan` returned, a scalar."""
        if "packed" in layout:
            layout["packing"] = Packing(*(layout.pop(name) for name in ("padded", "packed", "real")))
        # The base runs in its own precision, adapters in float32: autocast (which fp16 loss scaling brings along) would
        # make the norms' outputs float32 and double the activations.
        with torch.autocast(input_ids.device.type, enabled=False):
            hidden = self.model.base_model(input_ids=input_ids, use_cache=False, **layout)[0]
            hidden = self.architecture.head_inputs(self.model, hidden)  # (B, S, H)
            head = output_head(self.model, self.architecture)
            total = sum_losses(hidden, head, places, targets)
            if distilled is None:
                return total / items
            labels, each = items
            divergence = sum_divergences(hidden, head, distilled, base_states)
            return total / labels + self.distillation * divergence / each

    def hidden_states(self, input_ids, attention_mask) -> torch.Tensor:
        """Return what the head is applied to, (B, S, H)."""
        hidden = self.model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)[0]
        return self.architecture.head_inputs(self.model, hidden)


@contextmanager
def noisy(model: nn.Module, strength: float) -> Iterator[None]:
    """NEFTune (Jain et al., 2023): while it lasts, embeddings (B, T, H) in training mode get noise within strength / sqrt(T H); 0 adds none.

    The noise is drawn on the embeddings' device, so that a recorded step draws anew each time.
    """
    if not strength:
        yield
        return

    def add(module: nn.Module, _inputs, embedded: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return embedded
        bound = strength / (embedded.shape[-2] * embedded.shape[-1]) ** 0.5
        return embedded + (2 * torch.rand_like(embedded) - 1) * bound

    handle = model.get_input_embeddings().register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
