"""Settings from the data: small sets are seen often, with rehearsal; long answers are not cut; the job follows the rows."""

import pytest

from glm_core.data import Example
from glm_core.data.analysis import statistics
from glm_core.training import defaults
from glm_core.training.plan import plan

SMALL, LARGE = 8_400_000, 6_200_000_000


def rows(count, answer="放在第{}格。"):
    asked = [f"第{n}样东西放在哪里？" for n in range(count)]
    return [
        Example([{"role": "user", "content": q}, {"role": "assistant", "content": answer.format(n)}], n)
        for n, q in enumerate(asked, 1)
    ]


@pytest.mark.parametrize("parameters", [SMALL, LARGE])
@pytest.mark.parametrize("count", [15, 50, 384])
def test_a_small_set_gets_enough_steps_rehearsal_and_an_early_end_without_a_doubt(count, parameters):
    found = defaults.suggest("domain", statistics(rows(count)), parameters)
    outlook = plan(count, found, parameters=parameters)
    assert found.rehearsal and found.stop_when_learned and outlook.updates >= 100
    assert not outlook.warnings


@pytest.mark.parametrize(
    ("parameters", "epochs"), [(SMALL, 27), (134_500_000, 10), (268_000_000, 10), (LARGE, 24), (None, 24)]
)
def test_an_imprint_passes_through_its_rows_as_often_as_the_size_of_the_model_needs(parameters, epochs):
    found = defaults.suggest("imprint", statistics(rows(20)), parameters)
    assert found.epochs == epochs and bool(found.average) == (parameters == SMALL)


@pytest.mark.parametrize(
    ("parameters", "is_base", "rehearsal"),
    [
        (SMALL, False, None),
        (134_500_000, False, 2.0),
        (268_000_000, True, 3.0),
        (LARGE, True, None),
        (None, False, None),
    ],
)
def test_an_imprint_of_a_small_pretrained_model_learns_its_probabilities(parameters, is_base, rehearsal):
    found = defaults.suggest("imprint", statistics(rows(20)), parameters, is_base=is_base)
    assert found.distills is (rehearsal is not None) and found.rehearsal == (rehearsal or 1.0)
    if not is_base:
        assert found.rows_per_update == 4 * (1 + found.rehearsal), (
            "own rows an update are as many with more rehearsed ones"
        )
    prefix = defaults.suggest("imprint", statistics(rows(20)), parameters, "ptuning", is_base=is_base)
    assert not prefix.distills
    if rehearsal is not None:
        assert (found.epochs, prefix.epochs) == (8 if is_base else 10, 8), "of what slows learning there is more"


def test_a_large_set_keeps_the_published_recipe():
    found = defaults.suggest("domain", statistics(rows(5000)), LARGE)
    assert not found.rehearsal and found.epochs == 3


def test_long_answers_raise_the_limit_that_would_cut_them():
    found = defaults.suggest("domain", statistics(rows(20, "很长的回答" * 100 + "{}")), SMALL)
    assert found.max_target_length >= 500


@pytest.mark.parametrize(
    ("questions", "job"),
    [
        (["你是谁？", "谁训练了你？", "你叫什么名字？"], "imprint"),
        (["怎么退货？", "几天到货？", "你是谁？", "能开发票吗？", "怎么换货？", "运费多少？"], "domain"),
        (["怎么退货？"] * 15, "domain"),
    ],
)
def test_the_job_follows_what_the_rows_ask(questions, job):
    assert defaults.job_of("mine", questions) == job
    assert defaults.job_of("appliance", questions) == "domain"
