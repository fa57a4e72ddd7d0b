"""BLOOM's ALiBi as transformers has it, from slopes that are kept."""

import copy

import pytest
import torch
from transformers import BloomConfig
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from glm_core.models.architectures.bloom.modeling import KeptSlopes, RecordableBloom, slopes, spread

MASKS = [[[1, 1, 1, 1, 1]], [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], [[1, 1, 1, 0, 0], [1, 0, 1, 1, 0]]]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("heads", [1, 2, 4, 6, 12, 14, 32])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_alibi_is_that_of_transformers(mask, heads, dtype):
    mask = torch.tensor(mask)
    expected = build_alibi_tensor(mask, heads, dtype)
    torch.testing.assert_close(KeptSlopes()(mask, heads, dtype), expected)
    torch.testing.assert_close(KeptSlopes()(spread(mask, dtype), heads, dtype), expected)


def test_slopes_are_made_once_a_device(monkeypatch):
    made = []
    monkeypatch.setattr(
        "glm_core.models.architectures.bloom.modeling.slopes", lambda heads: made.append(heads) or slopes(heads)
    )
    model = RecordableBloom(BloomConfig(vocab_size=96, hidden_size=32, n_layer=2, n_head=4)).eval()
    ids, mask = torch.arange(6)[None], torch.ones(1, 6, dtype=torch.long)
    with torch.no_grad():
        first = model(ids, attention_mask=mask).logits
        assert torch.equal(model(ids, attention_mask=mask).logits, first) and made == [4]
        torch.testing.assert_close(model(ids).logits, first)  # without a mask transformers makes its own
        assert torch.equal(copy.deepcopy(model)(ids, attention_mask=mask).logits, first)


@pytest.mark.parametrize("mask", MASKS)
def test_a_spread_mask_is_what_transformers_makes_of_it(mask):
    torch.manual_seed(0)
    model = RecordableBloom(BloomConfig(vocab_size=96, hidden_size=32, n_layer=2, n_head=4)).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) / parameter.shape[-1] ** 0.5
    ids, mask = torch.randint(5, 96, (len(mask), 5)), torch.tensor(mask)
    with torch.no_grad():
        expected = model(ids, attention_mask=mask, use_cache=False).logits[mask == 1]
        found = model(ids, attention_mask=spread(mask, torch.float32), use_cache=False).logits[mask == 1]
        unmasked = model(ids, attention_mask=torch.ones_like(mask), use_cache=False).logits[mask == 1]
    torch.testing.assert_close(found, expected)
    assert (mask == 1).all() or not torch.allclose(unmasked, expected, atol=1e-3)
