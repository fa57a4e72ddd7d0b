"""Work in the background: how it ends, how it is cancelled, and what a record keeps of the error it ended with."""

import json
import threading
from pathlib import Path

import pytest

from glm_core import i18n
from glm_core.errors import EasyError
from glm_core.hub.http_download import HubError
from glm_core.jobs import Cancelled, Job


def ended(act) -> Job:
    work = Job()

    def run():
        work.state = work.attempt(lambda: act(work), EasyError, "serving.failed")

    work.run_in_thread("work", run)
    work.wait(10)
    return work


def fail(error: Exception):
    def act(_work):
        raise error

    return act


def test_work_that_returns_is_done():
    work = ended(lambda work: work.check())
    assert (work.state, work.error) == ("done", None)


def test_an_error_that_is_a_sentence_is_kept_and_any_other_gets_one():
    sentence = HubError("hub.missing", host="h", file="f")
    work = ended(fail(sentence))
    assert (work.state, work.error) == ("failed", sentence)
    work = ended(fail(ZeroDivisionError()))
    assert work.state == "failed" and "ZeroDivisionError" in str(work.error)


def test_work_ends_at_its_next_check_once_it_is_cancelled():
    work, begun = Job(), threading.Event()

    def act():
        while True:
            begun.set()
            work.check()

    def run():
        work.state = work.attempt(act, EasyError, "serving.failed")

    work.run_in_thread("work", run)
    assert begun.wait(10) and work.state == "running"
    work.cancel()
    work.wait(10)
    assert (work.state, work.error) == ("cancelled", None)
    with pytest.raises(Cancelled):
        work.check()


@pytest.fixture
def spoken():
    yield
    i18n.use(i18n.DEFAULT)


def test_an_error_comes_back_from_its_record_in_the_readers_language(spoken):
    error = HubError("hub.no_space", need="5 GB", free="1 GB", folder=Path("/models"))
    again = HubError.from_record(json.loads(json.dumps(error.as_record())))
    assert type(again) is HubError
    for language in i18n.LANGUAGES:
        i18n.use(language)
        assert str(again) == str(error) and "/models" in str(again)


@pytest.mark.parametrize(
    "record",
    [
        None,
        "",
        "why",
        [],
        {},
        {"key": "hub.no_space"},
        {"key": "hub.no_space", "values": {}},
        {"key": "gone", "values": {}},
        {"key": [], "values": {}},
        {"key": "hub.no_space", "values": 3},
        {"key": "hub.no_space", "values": {"key": 1}},
    ],
)
def test_a_record_that_makes_no_sense_is_no_error(record):
    assert EasyError.from_record(record) is None
