"""A real server and a real browser. Pictures of a failed test, and with EASYAIGC_SCREENSHOTS=FOLDER those of the README, are kept."""

import io
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.paths import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
READY = "[data-testid=stApp][data-test-script-state=notRunning]"


class Server:
    """`streamlit run app.py` with a workspace of its own."""

    def __init__(self, home: Path, log: Path):
        self.home, self.log = home, log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)]
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "EASYAIGC_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(self.log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the server as a signal does; training goes on."""
        self.process.send_signal(number)
        self.process.wait(30)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A running server on the workspace `folder`/home; stopped afterwards together with what it was training."""
    server = Server(folder / "home", folder / "server.log")
    yield server
    if server.process.poll() is None:
        server.stop()
    from glm_core.runs import processes

    for run in (server.home / "runs").glob("*/run.json"):
        processes.kill_all(run.parent)


@pytest.fixture
def server(tmp_path):
    """A running server on the test's workspace."""
    with running(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, closed after the file: playwright's event loop would be in the way of tests that run their own."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium fonts-noto-cjk")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is in requirements-dev.txt")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def chromium(browser):
    """The browser without a window; those that a test opens are closed with it."""
    yield browser
    for context in browser.contexts:
        context.close()


@pytest.fixture
def page(chromium, request, tmp_path):
    """A Chinese reader's desktop window; its picture is kept when the test fails."""
    context = chromium.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(90_000)  # also beside other work on the same two cores
    yield page
    if request.node.stash.get(FAILED, False):
        folder = Path(os.environ.get("EASYAIGC_FAILED") or tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{request.node.name}.png", full_page=True)
        print(f"picture: {folder / request.node.name}.png\n{page.url}")
    context.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


def settle(page) -> None:
    """Wait until the page has drawn what the last action asked for."""
    page.wait_for_timeout(300)
    page.wait_for_selector(READY)


def wait_for_end(run: str, seconds: float, enough: float = math.inf) -> None:
    """Wait until `run` of the test's workspace is over, or the share `enough` of its updates is done.

    Raises:
        TimeoutError: it still goes on after `seconds`.
    """
    from glm_core.runs import store

    end = time.monotonic() + seconds
    while (status := store.get(run).status()).active and not status.step >= enough * status.total_steps > 0:
        if time.monotonic() > end:
            raise TimeoutError(store.get(run).log_tail(20))
        time.sleep(0.5)


class Film:
    """Pictures of a page in the order in which they were taken, and the README's moving picture made of them.

    With EASYAIGC_SCREENSHOTS=FOLDER, `picture` also keeps stills of its own; without it nothing is taken.
    """

    SIZE = (960, 675)
    COLORS = 96

    def __init__(self):
        self.folder = os.environ.get("EASYAIGC_SCREENSHOTS")
        self._frames: list[tuple[bytes, int]] = []

    def frame(self, page, milliseconds: int = 500) -> None:
        """Take the page as it is; it is shown for `milliseconds`."""
        if self.folder:
            self._frames.append((page.screenshot(), milliseconds))

    def watch(self, page, until, most: int = 12, seconds: float = 180.0) -> None:
        """Take the page every other second until `until()` holds; `most` of these pictures are kept, the same time apart."""
        begin, end = len(self._frames), time.monotonic() + seconds
        while self.folder and not until() and time.monotonic() < end:
            page.wait_for_timeout(2000)
            self.frame(page)
        taken = self._frames[begin:]
        self._frames[begin:] = taken[:: max(1, -(-len(taken) // most))]

    def hold(self, page) -> None:
        """Take the page once it has come to rest; it is shown long enough to be read."""
        if self.folder:
            page.wait_for_timeout(1200)
            self.frame(page, 2200)

    def picture(self, page, name: str) -> None:
        """Hold the page, and keep it as a still for the README."""
        self.hold(page)
        if self.folder:
            opened(page.screenshot()).quantize(self.COLORS).save(Path(self.folder) / f"{name}.png", optimize=True)

    def write(self, name: str) -> None:
        """Write the film as FOLDER/`name`.gif, all frames in one palette so that what stays the same takes no room."""
        if not self._frames:
            return
        from PIL import Image

        pictures = [opened(content).resize(self.SIZE) for content, _ in self._frames]
        whole = Image.new("RGB", (self.SIZE[0], self.SIZE[1] * len(pictures)))
        for place, one in enumerate(pictures):
            whole.paste(one, (0, place * self.SIZE[1]))
        palette = whole.quantize(self.COLORS)
        frames = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
        times = [milliseconds for _, milliseconds in self._frames]
        path = Path(self.folder) / f"{name}.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)


def opened(screenshot: bytes):
    """A screenshot as a PIL image."""
    from PIL import Image

    return Image.open(io.BytesIO(screenshot)).convert("RGB")
