"""Large sets given to the upload page in Chromium: how long it takes, and what a second client of the server notices meanwhile.

    python -m benchmarks.uploads [--megabytes 60] [--formats jsonl csv xlsx]

Rows are of random Chinese characters, so that an xlsx packs to half of its text at best. A file is uploaded, read, kept as a set, and the
set opened once more; every 50 ms another client asks /health. Prints a table in Markdown. Needs Chromium and playwright.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load import PASSWORD  # noqa: E402
from glm_core.auth import accounts  # noqa: E402
from glm_core.data import export  # noqa: E402
from glm_core.data.examples import Example, pair  # noqa: E402
from tests.browser.conftest import CHROMIUM, Server, settle  # noqa: E402

LONGEST_SECONDS = 600
EVERY_SECONDS = 0.05
SLOW_SECONDS = 0.2
"/health of others must answer within this."
PACKED = {"jsonl": 1.0, "csv": 1.0, "xlsx": 1.5}
"Bytes of text a byte of the file, about."


def rows_of(size: float) -> Iterator[Example]:
    """Rows of about `size` bytes of text in all."""
    chance, letters = random.Random(1), [chr(0x4E00 + place) for place in range(2000)]
    pool = ["".join(chance.choices(letters, k=4)) for _ in range(50_000)]
    while size > 0:
        question, answer = ("".join(chance.choices(pool, k=chance.randint(*span))) for span in ((4, 12), (20, 60)))
        size -= 3 * (len(question) + len(answer)) + 40
        yield pair(question, answer)


class Watch:
    """Asks /health again and again, and notes the memory of the server and of the processes it has started."""

    def __init__(self, server: Server):
        self._server, self._process = server, psutil.Process(server.process.pid)
        self._answers: list[tuple[float, float]] = []
        self._memory: list[tuple[float, int, int]] = []
        self._over = threading.Event()
        for target in (self._ask, self._weigh):
            threading.Thread(target=target, daemon=True).start()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._server.url, timeout=LONGEST_SECONDS) as client:
            while not self._over.wait(EVERY_SECONDS):
                began = time.monotonic()
                client.get("/health").raise_for_status()
                self._answers.append((began, time.monotonic() - began))

    def _weigh(self) -> None:
        while not self._over.wait(0.2):
            children = 0
            for child in self._process.children(recursive=True):
                try:
                    children += child.memory_info().rss
                except psutil.Error:  # it has just ended
                    continue
            self._memory.append((time.monotonic(), self._process.memory_info().rss, children))

    def measure(self, work: Callable[[], object]) -> str:
        """Do `work` and return the cells of its row."""
        began = time.monotonic()
        work()
        ended = time.monotonic()
        lags = [lag for moment, lag in self._answers if began <= moment <= ended] or [0.0]
        memory = [sizes for moment, *sizes in self._memory if began <= moment <= ended] or [[0, 0]]
        own, children = (max(column) / 1e6 for column in zip(*memory, strict=True))
        slow = f"{sum(lag > SLOW_SECONDS for lag in lags)} of {len(lags)}"
        return f"{ended - began:.1f} s | {max(lags):.2f} s | {slow} | {own:.0f} MB | {children:.0f} MB |"

    def end(self) -> None:
        """Stop asking."""
        self._over.set()


def bring_in(page, watch: Watch, url: str, file: Path) -> None:
    """Upload `file`, keep it and open the set again; print a row of each."""

    def read() -> None:
        page.set_input_files("input[type=file]", file)
        page.locator(".st-key-keep button").wait_for()
        settle(page)

    def keep() -> None:
        page.locator(".st-key-keep button").click()
        page.wait_for_url(lambda address: "set=" in address)
        settle(page)

    def again() -> None:
        page.reload()
        settle(page)

    page.goto(f"{url}/upload")
    settle(page)
    for name, step in (("uploaded and read", read), ("kept", keep), ("opened again", again)):
        print(f"| {file.suffix[1:]}, {file.stat().st_size / 1e6:.0f} MB | {name} | {watch.measure(step)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=60.0)
    parser.add_argument("--formats", nargs="+", default=list(PACKED), choices=list(PACKED))
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        home = Path(folder) / "home"
        os.environ["EASYAIGC_HOME"], os.environ["EASYAIGC_SHARE"] = str(home), "1"
        accounts.create("boss", PASSWORD, "administrator")
        files = []
        for form in options.formats:
            files.append(Path(folder) / f"set.{form}")
            rows = list(rows_of(options.megabytes * 1e6 * PACKED[form]))
            files[-1].write_bytes(export.export(rows, form, False))
        server, browser = Server(home, Path(folder) / "server.log"), None
        try:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(locale="zh-CN").new_page()
            page.set_default_timeout(1000 * LONGEST_SECONDS)
            page.goto(f"{server.url}/login")
            page.fill("#name", "boss")
            page.fill("#password", PASSWORD)
            page.press("#password", "Enter")
            page.wait_for_url(lambda address: "login" not in address)
            watch = Watch(server)
            print(
                "| file | step | time | slowest /health | over 0.2 s | server | readers |\n|---|---|---|---|---|---|---|"
            )
            for file in files:
                bring_in(page, watch, server.url, file)
            watch.end()
        finally:
            if browser is not None:
                browser.close()
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
