"""A run directory says the truth about its run, whatever a crash or a stranger left in it."""

import errno
import hashlib
import json
import os
import time

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glm_core import i18n, workspace
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.runs import RunError, files, store
from glm_core.runs.exit_reasons import explain
from glm_core.runs.files import read_rows, read_tail
from glm_core.training.settings import TrainingSettings
from tests.pages.test_training import CONFIG
from tests.runs.conftest import make


def put(run, name, content):
    (run.path / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_a_new_run_is_listed_newest_first_with_what_it_was_given():
    first, second = make("first"), make("second")
    assert [run.id for run in store.runs()] == [second.id, first.id]
    found = store.get(first.id)
    assert (found.name, found.owner, found.model_name, found.dataset["rows"]) == ("first", "ada", "tiny", 20)
    assert found.questions == ("你是谁？",)
    assert found.status().state == "queued"


def test_a_full_disk_is_a_sentence_and_leaves_nothing(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(workspace, "write_json", full)
    with pytest.raises(RunError, match="磁盘满了"):
        make()
    assert list(store.folder().iterdir()) == []


def test_a_workspace_that_cannot_be_written_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EASYAIGC_HOME", str(tmp_path / "file"))
    with pytest.raises(RunError, match="EASYAIGC_HOME"):
        make()
    assert store.runs() == []


@pytest.mark.parametrize("name", ["", ".", "..", "../run", "a/b", "/etc", "nul\x00l", "x" * 300, ".hidden", "none"])
def test_a_name_that_is_no_run_is_an_error(name):
    store.folder().mkdir(parents=True)
    with pytest.raises(RunError):
        store.get(name)


def test_a_linked_directory_is_no_run(tmp_path):
    run = make()
    os.replace(run.path, tmp_path / "elsewhere")
    run.path.symlink_to(tmp_path / "elsewhere")
    assert store.runs() == []
    with pytest.raises(RunError):
        store.get(run.id)


@pytest.mark.parametrize("state", ["running", "stopping"])
@pytest.mark.parametrize("pid", [2**22 + 1, -1, 0, 1, True, "12", 10**30, [3]])
def test_a_run_whose_process_does_not_exist_is_failed_and_says_so(state, pid):
    run = make()
    store.change(run, pid=pid, pid_created=time.time())
    put(run, "status.json", {"state": state, "step": 7})
    status = run.status()
    assert status.state == "failed" and not status.active
    assert "7" in status.why


def test_a_number_that_now_belongs_to_another_program_is_not_the_trainer():
    run = make()
    store.change(run, pid=os.getpid(), pid_created=psutil.Process().create_time())
    put(run, "status.json", {"state": "running"})
    assert store.get(run.id).status().state == "failed"


def test_a_dead_run_that_was_asked_to_stop_is_stopped_not_failed():
    run = make()
    store.change(run, pid=2**22 + 1, pid_created=0.0)
    put(run, "status.json", {"state": "running", "step": 3})
    put(run, "stop", {"time": 0, "save": True})
    assert run.status().state == "stopped"


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_an_end_that_the_trainer_wrote_stands(state):
    run = make()
    put(run, "status.json", {"state": state, "step": 9, "total_steps": 9, "why": "plain words"})
    status = run.status()
    assert (status.state, status.step, status.why) == (state, 9, "plain words")


def test_a_reason_is_told_in_the_language_of_the_reader():
    run = make()
    put(run, "status.json", {"state": "failed", "why": {"key": "runs.why.killed", "values": {"step": 12}}})
    assert "第 12 步" in run.status().why
    i18n.use("en")
    assert "at step 12" in run.status().why


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "state",
                    "why",
                    "key",
                    "values",
                    "step",
                    "pid",
                    "pid_created",
                    "dataset",
                    "rows",
                    "settings",
                    "processes",
                    "name",
                    "questions",
                    "model",
                    "created",
                    "updated",
                    "stage_seconds",
                    "loss",
                    "time",
                    "note",
                    "devices",
                ]
            ),
            inner,
            max_size=9,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), st.data())
def test_no_content_of_a_run_directory_raises(workspace, content, data):
    run = store.runs()[0] if store.runs() else make()
    other = data.draw(JSON.map(lambda value: json.dumps(value).encode() + b"\n"))
    for name in ("run.json", "status.json", "metrics.jsonl", "samples.jsonl", "resources.jsonl", "train.log"):
        (run.path / name).write_bytes(data.draw(st.sampled_from([content, other, other[:-4]])))
    found = store.runs()[0]
    status = found.status()
    assert status.state in store.STATES and isinstance(status.why, str)
    assert isinstance(found.name, str) and found.name
    assert all(isinstance(row["step"], (int, float)) for row in found.metrics()[0])
    assert all(isinstance(row["answer"], str) for row in found.samples()[0])
    found.resources(), found.log_tail(), found.checkpoints(), found.adapter()
    assert isinstance(found.dataset["rows"], int) and isinstance(store.differences([found, found]), dict)


def test_a_status_that_cannot_be_read_is_not_taken_for_waiting():
    run = make()
    put(run, "status.json", '{"state": "runn')
    assert run.status().state == "failed" and run.status().damaged


def test_only_whole_lines_are_read_and_the_rest_follows(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"step": 1}\nnonsense\n[1]\n{"step": 2')
    rows, offset = read_rows(file)
    assert rows == [{"step": 1}]
    file.write_bytes(file.read_bytes() + b"}\n")
    assert read_rows(file, offset) == ([{"step": 2}], file.stat().st_size)


def test_a_file_that_was_begun_again_is_read_from_its_start(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b'{"step": 1}\n')
    assert read_rows(file, 5000) == ([{"step": 1}], 12)


def test_the_log_shows_a_progress_bar_once_and_no_control_characters(tmp_path):
    file = tmp_path / "train.log"
    file.write_bytes(b"loading\n 10%\r 50%\r100%\n\x1b[31mred\xff\n")
    assert read_tail(file).splitlines() == ["loading", "100%", "[31mred\N{REPLACEMENT CHARACTER}"]


def test_a_huge_log_costs_only_its_tail(tmp_path):
    file = tmp_path / "train.log"
    file.write_bytes(b"x" * 5_000_000 + b"\nlast\n")
    tail = read_tail(file)
    assert tail.endswith("last") and len(tail) < 70_000


def test_only_whole_checkpoints_count():
    run = make()
    for step, whole in ((4, True), (12, True), (20, False)):
        folder = run.path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if whole:
            (folder / "trainer_state.json").write_text("{}")
    assert run.checkpoints() == [4, 12]


def test_renaming_and_notes_are_kept_and_an_empty_name_is_refused():
    run = make()
    run.rename("  better\nname ")
    run.annotate("works with 60 updates")
    found = store.get(run.id)
    assert (found.name, found.note) == ("better name", "works with 60 updates")
    with pytest.raises(RunError, match="名字是空的"):
        run.rename("   ")


def test_a_run_that_waits_or_works_is_not_deleted():
    run = make()
    put(run, "status.json", {"state": "queued"})
    with pytest.raises(RunError, match="先停止"):
        run.remove()
    put(run, "status.json", {"state": "failed"})
    run.remove()
    assert store.runs() == [] and not run.path.exists()


def test_starting_again_keeps_the_rows_and_settings_but_not_the_life_of_the_first():
    run = make("imprint")
    run.annotate("first try")
    put(run, "status.json", {"state": "failed"})
    copy = store.clone(run, owner="grace")
    assert copy.id != run.id and copy.settings == run.settings and copy.questions == run.questions
    assert (copy.path / "dataset.jsonl").read_bytes() == (run.path / "dataset.jsonl").read_bytes()
    assert (copy.owner, copy.note, copy.pid, copy.status().state) == ("grace", "", None, "queued")


def test_only_differences_between_runs_are_listed():
    first, second = make(steps=5), make(steps=9, processes=2)
    assert store.differences([first, second]) == {"processes": [1, 2], "fake": [{"steps": 5}, {"steps": 9}]}
    assert store.differences([first, first]) == {}


def test_what_a_run_does_not_use_sets_it_apart_from_nobody():
    plain = TrainingSettings(method="lora", lora_rank=8, prefix_length=64)
    runs = [
        store.clone(make("imprint"), settings=plain.changed(**changes))
        for changes in ({}, {"prefix_length": 128}, {"method": "ptuning", "lora_rank": 4}, {"lora_rank": 16})
    ]
    assert store.differences(runs[:2]) == {}
    assert store.differences(runs[:3]) == {"method": ["lora", "lora", "ptuning"]}
    assert store.differences(runs[1:]) == {"method": ["lora", "ptuning", "lora"], "lora_rank": [8, store.UNUSED, 16]}


@pytest.mark.parametrize(
    ("log", "code", "key"),
    [
        ("OSError: [Errno 28] No space left on device", 1, "training.failed.disk_full"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", 1, "runs.why.memory"),
        ("fine", -9, "runs.why.killed"),
        ("fine", None, "runs.why.vanished"),
        ("ValueError: bad", 1, "runs.why.crashed"),
    ],
)
def test_the_end_of_a_silent_trainer_is_explained(log, code, key):
    run = make()
    put(run, "train.log", log + "\n")
    assert explain(run.path, code)["key"] == key


def test_a_lock_that_cannot_be_taken_for_want_of_permission_is_a_sentence(monkeypatch, tmp_path):
    def refuse(_lock):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.filelock.FileLock, "acquire", refuse)
    with pytest.raises(RunError) as caught, files.locked(tmp_path / ".lock"):
        pass
    assert caught.value.key == "workspace.unwritable"


@pytest.mark.parametrize("kind", ["own", "bundled"])
def test_the_rows_of_a_run_are_those_of_the_library_byte_by_byte(workspace, kind):
    (workspace / "models" / "small").mkdir(parents=True)
    (workspace / "models" / "small" / "config.json").write_text(json.dumps(CONFIG))
    id = library.add("两行", [pair("一", "1"), pair("二", "2")]).id if kind == "own" else "imprint"
    run = store.create(workspace / "models" / "small", id, TrainingSettings())
    content = (run.path / "dataset.jsonl").read_bytes()
    assert content == library.content(id)[1]
    assert hashlib.sha256(content).hexdigest() == run.dataset["sha256"] == library.get(id).sha256
    assert run.dataset["rows"] == len(content.splitlines())


@pytest.mark.parametrize("name", ["a:b", "a\\b", "x" * 130])
def test_a_folder_whose_name_no_run_could_have_stops_nothing(name):
    run = make()
    (store.folder() / name).mkdir()
    (store.folder() / name / "run.json").write_text("{}")
    assert [one.id for one in store.runs()] == [run.id]


def test_a_clone_keeps_neither_the_forecast_nor_the_fingerprint_of_its_model_run(tmp_path):
    run = make()
    store.change(run, expected={"seconds": 9.0}, fingerprint="old", model=str(tmp_path / "gone"))
    copy = store.clone(store.get(run.id))
    assert copy.expected == {} and json.loads((copy.path / "run.json").read_text())["fingerprint"] == ""


def test_a_changed_run_is_seen_at_once_though_the_list_keeps_what_it_has_read(monkeypatch):
    monkeypatch.setattr(workspace, "SETTLING_SECONDS", -1)
    run = make("before")
    assert store.runs()[0].name == "before" and store.runs()[0] is store.runs()[0]
    run.rename("after")
    assert store.runs()[0].name == "after"
    put(run, "status.json", {"state": "finished"})
    assert run.status().state == "finished"
    put(run, "status.json", {"state": "failed"})
    assert run.status().state == "failed"
