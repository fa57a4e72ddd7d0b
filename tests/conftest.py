"""Every test writes into a folder of its own, speaks Chinese unless it says otherwise, and reaches no network."""

import gc
import os
import shutil
from collections import defaultdict
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("EASYAIGC_LANG", "zh")  # whatever the terminal speaks
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of tests share two cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a thread that waits leaves its core to the others
if shutil.which("nvidia-smi") is None:  # read when Triton comes in, whichever test brings it
    os.environ.setdefault("TRITON_INTERPRET", "1")

import certifi
import pytest
from argon2 import PasswordHasher
from hypothesis import settings
from streamlit.components.v2.component_manager import BidiComponentManager

from glm_core import i18n
from glm_core.auth import accounts

gc.disable()  # until everything is imported: what the imports make stays, and walking it takes a third of the collection's time

settings.register_profile("any machine", deadline=None)  # a busy processor is no fault of an example
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    """A fresh EASYAIGC_HOME; returns its path."""
    monkeypatch.setenv("EASYAIGC_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    i18n.use("zh")


@pytest.fixture(scope="session", autouse=True)
def light_passwords():
    """Passwords that take no time; `test_accounts` looks at how strong the real ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "password_hasher", lambda hasher=PasswordHasher(1, 8, 1): hasher)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_foreign_components():
    """Streamlit's page tests read what every installed package says of itself, a quarter of a second a page, to find none of use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BidiComponentManager, "discover_and_register_components", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory):
    """Every client of HTTP reads the certificates of all authorities, in 18 ms, to speak to this computer without any; here it reads one."""
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path_factory.mktemp("authority") / "one.pem"
    file.write_text(Path(certifi.where()).read_text("utf-8").partition(end)[0] + end, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


def pytest_collection_finish():
    """What the imports made stays: no later collection of garbage walks it, and young objects are walked less often."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(items):
    """The longest files come first, those in a browser, then others with slow tests: no process is left alone with one at the end.

    Among them those first that give themselves the most time.
    """
    marked = {name: {item.path for item in items if item.get_closest_marker(name)} for name in ("browser", "slow")}
    given = defaultdict(float)
    for item in items:
        if limit := item.get_closest_marker("timeout"):
            given[item.path] = max(given[item.path], limit.args[0])
    items.sort(
        key=lambda item: (item.path not in marked["browser"], item.path not in marked["slow"], -given[item.path])
    )


@pytest.fixture(scope="session")
def imprint(tmp_path_factory):
    """The run directory of a good imprint on the embedded model; trained once."""
    from tests import imprint

    return imprint.train(imprint.shared_folder(tmp_path_factory.getbasetemp()))
