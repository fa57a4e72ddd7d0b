"""A run's page that nobody touches, while another window resumes the run, or deletes it."""

import subprocess
import sys
import time

import pytest

from glm_core import i18n
from glm_core import workspace as files
from glm_core.data import library
from glm_core.runs import Run, processes, store
from glm_core.training.settings import TrainingSettings
from tests.browser.conftest import settle
from tests.runs.exchange.test_import_adapter import trained
from tests.tiny import tiny_chatglm

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def run(workspace):
    """A run that was stopped."""
    base = tiny_chatglm(workspace / "models" / "small")
    imprint = next(one for one in library.datasets() if one.id == "imprint")
    made = store.create(base, imprint.id, TrainingSettings(max_steps=4, evaluations=0), owner="local", name="铭刻")
    say(made, "stopped")
    return made


def say(run: Run, state: str) -> None:
    """Give the run a state as another window's press does."""
    record = {"state": state, "stage": "", "step": 0, "total_steps": 4, "updated": time.time()}
    files.write_json(run.path / "status.json", record)


@pytest.fixture
def trainer(run):
    """A process that looks like the run's trainer and does nothing, which a page cannot tell from one that is slow."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", str(run.path)])
    store.change(run, pid=process.pid, pid_created=processes.created(process.pid))
    yield process
    process.kill()
    process.wait()


def learn(run: Run) -> None:
    """Give the run what a training ends with: an adapter and its state."""
    trained(run.model, run.path / "adapter")
    say(run, "finished")


def test_the_page_follows_a_run_that_was_resumed_or_deleted_elsewhere(run, trainer, server, page):
    table = i18n.table("zh")
    again = page.get_by_role("button", name=table["run.again"], exact=True)
    page.goto(f"{server.url}/run?run={run.id}")
    again.wait_for()
    settle(page)
    say(run, "running")
    page.get_by_role("button", name=table["run.stop"]).wait_for()
    assert not again.count()
    learn(run)
    page.get_by_role("button", name=table["run.chat"], exact=True).wait_for()
    run.remove()
    page.get_by_text(table["run.unknown"]).wait_for()
