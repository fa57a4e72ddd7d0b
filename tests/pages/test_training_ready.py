"""Whoever comes to the training page's form finds a trainer ready when he presses train."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from glm_core import state, workspace
from glm_core.runs import prewarm, processes, store
from glm_core.runs.launcher import Launcher
from tests.paths import ROOT
from tests.runs.conftest import fake_command, fake_single, until


@pytest.fixture
def launcher(monkeypatch):
    """The pages' launcher, with stand-in trainers that may wait."""
    one = Launcher(fake_command, devices=list, waiting=fake_single)
    monkeypatch.setattr(state, "launcher", lambda: one)
    monkeypatch.setattr(prewarm, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(prewarm, "FREE_BYTES", 0)
    yield one
    for run in store.runs():
        processes.kill_all(run.path)
    one.prewarmer.drop(one.prewarmer.waiting.folder if one.prewarmer.waiting else None)


def open_form():
    app = AppTest.from_file(str(ROOT / "glm_core" / "page_frame.py"), default_timeout=60)
    app.query_params["lang"] = "中文"
    app.run()
    return app.switch_page(str(ROOT / "pages" / "training.py")).run()


def waited(run):
    return [row["waited"] for row in workspace.read_lines(run.path / "starts.jsonl")[0]]


def test_a_press_of_train_is_answered_by_the_trainer_that_waits(launcher):
    app = open_form()
    launcher.tick()
    app.button(key="start").click().run()
    assert not app.exception and not app.error
    (run,) = store.runs()
    until(lambda: run.status().state == "finished", launcher)
    assert waited(run) == [True]


def test_a_press_before_one_waits_starts_as_ever_and_leaves_none_behind(launcher):
    app = open_form()
    app.button(key="start").click().run()
    (run,) = store.runs()
    until(lambda: run.status().state == "finished", launcher)
    time.sleep(0.05)
    launcher.tick()
    assert waited(run) == [False] and launcher.claim() == ""


def test_none_is_kept_ready_for_what_takes_several_processes(launcher):
    app = open_form()
    app.number_input(key="set_processes").set_value(2).run()
    launcher.prewarmer.claim()  # what the first look at the form asked for is forgotten
    app.number_input(key="set_epochs").set_value(3).run()
    launcher.tick()
    assert not app.exception and launcher.claim() == ""
    app.number_input(key="set_processes").set_value(1).run()
    launcher.tick()
    assert launcher.claim()
