"""Choosing tokens: against transformers' own processors, reproducible, independent of the batch."""

import pytest
import torch
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from glm_core.generation.decode import argmax_finite
from glm_core.serving.batching.sampling import Sampler, SamplingParams, choose, resolve


def draws(sampling: SamplingParams, logits: torch.Tensor, count: int) -> torch.Tensor:
    sampler = Sampler(sampling, [])
    return torch.tensor([choose(logits[None], [sampler])[0] for _ in range(count)])


def reference(logits, temperature=1.0, top_k=0, top_p=1.0):
    scores = TemperatureLogitsWarper(temperature)(None, logits[None].clone())
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    return scores.softmax(-1)[0]


@pytest.mark.parametrize(
    "temperature, top_k, top_p", [(1.0, 0, 1.0), (0.7, 0, 0.6), (1.5, 4, 1.0), (0.95, 6, 0.7), (1.0, 1, 0.0)]
)
def test_drawn_frequencies_are_those_of_transformers(temperature, top_k, top_p):
    logits = torch.tensor([2.0, 1.5, 1.4, 0.3, 0.0, -1.0, -2.0, 1.0])
    expected = reference(logits, temperature, top_k, max(top_p, 1e-9))
    drawn = draws(SamplingParams(temperature, top_p, top_k, seed=7), logits, 1500)
    frequency = torch.bincount(drawn, minlength=8) / len(drawn)
    assert set(drawn.tolist()) <= set(expected.nonzero().flatten().tolist())
    assert (frequency - expected).abs().max() < 0.03


def test_the_penalty_is_that_of_transformers():
    logits = torch.randn(50)
    seen = [3, 7, 7, 20]
    expected = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([seen]), logits[None].clone())[0]
    mine = logits.clone()
    Sampler(SamplingParams(repetition_penalty=1.3), seen).adjust(mine)
    assert torch.equal(mine, expected)


def test_a_penalised_token_that_was_just_chosen_counts_as_seen():
    sampler = Sampler(SamplingParams(repetition_penalty=2.0), [])
    logits = torch.tensor([[1.0, 0.9]])
    assert [choose(logits, [sampler])[0], choose(logits, [sampler])[0]] == [0, 1]


def test_the_same_seed_draws_the_same_whoever_shares_the_batch():
    torch.manual_seed(0)
    steps = torch.randn(20, 100)
    mine = SamplingParams(0.9, 0.8, seed=5)
    alone = Sampler(mine, [])
    single = [choose(step[None], [alone])[0] for step in steps]
    together, other, greedy = Sampler(mine, []), Sampler(SamplingParams(1.2, seed=9), []), Sampler(SamplingParams(), [])
    mixed = [choose(torch.stack([step.flip(0), step, step]), [other, together, greedy])[1:] for step in steps]
    assert [pair[0] for pair in mixed] == single
    assert [pair[1] for pair in mixed] == steps.argmax(-1).tolist()


def test_logits_that_are_not_finite_choose_nothing():
    logits = torch.tensor([[0.0, float("nan")], [1.0, float("inf")], [0.0, 1.0]])
    assert choose(logits, [Sampler(SamplingParams(), []) for _ in range(3)]) == [-1, -1, 1]


@pytest.mark.parametrize("vocabulary", [96, 97])
def test_the_first_of_the_likeliest_tokens_is_taken(vocabulary):
    logits = torch.randn(50, vocabulary).round(decimals=1)  # many are equal
    assert torch.equal(argmax_finite(logits), logits.argmax(-1))
    logits[3, 95], logits[4, 0], logits[5, 1:] = float("nan"), float("inf"), -float("inf")
    assert argmax_finite(logits)[3:6].tolist() == [-1, -1, 0]


def test_a_request_overrides_the_family_and_gets_a_seed():
    sampling = resolve({"temperature": 0.0, "seed": None}, {"temperature": 0.95, "top_p": 0.7})
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.0, 0.7, 0)
    assert resolve({"seed": 12}, {}).seed == 12


@pytest.mark.parametrize("flat", [False, True])
def test_a_large_vocabulary_is_sorted_only_as_far_as_the_nucleus_needs(flat, monkeypatch):
    torch.manual_seed(0)
    logits = torch.randn(2, 5000) * (0.01 if flat else 6)
    samplers = [SamplingParams(0.95, 0.7, seed=3), SamplingParams(1.2, 0.9, top_k=40, seed=4)]
    narrow = choose(logits, [Sampler(one, []) for one in samplers])
    monkeypatch.setattr("glm_core.serving.batching.sampling.CANDIDATES", 5000)
    assert narrow == choose(logits, [Sampler(one, []) for one in samplers])
    expected = reference(logits[0], 0.95, 0, 0.7)
    assert expected[narrow[0]] > 0 and ((expected > 0).sum() > 1024) == flat
