"""A decode step on a processor gives the logits of the network's own forward."""

import pytest
import torch
from transformers import DynamicCache, LlamaConfig
from transformers.models.auto import AutoModelForCausalLM

from glm_core.generation.kv_cache import SlotKVCache
from glm_core.generation.prefill import cache_argument
from glm_core.models.architectures import decoder_step
from tests.models.kernels.networks import NETWORKS, SIZES
from tests.tiny import randomize


def prepared(model, rows):
    """A cache that holds all but the last two tokens of `rows`."""
    cache = None
    for number, ids in enumerate(rows):
        own = DynamicCache()
        model(ids[:, :-2], use_cache=True, **{cache_argument(type(model)): own})
        if cache is None:
            cache = SlotKVCache(own)
            cache.reserve(len(rows), 64)
        cache.fill(number, own, 0, ids.shape[1] - 2, None, 0.0)
    return cache


@pytest.mark.parametrize("lengths", [(9,), (3, 9, 40)])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_step_gives_the_logits_of_the_networks_own_forward(kind, lengths):
    made, more, _ = NETWORKS[kind]
    model = AutoModelForCausalLM.from_config(made(**SIZES, **more)).eval()
    randomize(model, 1)
    rows = [
        torch.randint(1, 64, (1, length + 2), generator=torch.Generator().manual_seed(length)) for length in lengths
    ]
    with torch.inference_mode():
        cache = prepared(model, rows)
        for back in (2, 1):
            cache.window(len(rows), max(lengths) + 3 - back, masked=len(rows) > 1)
            ids = torch.cat([row[:, row.shape[1] - back][:, None] for row in rows])
            places = torch.tensor([[row.shape[1] - back] for row in rows])
            found = decoder_step.step(model, ids, places, cache)
            cache.lengths += 1
            for logits, row in zip(found, rows, strict=True):
                whole = model(row[:, : row.shape[1] - back + 1]).logits[0, -1]
                assert (logits - whole).abs().max() < 1e-4 * whole.abs().max().clamp(min=1)


def test_half_precision_keeps_the_networks_own_forward():
    model = AutoModelForCausalLM.from_config(LlamaConfig(**SIZES)).bfloat16().eval()
    with torch.inference_mode():
        assert (
            decoder_step.step(model, torch.ones(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.long), None)
            is None
        )
