"""Which rows are trained on, held out and dropped is written by the trainer, and read by everybody else."""

import json

import pytest

from glm_core.training import split
from glm_core.training.settings import TrainingSettings
from glm_core.training.split import Split

QUARTER = TrainingSettings(validation_ratio=0.25)


def test_every_row_is_in_exactly_one_part_and_the_seed_decides():
    usable = [number for number in range(1, 21) if number not in (3, 9)]
    found = split.draw(usable, {9: "no_answer", 3: "unreadable"}, QUARTER)
    assert (found.rows, len(found.held_out), len(found.training)) == (20, 4, 14)
    assert sorted([*found.training, *found.held_out, *found.dropped]) == list(range(1, 21))
    assert found.counts() == {"no_answer": 1, "unreadable": 1}
    assert found == split.draw(usable, {3: "unreadable", 9: "no_answer"}, QUARTER)
    assert found.held_out != split.draw(usable, {}, QUARTER.changed(seed=7)).held_out


def test_without_a_validation_share_nothing_is_held_out():
    assert split.draw([1, 2, 4], {3: "no_answer"}, TrainingSettings()) == Split(4, (1, 2, 4), (), {3: "no_answer"})


def test_what_was_written_is_read_back(tmp_path):
    one = split.draw([1, 2, 3, 5], {4: "no_answer"}, QUARTER)
    split.write(tmp_path, one)
    assert split.read(tmp_path) == one
    record = json.loads((tmp_path / "split.json").read_text())
    assert record["version"] == 1 and record["dropped"] == [{"row": 4, "reason": "no_answer"}]
    split.write(tmp_path, Split(1, (1,)))
    assert split.read(tmp_path) == Split(1, (1,))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"rows": 5},
        {"training": [1, 2, 2]},
        {"training": [1, 2, "3"]},
        {"held_out": [3]},
        {"held_out": None},
        {"dropped": [{"row": 4, "reason": "<script>"}]},
        {"dropped": [4]},
    ],
)
def test_a_file_that_makes_no_sense_is_not_believed(tmp_path, change):
    record = {
        "version": 1,
        "rows": 4,
        "training": [1, 2, 3],
        "held_out": [],
        "dropped": [{"row": 4, "reason": "no_answer"}],
    }
    (tmp_path / "split.json").write_text(json.dumps(record))
    assert split.read(tmp_path) is not None
    (tmp_path / "split.json").write_text(json.dumps(record | change) + "  ")
    assert split.read(tmp_path) is None


def test_there_is_none_in_a_directory_without_one(tmp_path):
    assert split.read(tmp_path) is None


def asked(count, copies=2):
    """`count` different questions, each asked `copies` times in nearly the same words."""
    words = ["开门", "退货", "发票", "地址", "保修", "付款", "运费", "尺码", "颜色", "材质"]
    one = [f"请问一下，关于{words[i % 10]}和{words[i // 10]}的事情应该找哪个部门的同事办理" for i in range(count)]
    return [question + "？" * copy for copy in range(copies) for question in one]


def test_rows_that_ask_nearly_the_same_stay_on_one_side():
    questions = asked(20)
    found = split.draw(range(1, 41), {}, QUARTER, questions)
    sides = {}
    for number in range(1, 41):
        sides.setdefault(questions[number - 1].rstrip("？"), set()).add(number in found.held_out)
    assert len(found.held_out) == 10 and all(len(one) == 1 for one in sides.values())


def test_choosing_and_reporting_share_no_question():
    questions = asked(20)
    found = split.draw(range(1, 41), {}, QUARTER, questions)
    texts = [{questions[number - 1].rstrip("？") for number in part} for part in (found.choosing, found.reporting)]
    assert all(texts) and not texts[0] & texts[1]
    assert sorted((*found.choosing, *found.reporting)) == list(found.held_out)


def test_a_set_that_asks_one_thing_only_still_holds_rows_out():
    found = split.draw(range(1, 21), {}, QUARTER, ["判断情感"] * 20)
    assert len(found.held_out) == 5


def test_reporting_rows_are_written_and_must_be_held_out(tmp_path):
    one = split.draw(range(1, 41), {}, QUARTER, asked(20))
    split.write(tmp_path, one)
    assert split.read(tmp_path) == one and one.reporting
    record = json.loads((tmp_path / "split.json").read_text())
    record["reporting"] = [one.training[0]]
    (tmp_path / "split.json").write_text(json.dumps(record))
    assert split.read(tmp_path) is None
