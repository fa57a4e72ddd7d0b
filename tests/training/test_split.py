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
