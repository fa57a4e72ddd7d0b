"""Going back to an earlier adapter loses none, tells the truth, and is refused where it makes no sense."""

import os
import shutil

import pytest

from glm_core import workspace
from glm_core.runs import rollback, store
from glm_core.runs.files import RunError
from tests.runs.conftest import make


def put(folder, step, weights):
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_text(weights)
    (folder / "adapter_config.json").write_text("{}")
    workspace.write_json(folder / "easyaigc.json", {"step": step, "method": "lora", "base": "tiny"})


@pytest.fixture
def run():
    """A finished run of sixty updates that keeps three steps."""
    one = make("imprint")
    for step in (20, 40, 60):
        put(one.path / "checkpoints" / f"adapter-{step}", step, f"weights {step}")
    put(one.path / "adapter", 60, "weights 60")
    workspace.write_json(
        one.path / "status.json", {"state": "finished", "step": 60, "total_steps": 60, "adapter_step": 60}
    )
    return one


def weights(run):
    return (run.path / "adapter" / "adapter_model.safetensors").read_text()


def hidden(run):
    return [path.name for path in run.path.rglob(".adapter-*")]


def test_an_earlier_adapter_answers_and_one_can_go_forward_again(run):
    rollback.promote(run, 20)
    assert (weights(run), rollback.current(run), rollback.steps(run)) == ("weights 20", 20, [20, 40, 60])
    info = workspace.read_json(run.path / "adapter" / "easyaigc.json")
    assert (info["run"], info["name"], info["settings"], info["base"]) == (
        run.id,
        "imprint",
        dict(run.settings),
        "tiny",
    )
    assert workspace.read_json(run.path / "status.json")["adapter_step"] == 20 and run.status().state == "finished"
    rollback.promote(run, 60)
    assert (weights(run), rollback.current(run), hidden(run)) == ("weights 60", 60, [])


def test_the_adapter_of_a_stop_is_kept_before_another_takes_its_place(run):
    shutil.rmtree(run.path / "adapter")
    put(run.path / "adapter", 53, "weights 53")
    rollback.promote(run, 40)
    assert rollback.steps(run) == [20, 40, 53, 60]
    rollback.promote(run, 53)
    assert weights(run) == "weights 53"


@pytest.mark.parametrize("state", store.ACTIVE)
def test_a_run_that_waits_or_works_keeps_its_adapter(run, state):
    workspace.write_json(run.path / "status.json", {"state": state})
    if state != "queued":
        store.change(run, pid=None)
    with pytest.raises(RunError, match="还在训练"):
        rollback.promote(run, 20)
    assert weights(run) == "weights 60"


@pytest.mark.parametrize("step", [10, -1, 0, 10**30])
def test_a_step_that_was_not_kept_is_a_sentence(run, step):
    with pytest.raises(RunError, match="没有留下来"):
        rollback.promote(run, step)


def test_a_run_that_is_gone_is_a_sentence(run):
    run.remove()
    with pytest.raises(RunError):
        rollback.promote(run, 20)


@pytest.mark.parametrize("at", range(4))
def test_a_crash_at_any_moment_loses_no_adapter_and_the_next_try_mends_it(run, monkeypatch, at):
    shutil.rmtree(run.path / "adapter")
    put(run.path / "adapter", 53, "weights 53")
    done, rename, rmtree = [], os.rename, shutil.rmtree

    def die(act):
        def step(*arguments, **named):
            if len(done) == at:
                raise KeyboardInterrupt
            done.append(arguments)
            return act(*arguments, **named)

        return step

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(workspace.os, "rename", die(rename))
        patch.setattr(workspace.shutil, "rmtree", die(rmtree))
        rollback.promote(run, 20)
    assert run.adapter() is None or weights(run) in ("weights 53", "weights 20")
    rollback.promote(run, 40)
    assert (weights(run), rollback.steps(run), hidden(run)) == ("weights 40", [20, 40, 53, 60], [])


def test_a_full_disk_leaves_the_old_adapter_and_is_a_sentence(run, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rollback.shutil, "copyfile", full)
    with pytest.raises(RunError, match="磁盘"):
        rollback.promote(run, 20)
    assert weights(run) == "weights 60"


def test_links_lead_nowhere(run, tmp_path):
    (tmp_path / "secret").write_text("secret")
    kept = run.path / "checkpoints"
    (kept / "adapter-20" / "adapter_model.safetensors").unlink()
    (kept / "adapter-20" / "adapter_model.safetensors").symlink_to(tmp_path / "secret")
    put(tmp_path / "elsewhere", 30, "elsewhere")
    (kept / "adapter-30").symlink_to(tmp_path / "elsewhere")
    assert rollback.steps(run) == [20, 40, 60]
    rollback.promote(run, 20)
    assert not (run.path / "adapter" / "adapter_model.safetensors").exists()


def test_names_that_are_no_steps_and_folders_without_an_adapter_are_passed_over(run):
    for name in ("adapter-x", "adapter-", "adapter-²", "adapter-70"):
        (run.path / "checkpoints" / name).mkdir()
    (run.path / "checkpoints" / "adapter-x" / "easyaigc.json").write_text("{}")
    assert rollback.steps(run) == [20, 40, 60]


@pytest.mark.parametrize("record", ["", "[1]", '{"step": "6"}', '{"step": true}', '{"step": -2}'])
def test_an_adapter_that_does_not_tell_its_step_has_none(run, record):
    (run.path / "adapter" / "easyaigc.json").write_text(record)
    assert rollback.current(run) is None
