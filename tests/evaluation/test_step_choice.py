"""One step a run, and another offered only where it is clearly better."""

import pytest

from glm_core import i18n
from glm_core.evaluation import step_choice
from glm_core.evaluation.retention import Point
from glm_core.evaluation.scoring import Proportion

ASKED = 20


def point(step, *right):
    """An evaluation at which the questions numbered so are answered right; the first half are rows, the others controls."""
    told = tuple(place in right for place in range(ASKED))
    learned, kept = sum(told[: ASKED // 2]), sum(told[ASKED // 2 :])
    half = ASKED // 2
    return Point(step, Proportion("learned", learned, half, 0), Proportion("kept", kept, half, half), half, told)


START = point(0, *range(10, 20))
GOOD, SPOILT = point(10, *range(20)), point(20, *range(10))
NEARLY = point(20, *range(18))


def test_a_clearly_better_kept_step_is_offered():
    found = step_choice.choose(20, [10, 20], (START, GOOD, SPOILT))
    assert found.better == 10 and "10" in found.offer and "20" in found.sentence


def test_a_step_that_is_only_a_little_better_is_not():
    found = step_choice.choose(20, [10, 20], (START, GOOD, NEARLY))
    assert found.better is None and found.offer == ""


@pytest.mark.parametrize("kept", [[], [20]])
def test_a_step_whose_adapter_is_gone_cannot_be_gone_to(kept):
    assert step_choice.choose(20, kept, (START, GOOD, SPOILT)).better is None


def test_the_step_in_use_is_not_offered_again_and_an_equal_later_one_is_no_reason_to_switch():
    assert step_choice.choose(10, [10, 20], (START, GOOD, SPOILT)).better is None
    assert step_choice.choose(10, [10, 20], (START, GOOD, point(20, *range(20)))).better is None


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_without_evaluations_the_step_is_said_alone(language):
    i18n.use(language)
    assert "60" in step_choice.choose(60, [], ()).sentence
    assert step_choice.choose(None, [], ()).sentence == ""
