"""Data sets on disk: whole or not at all, whatever happens."""

import errno
import json
import os
import shutil
import threading
import time
import tracemalloc

import pytest

from glm_core import i18n, workspace
from glm_core.data import DataError, Example, bundled, library, store
from glm_core.data.examples import Notice, pair


def rows(count: int, tag: str = "") -> list[Example]:
    return [pair(f"问题{tag}{number}", f"答案{number}") for number in range(count)]


def said(id: str) -> list[str]:
    return [example.question for example in library.examples(id)]


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """Bundled files of our own, so that these tests do not rest on the real ones."""
    folder = tmp_path / "assets" / "datasets"
    folder.mkdir(parents=True)
    lines = [
        {"instruction": "你是谁？", "input": "", "output": "我是{name}，由{author}开发。"},
        {"instruction": "{author}是谁", "output": "{name}的作者{其他}"},
    ]
    (folder / "imprint.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "advertisement.jsonl").write_text('{"content":"a","summary":"b"}\n')
    monkeypatch.setattr(workspace, "ASSETS", tmp_path / "assets")
    return folder


@pytest.fixture(autouse=True)
def no_assets(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "ASSETS", tmp_path / "none")


def test_an_empty_library_lists_nothing():
    assert library.datasets() == [] and library.damaged() == []


def test_what_is_added_is_there_after_a_restart(workspace):
    dataset = library.add("我的 数据\n集", rows(3), source="a.csv")
    store.read_rows.cache_clear()
    assert library.get(dataset.id) == dataset == library.datasets()[0]
    assert (dataset.name, dataset.rows, dataset.source, dataset.bundled) == ("我的 数据 集", 3, "a.csv", False)
    assert said(dataset.id) == ["问题0", "问题1", "问题2"]
    assert [example.line for example in library.examples(dataset.id)] == [1, 2, 3]
    assert (workspace / "datasets" / dataset.id / "dataset.json").exists()


def test_the_hash_is_of_the_content_only():
    first, second = library.add("a", rows(3)), library.add("b", rows(3))
    assert first.sha256 == second.sha256 and first.id != second.id
    assert library.add("a", rows(4)).sha256 != first.sha256


def test_the_newest_comes_first():
    for name in "abc":
        library.add(name, rows(1))
        time.sleep(0.002)
    assert [dataset.name for dataset in library.datasets()] == ["c", "b", "a"]


def test_adding_under_a_known_id_replaces_its_rows():
    library.add("a", rows(3), id="mine")
    library.add("b", rows(1, "x"), id="mine")
    assert said("mine") == ["问题x0"] and [dataset.name for dataset in library.datasets()] == ["b"]


def test_replacing_keeps_the_rows_from_before_and_no_older_ones(workspace):
    dataset = library.add("a", rows(3))
    changed = library.replace_rows(dataset.id, rows(2, "x"), expected=dataset.sha256)
    assert said(dataset.id) == ["问题x0", "问题x1"] and (changed.rows, changed.created) == (2, dataset.created)
    changed = library.replace_rows(dataset.id, rows(1, "y"))
    assert len(list((workspace / "datasets" / dataset.id).glob("rows-*"))) == 2
    assert library.restore(dataset.id).rows == 2 and said(dataset.id) == ["问题x0", "问题x1"]
    assert library.restore(dataset.id).sha256 == changed.sha256 and said(dataset.id) == ["问题y0"]


def test_a_set_that_never_changed_has_nothing_to_go_back_to():
    dataset = library.add("a", rows(3))
    with pytest.raises(DataError):
        library.restore(dataset.id)
    library.replace_rows(dataset.id, rows(3))
    with pytest.raises(DataError):
        library.restore(dataset.id)


def test_rows_are_appended_with_their_source_and_notices():
    dataset = library.add("a", rows(2), source="a.csv")
    told = Notice("sheets", 2, "data.notice.sheets", {"names": ["一", "二"]})
    grown = library.append(dataset.id, rows(1, "x"), source="b.csv", notices=[told])
    assert (
        said(dataset.id) == ["问题0", "问题1", "问题x0"] and grown.source == "a.csv + b.csv" and len(grown.notices) == 1
    )
    assert library.restore(dataset.id).rows == 2
    with pytest.raises(DataError):
        library.append("imprint", rows(1))


def test_the_rows_from_before_can_be_deleted_for_good(workspace):
    dataset = library.add("a", rows(3))
    library.replace_rows(dataset.id, rows(2))
    assert library.forget_previous(dataset.id).previous == ""
    assert len(list((workspace / "datasets" / dataset.id).glob("rows-*"))) == 1 and len(said(dataset.id)) == 2
    with pytest.raises(DataError):
        library.restore(dataset.id)


def test_a_large_set_takes_little_more_memory_than_its_file():
    kept = library.add("大", rows(20_000))
    size = store.rows_file(store.folder(kept.id), kept.sha256).stat().st_size
    tracemalloc.start()
    found = library.examples(kept.id)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 20_000 and found[7].line == 8 and found[7].question == "问题7"
    assert taken < 2.5 * size


def test_cells_that_a_spreadsheet_would_run_follow_the_rows():
    kept = library.add("表", [pair("=1+1", "=2+2"), *rows(2)])
    assert library.formulas(kept.id) == 2
    library.replace_rows(kept.id, rows(2))
    assert library.formulas(kept.id) == 0


def test_findings_follow_the_rows():
    dataset = library.add("a", [*rows(3), *rows(1)])
    assert [one.kind for one in library.findings(dataset.id)] == ["repeated"]
    library.replace_rows(dataset.id, rows(3))
    assert library.findings(dataset.id) == []


def test_a_change_based_on_older_rows_is_refused():
    dataset = library.add("a", rows(3))
    library.replace_rows(dataset.id, rows(2))
    with pytest.raises(DataError):
        library.replace_rows(dataset.id, rows(5), expected=dataset.sha256)
    assert library.get(dataset.id).rows == 2


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [pair("a", " ")],
        [pair("a", "b"), pair("", "b")],
        [Example([{"role": "user", "content": "a"}])],
        [Example([{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}])],
        [pair("a", "\ud800")],
    ],
)
def test_bad_rows_change_nothing(bad):
    dataset = library.add("a", rows(3))
    for change in (
        lambda: library.replace_rows(dataset.id, bad),
        lambda: library.add("b", bad, id=dataset.id),
        lambda: library.add("b", bad),
    ):
        with pytest.raises(DataError) as caught:
            change()
        assert str(caught.value)
    assert library.datasets() == [dataset] and len(said(dataset.id)) == 3


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "长" * 81, "a\u202eb"])
def test_bad_names_are_refused(name):
    dataset = library.add("a", rows(1))
    with pytest.raises(DataError):
        library.add(name, rows(1))
    with pytest.raises(DataError):
        library.rename(dataset.id, name)
    assert library.datasets() == [dataset]


@pytest.mark.parametrize("id", ["../a", "a/b", "..", "", ".hidden", "a\0", "没有", "x" * 300])
def test_ids_cannot_leave_the_library(id):
    for action in (library.get, library.examples, library.remove, lambda id: library.rename(id, "b")):
        with pytest.raises(Exception) as caught:
            action(id)
        assert caught.type.__name__ in ("DataError", "WorkspaceError")


def test_renaming_and_removing():
    dataset = library.add("a", rows(1))
    assert library.rename(dataset.id, "新名字").name == library.get(dataset.id).name == "新名字"
    library.remove(dataset.id)
    assert library.datasets() == []
    with pytest.raises(DataError):
        library.get(dataset.id)


# faults


def test_a_full_disk_changes_nothing_and_leaves_nothing(workspace, monkeypatch):
    dataset = library.add("a", rows(3))
    before = sorted(path for path in workspace.rglob("*"))

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for change in (
        lambda: library.add("b", rows(2)),
        lambda: library.replace_rows(dataset.id, rows(2)),
        lambda: library.rename(dataset.id, "c"),
    ):
        with pytest.raises(DataError) as caught:
            change()
        assert "磁盘" in str(caught.value)
    assert sorted(path for path in workspace.rglob("*")) == before and library.datasets() == [dataset]


@pytest.mark.parametrize("step", range(6))
def test_a_crash_at_any_step_leaves_the_old_rows_or_the_new(workspace, monkeypatch, step):
    dataset = library.add("a", rows(3))
    calls = {"left": step}

    def dying(function):
        def call(*arguments, **options):
            if calls["left"] == 0:
                raise KeyboardInterrupt
            calls["left"] -= 1
            return function(*arguments, **options)

        return call

    for name in ("fsync", "replace", "chmod"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    try:
        library.replace_rows(dataset.id, rows(2, "x"))
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    monkeypatch.setenv("EASYAIGC_HOME", str(workspace))
    store.read_rows.cache_clear()
    assert said(dataset.id) in (["问题0", "问题1", "问题2"], ["问题x0", "问题x1"])
    assert library.damaged() == []


def test_leftovers_of_a_crash_are_unseen_and_swept_away(workspace):
    folder = workspace / "datasets" / ".new-a-12ab"
    folder.mkdir(parents=True)
    (folder / "rows-1.jsonl").write_text("half")
    assert library.datasets() == [] and library.damaged() == []
    library.add("a", rows(1))
    assert folder.exists()  # somebody may still be writing it
    os.utime(folder, (1, 1))
    library.add("b", rows(1))
    assert not folder.exists() and len(library.datasets()) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"id": "x"}',
        "",
        '{"id":"other","name":"a","rows":1,"sha256":"0","created":0}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_a_damaged_set_is_listed_apart_and_can_be_removed(workspace, damage):
    good, bad = library.add("good", rows(1)), library.add("bad", rows(1))
    (workspace / "datasets" / bad.id / "dataset.json").write_text(damage)
    assert library.datasets() == [good] and library.damaged() == [bad.id]
    with pytest.raises(DataError):
        library.get(bad.id)
    library.remove(bad.id)
    assert library.damaged() == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": 5},
        {"name": None},
        {"rows": "1"},
        {"rows": True},
        {"sha256": 5},
        {"sha256": "../../etc/passwd"},
        {"created": "x"},
        {"source": ["a"]},
        {"notices": ["a"]},
        {"notices": 1},
    ],
)
def test_a_record_of_other_kinds_is_damage(workspace, change):
    bad = library.add("bad", rows(1))
    file = workspace / "datasets" / bad.id / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert library.datasets() == [] and library.damaged() == [bad.id]
    library.remove(bad.id)
    assert library.damaged() == []


@pytest.mark.parametrize("name", ["dataset.json", "rows-*"])
def test_a_folder_in_place_of_a_file_is_damage_that_can_be_removed(workspace, name):
    bad = library.add("bad", rows(1))
    [file] = (workspace / "datasets" / bad.id).glob(name)
    file.unlink()
    file.mkdir()
    (file / "inside").write_text("x")
    assert library.datasets() == [] and library.damaged() == [bad.id]
    library.remove(bad.id)
    assert library.damaged() == []


def test_rows_changed_behind_our_back_are_noticed(workspace):
    dataset = library.add("a", rows(1))
    [file] = (workspace / "datasets" / dataset.id).glob("rows-*")
    file.write_text(file.read_text().replace("答案", "谎言"))
    store.read_rows.cache_clear()
    with pytest.raises(DataError):
        library.examples(dataset.id)
    shutil.rmtree(file.parent)
    with pytest.raises(DataError):
        library.examples(dataset.id)


def test_readers_and_writers_at_once_see_whole_sets():
    dataset, failures = library.add("a", rows(50, "0")), []
    writing = threading.Event()

    def write():
        try:
            for number in range(60):
                library.replace_rows(dataset.id, rows(50, str(number)))
        finally:
            writing.set()

    def read():
        while not writing.is_set():
            questions = {question.removeprefix("问题")[:-1].rstrip("0123456789") for question in said(dataset.id)}
            if len(said(dataset.id)) != 50 or questions != {""} or library.damaged():
                failures.append(questions)

    threads = [threading.Thread(target=write), *(threading.Thread(target=read) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and library.get(dataset.id).rows == 50


def test_a_set_whose_rows_are_gone_is_damaged_and_nobody_waits_for_them():
    dataset = library.add("a", rows(2))
    library.rows_file(dataset.id).unlink()
    assert library.damaged() == [dataset.id]
    with pytest.raises(DataError):
        library.examples(dataset.id)


# bundled sets and the imprint


def test_bundled_sets_come_last_and_cannot_be_changed(assets):
    own = library.add("a", rows(1))
    assert [dataset.id for dataset in library.datasets()] == [own.id, "imprint", "advertisement"]
    assert library.get("imprint").bundled and library.get("imprint").rows == 2
    for action in (
        library.remove,
        lambda id: library.rename(id, "b"),
        lambda id: library.replace_rows(id, rows(1)),
        lambda id: library.add("b", rows(1), id=id),
    ):
        with pytest.raises(DataError):
            action("imprint")


def test_bundled_names_follow_the_language(assets):
    chinese = library.get("advertisement").name
    i18n.use("en")
    assert library.get("advertisement").name != chinese


def test_the_imprint_carries_the_readers_names(assets):
    first, second = library.imprint(" 小明 ", "{name}工作室")
    assert first.answer == "我是小明，由{name}工作室开发。"  # a name that looks like a placeholder stays a name
    assert (second.question, second.answer) == ("{name}工作室是谁", "小明的作者{其他}")
    assert library.examples("imprint")[0].answer == "我是{}，由{}开发。".format(*library.IMPRINT)


@pytest.mark.parametrize("name", ["", " ", "长" * 41, "a\nb\0"])
def test_imprint_names_are_checked(assets, name):
    with pytest.raises(DataError):
        library.imprint(name, "作者")
    with pytest.raises(DataError):
        library.imprint("名字", name)


# parts


def test_splitting_gives_two_new_sets_and_keeps_the_first():
    dataset = library.add("数据", rows(20))
    train, validation = library.split(dataset.id, 0.2)
    assert (train.rows, validation.rows) == (16, 4)
    assert sorted(said(train.id) + said(validation.id)) == sorted(said(dataset.id))
    assert "数据" in train.name and train.name != validation.name and len(library.datasets()) == 3


def test_what_a_set_was_made_from_is_said_in_the_readers_language(workspace):
    made = library.add("mine", rows(2), source=i18n.t("data.bundled.imprint"))
    i18n.use("en")
    assert bundled.origin(made.source) == i18n.t("data.bundled.imprint") != made.source
    assert bundled.origin("my rows.csv") == "my rows.csv"
