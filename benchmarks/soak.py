"""A shared server for an hour: browsers of guests and trainers that come and go, and streams of the API.

    python -m benchmarks.soak [--minutes 60] [--browsers 20] [--streams 20] [--port 8598]

Everything runs on 127.0.0.1 and ends by itself. Every second browser is a guest's. A browser draws the chat again and again and closes its
tab now and then. Streams ask marked questions, whose greedy answers must be what the same question got alone. A trainer makes the report
of a run of theirs anew, merges it anew and asks another base, which has the server load that one and then the first one again, in turn.
Prints memory, descriptors and threads of the server by quarter; exits with 1 when memory of the last quarter is more than 5 % above the
second's, descriptors or threads grew, an answer was crossed, or the server did not answer /health within a second.
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.browser import Browser
from benchmarks.load import EACH, PASSWORD, Caller, Tally, call_until, people, prepare, serving
from glm_core import workspace
from glm_core.auth import accounts
from glm_core.data import library
from glm_core.evaluation import demo
from glm_core.runs import store
from glm_core.training.settings import SMALL_MODEL, preset

SAMPLE_SECONDS = 5.0
STAY_SECONDS = (5.0, 40.0)
"How long a tab stays open."
MEMORY_GROWTH = 0.05
SPARE = 12
"Descriptors or threads by which quarters may differ: tabs come and go at random."
HEALTH_SECONDS = 1.0
OTHER = "bloom-demo"
PAUSE_SECONDS = 60.0
"Between two rounds of report, merge and load."


@dataclass(frozen=True)
class Sample:
    """The server at one moment: resident bytes, open descriptors, threads, seconds of /health."""

    memory: int
    descriptors: int
    threads: int
    health: float


async def watch(server: psutil.Process, client: httpx.AsyncClient, end: float) -> list[Sample]:
    """Sample the server until `end` (monotonic seconds)."""
    samples = []
    while time.monotonic() < end:
        began = time.monotonic()
        answer = await client.get(
            "/health", timeout=60, headers={"connection": "close"}
        )  # a kept one might just be ending
        answer.raise_for_status()
        health = time.monotonic() - began
        memory = server.memory_info().rss
        samples.append(Sample(memory, server.num_fds(), server.num_threads(), health))
        await asyncio.sleep(SAMPLE_SECONDS)
    return samples


async def come_and_go(url: str, name: str, end: float, counts: Counter, chance: random.Random) -> None:
    """Open tabs of one person one after the other, drawing the chat again and again in each."""
    while time.monotonic() < end:
        browser = Browser(url, name, PASSWORD)
        await browser.open()
        counts["tabs"] += 1
        leave = min(end, time.monotonic() + chance.uniform(*STAY_SECONDS))
        while time.monotonic() < leave:
            await browser.run()
            await browser.until(lambda browser=browser: browser.settled)
            counts["pages"] += 1
            counts["failed pages"] += bool(browser.errors())
            await asyncio.sleep(chance.uniform(0.5, 3.0))
        await browser.close()


@asynccontextmanager
async def visiting(url: str, name: str, page: str, query: str):
    """A tab of its own on a page."""
    browser = Browser(url, name, PASSWORD, page, query)
    await browser.open()
    try:
        yield browser
    finally:
        await browser.close()


async def work(url: str, name: str, key: str, run: str, end: float, counts: Counter) -> None:
    """Make the report of `run`, merge it and ask the other base, one after the other, as its owner."""
    async with httpx.AsyncClient(base_url=url, timeout=300, headers={"Authorization": f"Bearer {key}"}) as client:
        while time.monotonic() < end:
            async with visiting(url, name, "report", f"run={run}") as page:
                await page.press("again" if page.has("button", "again") else "start")
            made = False
            while not made and time.monotonic() < end:
                await asyncio.sleep(3 * SAMPLE_SECONDS)
                async with visiting(url, name, "report", f"run={run}") as page:
                    made = page.has("button", "again")
            counts["reports"] += made
            async with visiting(url, name, "models", "") as page:
                counts["merges"] += await merge(page, run)
            asked = {"model": OTHER, "messages": [{"role": "user", "content": "你好"}], "max_tokens": 16}
            counts["loads"] += (await client.post("/v1/chat/completions", json=asked)).status_code == 200
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, end - time.monotonic())))


async def merge(page: Browser, run: str) -> bool:
    """Delete the earlier merge of `run`, since one that is there is not made again, and begin a new one; return whether it began."""
    for key in page.keys("button", "drop-sure-"):
        await page.press(key)
    await page.press(f"merge-{run}")
    return not page.errors()


def trained(owner: str) -> str:
    """The id of a short imprint of `owner`'s."""
    chosen = preset("imprint", SMALL_MODEL - 1).changed(max_steps=20)
    run = store.create(
        workspace.DEMO_MODEL, library.keep_imprint("小蓝", "林知远").id, chosen, ["你是谁？"], owner=owner
    )
    demo.train(run, lambda status: None)
    return run.id


async def soak(
    url: str, server: psutil.Process, options: argparse.Namespace, names: list[str], keys: list[str], run: str
) -> bool:
    """Run everything at once for the time asked; return True where all stayed flat."""
    tally, counts, chance = Tally(), Counter(), random.Random(options.seed)
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:
        callers = [Caller(client, key, tally) for key in keys[: options.streams]]
        questions = await prepare(callers[0], max(EACH, EACH * options.streams))
        marks = {one.mark for one in questions}
        end = time.monotonic() + 60 * options.minutes
        own = [questions[EACH * place : EACH * place + EACH] for place in range(options.streams)]
        tasks = [call_until(end, caller, mine, marks) for caller, mine in zip(callers, own, strict=True)]
        tasks += [
            come_and_go(url, name, end, counts, random.Random(chance.random())) for name in names[: options.browsers]
        ]
        tasks += [work(url, names[0], keys[0], run, end, counts)]
        samples, *_ = await asyncio.gather(watch(server, client, end), *tasks)
    return report(samples, tally.counts + counts)


def report(samples: list[Sample], counts: Counter) -> bool:
    """Print the quarters and the verdict."""
    size = len(samples) // 4
    quarters = [samples[place * size : (place + 1) * size] for place in range(4)]
    print("| quarter | memory MB | descriptors | threads | slowest /health s |\n|---|---|---|---|---|")
    rows = []
    for place, quarter in enumerate(quarters, 1):
        middle = [
            statistics.median(getattr(one, name) for one in quarter) for name in ("memory", "descriptors", "threads")
        ]
        rows.append(middle)
        slowest = max(one.health for one in quarter)
        print(f"| {place} | {middle[0] / 1e6:.0f} | {middle[1]:.0f} | {middle[2]:.0f} | {slowest:.2f} |")
    print(dict(counts))
    growth = rows[3][0] / rows[1][0] - 1
    failed = [name for name in counts if name.startswith("failed") and counts[name]]
    checks = {
        f"memory {growth:+.1%}": growth <= MEMORY_GROWTH,
        "descriptors flat": rows[3][1] <= rows[1][1] + SPARE,
        "threads flat": rows[3][2] <= rows[1][2] + SPARE,
        "no answer crossed": not counts["crossed"] and not counts["different"],
        "no answer and no page failed": not failed,
        "reports, merges and loads were made": min(counts[name] for name in ("reports", "merges", "loads")) > 0,
        "health": max(one.health for one in samples) <= HEALTH_SECONDS,
    }
    for name, good in checks.items():
        print(f"{'ok  ' if good else 'BAD '} {name}")
    return all(checks.values())


def main() -> int:
    """Exit code 0 where memory, descriptors and threads stayed flat and no answer was crossed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--port", type=int, default=8598)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes the server along
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        accounts.create("boss", PASSWORD, "administrator")
        names, keys = people(max(options.streams, 1 + options.browsers // 2))
        guests = [accounts.create(f"guest{place}", PASSWORD, "guest").name for place in range(options.browsers // 2)]
        mixed = [name for pair in zip(names, guests, strict=False) for name in pair] + names[len(guests) :]
        run = trained(names[0])
        with serving(Path(home), options.port) as server:
            good = asyncio.run(soak(f"http://localhost:{options.port}", server, options, mixed, keys, run))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
