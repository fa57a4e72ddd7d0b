"""The mean of an adapter's last updates: over which ones, kept in checkpoints, given to the adapter at the end."""

import torch

from glm_core.adapters.files import PREFIX_WEIGHTS
from glm_core.training.averaging import FILE, WeightAverage
from glm_core.training.process import checkpoint_folders


def weights_after(step):
    return torch.full((2, 3), float(step)), torch.full((4,), 10.0 * step)


def averaged(steps, skipped, folder=None, stop=None):
    """The weights that an average of `steps` updates leaves; interrupted after `stop` and gone on from `folder`."""
    held = [torch.zeros(2, 3), torch.zeros(4)]
    average = WeightAverage(held, skipped)
    for step in range(1, steps + 1):
        for weight, value in zip(held, weights_after(step), strict=True):
            weight.copy_(value)
        average.add(step)
        if step == stop:
            average.save(folder)
            average = WeightAverage(held, skipped)
            average.load(folder)
    average.apply()
    return held


def test_the_mean_is_of_the_updates_behind_those_that_are_skipped():
    assert [one.flatten()[0].item() for one in averaged(10, 6)] == [8.5, 85.0]
    assert [one.flatten()[0].item() for one in averaged(10, 10)] == [10.0, 100.0]  # none counted: as they are


def test_an_average_that_was_interrupted_is_the_same(tmp_path):
    whole = averaged(10, 4)
    for stop in (2, 5, 9):
        (tmp_path / FILE).unlink(missing_ok=True)
        again = averaged(10, 4, tmp_path, stop)
        assert all(torch.allclose(one, other) for one, other in zip(again, whole, strict=True))
        assert (tmp_path / FILE).is_file() == (stop > 4)


def test_a_checkpoint_whose_average_is_cut_off_is_not_gone_on_from(tmp_path):
    (tmp_path / checkpoint_folders.STATE_FILE).write_text("{}")
    torch.save({}, tmp_path / "optimizer.pt")
    torch.save({}, tmp_path / "scheduler.pt")
    torch.save({}, tmp_path / PREFIX_WEIGHTS)
    average = WeightAverage([torch.zeros(3)], 0)
    average.add(1)
    average.save(tmp_path)
    assert checkpoint_folders.is_whole(tmp_path)
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-2])
    assert not checkpoint_folders.is_whole(tmp_path)
