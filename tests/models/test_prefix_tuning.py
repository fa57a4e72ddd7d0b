"""Prefixes on every architecture: cached, padded, checkpointed, switched, mixed in a batch; positions stay."""

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    DynamicCache,
    Glm4Config,
    Glm4ForCausalLM,
    GlmConfig,
    GlmForCausalLM,
)

from glm_core.models import ModelError, prefix_tuning, registry
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration
from glm_core.models.prefix_tuning import PrefixEncoder, activate_prefix, detach_prefix
from tests.models.architectures.test_chatglm import SIZES
from tests.tiny import randomize

GLM = dict(
    vocab_size=96,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    pad_token_id=3,
    eos_token_id=95,
)
ARCHITECTURES = {
    "chatglm": lambda: ChatGLMForConditionalGeneration(ChatGLMConfig(**SIZES)),
    "glm": lambda: GlmForCausalLM(GlmConfig(**GLM)),
    "glm4": lambda: Glm4ForCausalLM(Glm4Config(**GLM)),
    "bloom": lambda: BloomForCausalLM(BloomConfig(vocab_size=96, hidden_size=64, n_layer=3, n_head=4, pad_token_id=3)),
}
everywhere = pytest.mark.parametrize("kind", list(ARCHITECTURES))


def make(kind: str):
    model = ARCHITECTURES[kind]()
    randomize(model, 1)
    return model.eval()


def encoder(kind: str, length: int = 5, seed: int = 0, projection: int | None = None) -> PrefixEncoder:
    torch.manual_seed(seed)
    return PrefixEncoder(3, 2 if kind.startswith("glm") else 4, 16, length, projection).eval()


def attach_prefix(model, encoder: PrefixEncoder, name: str = "default") -> None:
    """Attach it as the architecture of the model says."""
    architecture = registry.find(model.config.to_dict()).architecture
    prefix_tuning.attach_prefix(model, architecture, encoder, name)


def rows(kind: str) -> list[list[int]]:
    """Prompts of different lengths; ChatGLM's end with its control tokens."""
    end = [91, 94] if kind == "chatglm" else []
    return [[10, 11, 12, *end], [20, 21, 22, 23, 24, 25, *end], [30, *end]]


def padded(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows(kind)))
    gaps = [width - len(row) for row in rows(kind)]
    ids = [[3] * gap + row for gap, row in zip(gaps, rows(kind), strict=True)]
    return torch.tensor(ids), torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps])


def generate(model, ids, **options) -> torch.Tensor:
    return model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=3, **options)[
        :, ids.shape[1] :
    ]


@everywhere
def test_a_prefix_changes_the_output_and_can_be_switched(kind):
    model, ids = make(kind), torch.tensor(rows(kind)[1:2])
    with torch.no_grad():
        bare = model(ids).logits
        attach_prefix(model, encoder(kind, seed=1), "a.b")
        first = model(ids).logits
        attach_prefix(model, encoder(kind, seed=2), "other")
        second = model(ids).logits
        activate_prefix(model, "a.b")
        again = model(ids).logits
        activate_prefix(model, None)
        off = model(ids).logits
    assert (bare - first).abs().max() > 0.1 and (first - second).abs().max() > 0.1
    assert torch.equal(first, again)
    assert torch.allclose(bare, off, atol=1e-4)
    detach_prefix(model, "other")
    with pytest.raises(KeyError):
        activate_prefix(model, "other")


@everywhere
def test_cached_generation_equals_uncached(kind):
    model, ids = make(kind), torch.tensor(rows(kind)[1:2])
    attach_prefix(model, encoder(kind))
    assert torch.equal(generate(model, ids), generate(model, ids, use_cache=False))


@everywhere
def test_padded_generation_equals_single_generation(kind):
    model = make(kind)
    attach_prefix(model, encoder(kind))
    ids, mask = padded(kind)
    together = generate(model, ids, attention_mask=mask)
    for index, row in enumerate(rows(kind)):
        assert torch.equal(together[index], generate(model, torch.tensor([row]))[0])


@everywhere
def test_rows_may_have_different_prefixes_or_none(kind):
    model = make(kind)
    attach_prefix(model, encoder(kind, 5, 1), "long")
    attach_prefix(model, encoder(kind, 2, 2), "short")
    ids, mask = padded(kind)
    choice = ["long", None, "short"]
    activate_prefix(model, choice)
    together = generate(model, ids, attention_mask=mask)
    for index, row in enumerate(rows(kind)):
        activate_prefix(model, choice[index])
        assert torch.equal(together[index], generate(model, torch.tensor([row]))[0])


@everywhere
def test_rows_of_one_length_may_mix_without_padding(kind):
    model = make(kind)
    attach_prefix(model, encoder(kind))
    activate_prefix(model, ["default", None])
    ids = torch.tensor(rows(kind)[1:2] * 2)
    together = generate(model, ids)
    for index, name in enumerate(["default", None]):
        activate_prefix(model, name)
        assert torch.equal(together[index], generate(model, ids[:1])[0])


@everywhere
def test_rows_with_one_prefix_equal_it_for_all(kind):
    model, (ids, mask) = make(kind), padded(kind)
    attach_prefix(model, encoder(kind))
    with torch.no_grad():
        one = model(ids, attention_mask=mask).logits
        activate_prefix(model, ["default"] * 3)
        assert torch.equal(model(ids, attention_mask=mask).logits, one)
        activate_prefix(model, [None] * 3)
        bare = model(ids, attention_mask=mask).logits
        activate_prefix(model, None)
        assert torch.equal(model(ids, attention_mask=mask).logits, bare)


@everywhere
@pytest.mark.parametrize("projection", [None, 24])
def test_checkpointed_gradients_are_equal(kind, projection, monkeypatch):
    monkeypatch.setattr("glm_core.models.prefix_tuning.DROPOUT", 0.0)
    ids, gradients = torch.tensor([[*rows(kind)[1], 40, 41, 42]]), []
    for checkpointing in (False, True):
        model = make(kind)
        model.requires_grad_(False)
        learner = encoder(kind, projection=projection)
        attach_prefix(model, learner)
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model(ids, labels=ids).loss.backward()
        gradients.append([weight.grad for weight in learner.parameters()])
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0])
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(*gradients, strict=True))


@pytest.mark.parametrize("kind", ["glm", "glm4"])
def test_positions_stay_where_they_are(kind):
    """The official code puts the prefix into the cache and counts real tokens from 0; the logits must be those."""
    model, ids = make(kind), torch.tensor(rows(kind)[1:2])
    learner, cache = encoder(kind), DynamicCache()
    with torch.no_grad():
        for layer, (key, value) in enumerate(learner(torch.float32)):
            cache.update(key, value, layer)
        positions = torch.arange(ids.shape[1])[None]
        mask = torch.ones(1, learner.length + ids.shape[1], dtype=torch.long)
        official = model(ids, past_key_values=cache, position_ids=positions, attention_mask=mask).logits
        attach_prefix(model, learner)
        assert torch.allclose(model(ids).logits, official, atol=1e-4)


def test_a_bloom_block_keeps_no_graph_of_a_step_that_is_over():
    model = make("bloom")
    attach_prefix(model, encoder("bloom"))
    prefixed = model(torch.tensor(rows("bloom")[1:2])).logits
    blocks = [block.self_attention for block in model.transformer.h]
    assert prefixed.requires_grad and all(block.prefix is None for block in blocks)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model(torch.tensor(rows("bloom")[1:2]))
    for block in blocks:  # the backward will ask for the values again, not for what computed them
        assert all(one.requires_grad and one.grad_fn is None for layer in block.prefix.layers for one in layer)


def test_bloom_sees_its_prefix_from_any_distance():
    """Without a distance, moving the same context further from the start changes nothing but its own positions."""
    model = make("bloom")
    attach_prefix(model, encoder("bloom"))
    ids = torch.tensor([[10, 11, 12, 13]])
    late = torch.cat([torch.full((1, 40), 3), ids], 1)
    mask = torch.cat([torch.zeros(1, 40, dtype=torch.long), torch.ones_like(ids)], 1)
    with torch.no_grad():
        assert torch.allclose(model(late, attention_mask=mask).logits[:, 40:], model(ids).logits, atol=1e-4)


def test_dropout_acts_in_training_only():
    learner = encoder("chatglm")
    torch.manual_seed(0)
    dropped = learner.train()(torch.float32)
    kept = learner.eval()(torch.float32)
    share = sum((key == 0).float().mean() for key, _ in dropped) / len(dropped)
    assert 0.02 < share < 0.25 and not any((key == 0).any() for key, _ in kept)


def test_a_trained_step_is_seen_at_once():
    """Computed prefixes are kept between steps of generation; an update of the weights must end that."""
    model, ids = make("chatglm"), torch.tensor(rows("chatglm")[1:2])
    learner = encoder("chatglm")
    attach_prefix(model, learner)
    with torch.no_grad():
        before = model(ids).logits
        learner.embedding.weight.add_(0.5)
        assert (model(ids).logits - before).abs().max() > 1e-2


def test_a_prefix_of_another_model_is_refused():
    with pytest.raises(ModelError):
        attach_prefix(make("chatglm"), encoder("glm"))


def test_half_models_keep_the_prefix_in_float32():
    model = make("chatglm").to(torch.bfloat16)
    learner = encoder("chatglm")
    attach_prefix(model, learner)
    with torch.no_grad():
        assert model(torch.tensor(rows("chatglm")[1:2])).logits.dtype == torch.bfloat16
    assert learner.embedding.weight.dtype == torch.float32


@everywhere
def test_strength_0_is_the_model_without_it_and_1_as_trained(kind):
    model, ids = make(kind), torch.tensor(rows(kind)[1:2])
    with torch.no_grad():
        bare = model(ids).logits
        own = encoder(kind, seed=1)
        attach_prefix(model, own)
        full, found = model(ids).logits, {}
        for strength in (0.0, 0.5, 1.0, 1.5):
            own.strength = strength
            found[strength] = model(ids).logits
    rounding = 1e-5 * bare.abs().max()  # of other orders of sums, by processor
    assert (found[0.0] - bare).abs().max() < rounding and (found[1.0] - full).abs().max() < rounding
    assert (bare - found[0.5]).norm() < (bare - full).norm() < (bare - found[1.5]).norm()
    assert (found[0.5] - full).abs().max() > 1e-2


@everywhere
def test_strength_2_is_the_same_prefix_twice(kind):
    """What the definition means: every virtual token weighs as much as `strength` of its kind."""
    model, ids = make(kind), torch.tensor(rows(kind)[1:2])
    once, twice = encoder(kind, 3, seed=1), encoder(kind, 6)
    twice.embedding.weight.data = once.embedding.weight.data.repeat(2, 1)
    once.strength = 2.0
    attach_prefix(model, once, "once")
    attach_prefix(model, twice, "twice")
    with torch.no_grad():
        found = []
        for name in ("once", "twice"):
            activate_prefix(model, name)
            found.append(model(ids).logits)
    assert (found[0] - found[1]).abs().max() < 1e-4


@everywhere
def test_rows_may_have_different_strengths(kind):
    model, strengths = make(kind), {"weak": 0.5, "none": 0.0, "whole": 1.0}
    for number, (name, strength) in enumerate(strengths.items()):
        one = encoder(kind, 5 - number, number)
        one.strength = strength
        attach_prefix(model, one, name)
    ids, mask = padded(kind)
    counted = {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)} if kind.startswith("glm") else {}
    with torch.no_grad():
        activate_prefix(model, list(strengths))
        together = model(ids, attention_mask=mask, **counted).logits[:, -1]
        for index, name in enumerate(strengths):
            activate_prefix(model, name)
            alone = model(torch.tensor([rows(kind)[index]])).logits[0, -1]
            assert (together[index] - alone).abs().max() < 1e-4
