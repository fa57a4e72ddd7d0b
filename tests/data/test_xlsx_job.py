"""Excel files of large sets, made aside: with progress, to be cancelled, found again."""

import threading
import time

import pytest

from glm_core import i18n
from glm_core.data import DataError, export, library, read_bytes, xlsx_job
from glm_core.data.examples import pair


@pytest.fixture
def rows():
    return [pair(f"问题{number}", f"答案{number}") for number in range(1_200)]


@pytest.fixture
def kept(rows):
    return library.add("大", rows)


@pytest.fixture
def paused(monkeypatch):
    """Writing that waits halfway until the returned event is set."""
    here, on, write = threading.Event(), threading.Event(), export.write_xlsx

    def wait(examples, target, progress):
        def halfway(fraction):
            progress(fraction)
            if fraction > 0.3:
                here.set()
                on.wait(30)
                progress(fraction)

        write(examples, target, halfway)

    monkeypatch.setattr(xlsx_job, "write_xlsx", wait)
    return here, on


def files():
    return [path.name for path in (library.store.home() / ".sheets").iterdir()]


def test_a_sheet_is_the_file_that_the_export_makes(kept, rows):
    sheet = xlsx_job.start(kept, rows)
    sheet.wait(30)
    assert sheet.state == "done" and files() == [sheet.path.name]
    found = read_bytes(sheet.path.read_bytes(), "a.xlsx").examples
    assert [one.messages for one in found] == [one.messages for one in rows]


def test_progress_is_told_and_the_same_sheet_is_not_made_twice(kept, rows, paused):
    here, on = paused
    sheet = xlsx_job.start(kept, rows)
    assert here.wait(30)
    assert sheet.state == "running" and 0.3 < sheet.fraction < 1
    assert xlsx_job.start(kept, rows) is sheet is xlsx_job.find(kept)
    on.set()
    sheet.wait(30)
    assert xlsx_job.start(kept, rows) is sheet and sheet.state == "done"


def test_a_cancelled_sheet_leaves_nothing_and_can_be_begun_again(kept, rows, paused):
    here, on = paused
    sheet = xlsx_job.start(kept, rows)
    assert here.wait(30)
    sheet.cancel()
    on.set()
    sheet.wait(30)
    assert sheet.state == "cancelled" and files() == []
    again = xlsx_job.start(kept, rows)
    again.wait(30)
    assert again.state == "done"


def test_another_server_finds_what_is_done_and_changed_rows_have_no_sheet_yet(kept, rows, monkeypatch):
    xlsx_job.start(kept, rows).wait(30)
    xlsx_job.registry.clear()
    assert xlsx_job.find(kept).state == "done"
    assert xlsx_job.find(library.replace_rows(kept.id, rows[1:])) is None


def test_a_sheet_that_was_deleted_is_not_offered(kept, rows):
    sheet = xlsx_job.start(kept, rows)
    sheet.wait(30)
    sheet.path.unlink()
    assert xlsx_job.find(kept) is None


def test_what_cannot_be_written_is_said(rows):
    long = [*rows, pair("长", "长" * 40_000)]
    sheet = xlsx_job.start(library.add("长", long), long)
    sheet.wait(30)
    assert sheet.state == "failed" and isinstance(sheet.error, DataError) and "1201" in str(sheet.error)
    assert files() == []


def test_a_full_disk_is_said(kept, rows, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xlsx_job, "write_xlsx", full)
    sheet = xlsx_job.start(kept, rows)
    sheet.wait(30)
    assert sheet.state == "failed" and str(sheet.error) == i18n.t("data.disk_full")


def test_files_of_yesterday_are_swept(kept, rows, monkeypatch):
    xlsx_job.start(kept, rows).wait(30)
    other = library.add("别", rows[:600])
    monkeypatch.setattr(time, "time", lambda now=time.time(): now + 90_000)
    sheet = xlsx_job.start(other, rows[:600])
    sheet.wait(30)
    assert files() == [sheet.path.name]
