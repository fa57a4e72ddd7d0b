"""Cross-entropy over the answer rows only, a chunk of logits at a time; the full logits never exist.

With a frozen head the gradient with respect to the hidden states is known as soon as a chunk's softmax is, so the
forward computes it and throws the logits away: at 2,048 tokens of ChatGLM-6B 0.2 GB in place of 3.7. A trainable head
(LoRA on `lm_head`) takes the ordinary way, a chunk at a time.
"""

import torch
import torch.nn.functional as F
from torch import nn

from glm_core.training.memory import CHUNK_ROWS

IGNORED = -100


class _FrozenHeadLoss(torch.autograd.Function):
    """Summed cross-entropy of `rows` (N, H) under a frozen head (V, H), its gradient taken in the forward."""

    @staticmethod
    def forward(ctx, rows, weight, bias, targets, chunk):
        total = torch.zeros((), dtype=torch.float32, device=rows.device)
        gradient = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for start in range(0, rows.shape[0], chunk):
            part, wanted = rows[start : start + chunk], targets[start : start + chunk, None]
            logits = F.linear(part, weight, bias).float()  # (C, V)
            chosen = logits.gather(1, wanted)
            peak = logits.amax(1, keepdim=True)
            weights = logits.sub_(peak).exp_()  # in place: one float32 chunk is all there is
            mass = weights.sum(1, keepdim=True)
            total += (mass.log() + peak - chosen).sum()
            if gradient is not None:
                weights.div_(mass).scatter_add_(1, wanted, -torch.ones_like(chosen))
                gradient[start : start + chunk] = weights.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, upstream):
        (gradient,) = ctx.saved_tensors
        return (gradient * upstream.to(gradient.dtype) if gradient is not None else None), None, None, None, None


def answer_loss(hidden: torch.Tensor, head: nn.Module, labels: torch.Tensor, items: torch.Tensor | int | None = None,
                chunk: int = CHUNK_ROWS) -> torch.Tensor:  # fmt: skip
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
    targets = labels[:, 1:].reshape(-1)
    kept = targets != IGNORED
    rows, targets = hidden[:, :-1].reshape(-1, hidden.shape[-1])[kept], targets[kept]
    if type(head) is nn.Linear and not head.weight.requires_grad:
        total = _FrozenHeadLoss.apply(rows, head.weight, head.bias, targets, chunk)
    else:
        total = _sum_chunks(rows, head, targets, chunk)
    count = kept.sum() if items is None else torch.as_tensor(items, device=hidden.device)
    return total / count.clamp(min=1)


def _sum_chunks(rows: torch.Tensor, head: nn.Module, targets: torch.Tensor, chunk: int) -> torch.Tensor:
    total = rows.float().sum() * 0  # keeps the graph where no row is left
    for start in range(0, rows.shape[0], chunk):
        logits = head(rows[start : start + chunk]).float()
        total = total + F.cross_entropy(logits, targets[start : start + chunk], reduction="sum")
    return total


class AnswerLoss(nn.Module):
    """A language model that returns its training loss; what the Trainer, and DDP around it, call.

    The model's own forward runs, so that prefixes and adapters act as they do in chat; only the head is kept to one
    column while the hidden states before it are caught.
    """

    accepts_loss_kwargs = True  # tells the Trainer that the loss is divided by `num_items_in_batch`

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.config = model.config

    def forward(self, input_ids, attention_mask, labels, num_items_in_batch=None):
        """Loss of `input_ids` (B, S) with `labels` (B, S), see `answer_loss`; a dict as the Trainer reads it."""
        # The base runs in its own precision, adapters in float32: autocast (which fp16 loss scaling brings along) would
        # make the norms' outputs float32 and double the activations.
        with torch.autocast(input_ids.device.type, enabled=False):
            hidden = self.hidden_states(input_ids, attention_mask)
            return {"loss": answer_loss(hidden, self.model.get_output_embeddings(), labels, num_items_in_batch)}

    def hidden_states(self, input_ids, attention_mask) -> torch.Tensor:
        """What the head is applied to, (B, S, H)."""
        caught = []
        hook = self.model.base_model.register_forward_hook(lambda _module, _inputs, output: caught.append(output[0]))
        try:
            self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, logits_to_keep=1)
        finally:
            hook.remove()
        return caught[0]
