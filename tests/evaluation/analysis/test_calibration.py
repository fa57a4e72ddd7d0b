"""The reader's marks correct the meters for the judge's errors."""

import random

import pytest

from glm_core.evaluation.analysis import calibration
from glm_core.runs import store
from tests.evaluation.analysis.test_changes import CAPITALS, capitals
from tests.evaluation.conftest import write
from tests.evaluation.made import report


@pytest.fixture
def kept(workspace, tmp_path):
    write(store.folder() / "run-1", tmp_path)
    return store.get("run-1")


def judged(right, wrong):
    """A report of which the judge takes `right` answers for right and `wrong` for wrong."""
    answers = [CAPITALS[i % 10] for i in range(right)] + ["不知道。"] * wrong
    rows = [one for i in range(0, len(answers), 10) for one in capitals(answers[i : i + 10], f"原来{i}")]
    return report(rows)


def marks(found, errors):
    """Marks that agree with the judge but for the first `errors` answers it takes for right."""
    told = {}
    for row in calibration.choose(found):
        right = row.verdict.after.outcome == "right"
        told[calibration.key_of(row)] = right and errors <= 0
        errors -= right
    return told


def test_a_fixed_sample_is_marked():
    found = judged(30, 30)
    assert len(calibration.choose(found)) == calibration.ROWS
    assert calibration.choose(found) == calibration.choose(found)


def test_marks_are_kept_for_one_adapter(kept):
    found = judged(5, 5)
    row = calibration.choose(found)[0]
    calibration.mark(kept, found, row, True)
    assert calibration.read(kept, found) == {calibration.key_of(row): True}
    assert calibration.read(kept, report(found.rows, adapter="another")) == {}
    calibration.forget(kept, found)
    assert calibration.read(kept, found) == {}


def test_a_judge_that_agrees_leaves_the_meter_as_it_is():
    found = judged(10, 10)
    calibrated = calibration.calibrate(found, marks(found, 0))
    share, low, high = calibrated.meters["learned"]
    assert calibrated.agreed == calibrated.marked and share == pytest.approx(0.5) and low < 0.5 < high


def test_a_judge_that_lets_wrong_answers_pass_has_its_meter_lowered():
    found = judged(10, 10)
    told = marks(found, 3)
    calibrated = calibration.calibrate(found, told)
    share, low, high = calibrated.meters["learned"]
    assert calibrated.agreed == calibrated.marked - len(calibration.disagreements(found, told)) < calibrated.marked
    assert low <= share < 0.5 and share <= high


def test_few_marks_correct_nothing():
    found = judged(10, 10)
    few = dict(list(marks(found, 0).items())[: calibration.FEWEST - 1])
    assert calibration.calibrate(found, few).meters == {}


def test_the_corrected_interval_covers_the_truth():
    """A judge of sensitivity 0.9 and specificity 0.8 on 60 questions of which 60 % are right, 20 marked."""
    draw, hits = random.Random(3), 0
    for _ in range(60):
        truth = [draw.random() < 0.6 for _ in range(60)]
        said = [draw.random() < (0.9 if one else 0.2) for one in truth]
        decided = draw.sample(list(zip(said, truth, strict=True)), 20)
        _, low, high = calibration.correct(said, decided)
        hits += low <= 0.6 <= high
    assert hits >= 53
