"""Folders that appear and disappear whole, leftovers of killed processes, and errors of the disk in a sentence."""

import errno
import os
import time

import pytest

from glm_core import workspace
from glm_core.workspace import WorkspaceError


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "old").touch()
    with workspace.replace_folder(folder) as building:
        (building / "new").write_text("x")
        assert os.listdir(folder) == ["old"]
    assert os.listdir(folder) == ["new"] and not hidden(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o755


def test_an_error_while_building_changes_nothing(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    with pytest.raises(ValueError), workspace.replace_folder(folder) as building:
        (building / "half").touch()
        raise ValueError
    assert folder.is_dir() and not os.listdir(folder) and not hidden(tmp_path)


def test_a_folder_that_must_be_new_replaces_none(tmp_path):
    (tmp_path / "run" / "kept").mkdir(parents=True)
    with pytest.raises(OSError), workspace.replace_folder(tmp_path / "run", exist_ok=False):
        pass
    assert (tmp_path / "run" / "kept").is_dir() and not hidden(tmp_path)


def test_a_discarded_folder_leaves_nothing(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    workspace.discard_folder(tmp_path / "a")
    assert not os.listdir(tmp_path)
    workspace.discard_folder(tmp_path / "a", ignore_errors=True)
    with pytest.raises(OSError):
        workspace.discard_folder(tmp_path / "a")


def test_leftovers_of_killed_processes_are_swept_but_not_what_is_being_written(tmp_path):
    run = tmp_path / "runs" / "r"
    (run / ".new-adapter-1").mkdir(parents=True)
    (run / "adapter").mkdir()
    for name in (".new-status.json.x", ".new-fresh", "status.json", ".lock"):
        (run / name).touch()
    (tmp_path / "datasets" / ".gone-d").mkdir(parents=True)
    long_ago = time.time() - 2 * workspace.LEFTOVER_SECONDS
    for name in (".new-adapter-1", ".new-status.json.x", "status.json"):
        os.utime(run / name, (long_ago, long_ago))
    workspace.sweep_leftovers(tmp_path)
    assert sorted(os.listdir(run)) == [".lock", ".new-fresh", "adapter", "status.json"]
    assert not os.listdir(tmp_path / "datasets")


def test_what_a_killed_save_leaves_is_swept(tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workspace.os, "replace", die)
    monkeypatch.setattr(workspace.Path, "unlink", lambda *_args, **_values: None)  # no time to clean up
    with pytest.raises(KeyboardInterrupt):
        workspace.write_json(tmp_path / "runs" / "status.json", {})
    (left,) = (tmp_path / "runs").iterdir()
    os.utime(left, (0, 0))
    workspace.sweep_leftovers(tmp_path)
    assert not os.listdir(tmp_path / "runs")


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (errno.ENOSPC, "workspace.disk_full"),
        (errno.EDQUOT, "workspace.disk_full"),
        (errno.EROFS, "workspace.unwritable"),
        (errno.EACCES, "workspace.unwritable"),
    ],
)
def test_an_error_of_the_disk_says_where_and_what_to_do(tmp_path, code, key):
    with pytest.raises(WorkspaceError) as caught, workspace.explain_os_error(WorkspaceError, tmp_path):
        raise OSError(code, os.strerror(code))
    assert caught.value.key == key and str(tmp_path) in str(caught.value)
