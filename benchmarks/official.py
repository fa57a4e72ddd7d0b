"""The published ChatGLM-6B computation, re-created from its rules, to measure ours against in the same process.

What it does that ours does not: a materialised mask, scores scaled per layer with their softmax in float32, GELU spelled
out in Python, logits of every position in float32, adapters in float32 beside a half-precision base. `published(model)`
switches one of our models to it for as long as the context lasts; weights, data and order stay equal.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
import torch.nn.functional as F

from glm_core.models.architectures.chatglm import modeling


def python_gelu(hidden: torch.Tensor) -> torch.Tensor:
    """The tanh form of GELU, one operation after the other."""
    return 0.5 * hidden * (1.0 + torch.tanh(0.7978845608028654 * hidden * (1.0 + 0.044715 * hidden * hidden)))


def eager_attention(query, key, value, visible, context):
    """Attention over (B, H, S, D) with a mask in memory, scores in the model's precision and their softmax in float32.

    The published code also divides the query by the layer's number and multiplies the scores by it again; the same two
    passes are made here, with 1.
    """
    rows, columns = query.shape[2], key.shape[2]
    if visible is None:
        visible = torch.ones(rows, columns, dtype=torch.bool, device=query.device).tril(columns - rows)
        visible = visible | (torch.arange(columns, device=query.device) < columns - rows + (context or 0))
    scores = torch.matmul(query / math.sqrt(query.shape[-1]), key.transpose(2, 3))
    scores = scores.masked_fill(~visible, -10000.0).float() * 1.0
    return torch.matmul(scores.softmax(-1).to(value.dtype), value)


def python_rotation(fused, cosine, sine):
    """Query, key and value split, then rotated as written down: halves swapped and negated, two products, one sum."""
    query, key, value = (part.transpose(1, 2) for part in fused.unbind(3))
    cosine, sine = (
        torch.stack([angle, angle], -2).transpose(1, 2) for angle in (cosine, sine)
    )  # (B, 1, S, axes, 2, ..)

    def rotate(states):
        halves = states.unflatten(-1, (cosine.shape[-3], 2, cosine.shape[-1]))
        first, second = halves.unbind(-2)
        return (halves * cosine + torch.stack([-second, first], -2) * sine).flatten(-3)

    return rotate(query), rotate(key), value


def full_loss(model: torch.nn.Module, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean loss of the answers by way of float32 logits at every position."""
    logits = model(input_ids, use_cache=False).logits.float()
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


@contextmanager
def published() -> Iterator[None]:
    """Inside, every ChatGLM-6B of ours, adapters attached or not, computes as the published code does."""
    gelu = mock.patch.object(modeling.F, "gelu", lambda hidden, approximate: python_gelu(hidden))
    rotation = mock.patch.object(modeling, "split_rotated", python_rotation)
    with mock.patch.object(modeling, "attend", eager_attention), rotation, gelu:
        yield
