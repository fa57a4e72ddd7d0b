"""A shared server under load: visitors on the chat page and callers of the API at once, for minutes.

    python benchmarks/load.py [--sessions 20] [--streams 20] [--minutes 10] [--port 8599] [--rounds 3]

Starts `streamlit run app.py` (through `counted.py`, which writes down every answer) with a workspace, accounts and keys of its own. Every
caller has marks of their own; a question carries a mark and so must its answer, and greedy answers must be what the same question got
alone. One question in five is cancelled after its first token. Visitors are WebSockets that speak streamlit's protocol (`browser.py`);
no browser draws anything. Prints a table in Markdown; exits with 1 when an answer was crossed, a cancel took more than a token, or
memory grew by more than 5 %.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.browser import Browser  # noqa: E402
from glm_core import workspace  # noqa: E402
from glm_core.auth import accounts, api_keys  # noqa: E402
from glm_core.markdown import harmless  # noqa: E402

QUESTION = "类型#上衣*材质#{0}*颜色#{0}*风格#{0}*图案#{0}*衣样式#{0}"
SIGNS = "春秋冬夏山水云月花鸟风雪星海江河林竹松梅兰菊金木火土石玉青红黄白黑蓝天地日南北东西"
EACH = 2
"Marks a caller has."
CANCELLED = 5
"One question in this many is cancelled."
COUNTS = (1, 4, 8, 16, 40)
PASSWORD = "correct horse"
ALLOWED_GROWTH = 0.05


@dataclass(frozen=True)
class Marked:
    """A question with its mark, and its answer when nobody else asked anything."""

    mark: str
    question: str
    alone: str


@dataclass
class Tally:
    """Results of one kind of callers."""

    counts: Counter = field(default_factory=Counter)
    left: list[tuple[str, float]] = field(default_factory=list)
    "Question and moment of every cancel."

    def check(self, asked: Marked, text: str, alone: str, marks: set[str]) -> None:
        """Count one whole answer."""
        self.counts["answers"] += 1
        self.counts["crossed"] += any(mark in text for mark in marks - {asked.mark})
        self.counts["unmarked"] += asked.mark not in text
        self.counts["different"] += text != alone


# the server


@contextmanager
def serving(home: Path, port: int):
    """The counted server in `home`; gives its process."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "counted.py"),
        str(home / "answers.jsonl"),
        "--server.port",
        str(port),
    ]
    environment = {**os.environ, "EASYAIGC_HOME": str(home), "EASYAIGC_SHARE": "1"}
    with open(home / "server.log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(f"http://localhost:{port}/health", process, home)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen, home: Path) -> None:
    for _ in range(600):
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=1).status_code == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit((home / "server.log").read_text())


def people(count: int) -> tuple[list[str], list[str]]:
    """`count` accounts: their names, and a key of each."""
    made = [accounts.create(f"person{number}", PASSWORD, "trainer") for number in range(count)]
    return [one.name for one in made], [api_keys.create(one, "load", api_keys.LIMITS[1])[1] for one in made]


# callers of the API


class Caller:
    """One program with a key of its own."""

    def __init__(self, client: httpx.AsyncClient, key: str, tally: Tally):
        self._client, self._key, self._tally = client, key, tally
        self.firsts: list[float] = []
        "Seconds to the first piece of each answer, refusals and waiting included."

    async def ask(self, question: str, leave: bool = False) -> str:
        """The whole answer; with `leave` the connection is closed after its first piece."""
        body = {
            "model": workspace.DEMO_MODEL.name,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": 128,
            "stream": True,
        }
        started = time.monotonic()
        while True:
            async with self._client.stream(
                "POST", "/v1/chat/completions", json=body, headers=self._headers
            ) as response:
                if response.status_code == 200:
                    text = await self._read(response, started, leave)
                    break
                await response.aread()
                self._tally.counts[f"refused {response.status_code}"] += 1
            await asyncio.sleep(float(response.headers.get("retry-after", 1)))
        if leave:
            self._tally.left.append((question, time.time()))
        return text

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    async def _read(self, response: httpx.Response, started: float, leave: bool) -> str:
        text = ""
        async for line in response.aiter_lines():
            event = json.loads(line[6:]) if line.startswith("data: {") else {}
            if "error" in event:
                self._tally.counts[f"failed {event['error']['code']}"] += 1
            piece = "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))
            if piece and not text:
                self.firsts.append(time.monotonic() - started)
            text += piece
            if text and leave:
                break
        return text


async def prepare(caller: Caller, count: int) -> list[Marked]:
    """`count` questions whose answers, each asked alone, carry their mark."""
    chance, found, tried = random.Random(1), {}, 0
    while len(found) < count:
        mark = "".join(chance.sample(SIGNS, 3))
        tried += 1
        alone = await caller.ask(QUESTION.format(mark))
        if mark in alone and mark not in found:
            found[mark] = Marked(mark, QUESTION.format(mark), alone)
        if tried > 3 * count + 20:
            raise SystemExit(
                f"only {len(found)} of {tried} answers carry their mark: this model cannot be tested with such questions"
            )
    return list(found.values())


async def call_until(end: float, caller: Caller, own: list[Marked], marks: set[str]) -> None:
    turn = 0
    while time.monotonic() < end:
        turn += 1
        asked, leave = own[turn % EACH], turn % CANCELLED == 0
        text = await caller.ask(asked.question, leave)
        if not leave:
            caller._tally.check(asked, text, asked.alone, marks)


# visitors of the chat page


async def visit_until(end: float, browser: Browser, tally: Tally, own: list[Marked], marks: set[str]) -> None:
    """Ask one question after another on the chat page, each in a new conversation, greedily."""
    await browser.open()
    turn = 0
    while time.monotonic() < end:
        turn += 1
        await start_anew(browser)
        asked = own[turn % EACH]
        await ask_page(browser, asked)
        if turn % CANCELLED == 0 and not browser.alerts():
            tally.left.append((asked.question, time.time()))
            await browser.stop()
            continue
        await browser.until(lambda: browser.settled and (browser.alerts() or shown(browser)))
        if browser.alerts():
            tally.counts["told to wait or an error"] += 1
            await asyncio.sleep(2)
        else:
            tally.check(asked, shown(browser)[0], harmless(asked.alone), marks)
    await browser.close()


async def start_anew(browser: Browser) -> None:
    """Press the button for a new conversation, and turn the temperature to 0."""
    new, cold = browser.widget("button", "new"), browser.widget("slider", "dial_temperature")
    new.trigger_value = True
    cold.double_array_value.data.append(0.0)
    await browser.run(new, cold)
    await browser.until(lambda: browser.settled and not shown(browser))


async def ask_page(browser: Browser, asked: Marked) -> None:
    """Type the question; returns with the first piece of its answer, or what is shown instead."""
    question = browser.widget("chat_input", "question")
    question.chat_input_value.data = asked.question
    await browser.run(question)
    await browser.until(lambda: browser.alerts() or any(asked.mark in text for text in shown(browser)))


def shown(browser: Browser) -> list[str]:
    """The texts below the question on the page, its answer first; nothing where nothing was asked."""
    texts = browser.texts()
    places = [place for place, text in enumerate(texts) if "类型" in text]
    return texts[places[-1] + 1 :] if places else []


# measuring


@asynccontextmanager
async def watching(process: psutil.Process):
    """The server's memory every second while the block runs: (s, bytes)."""
    samples: list[tuple[float, int]] = []

    async def watch():
        while True:
            samples.append((time.monotonic(), process.memory_info().rss))
            await asyncio.sleep(1)

    task = asyncio.create_task(watch())
    yield samples
    task.cancel()


async def measure(callers: list[Caller], questions: list[Marked], rounds: int, log: Path) -> str:
    """One line of the table of speeds: that many streams, each asking `rounds` questions."""
    for caller in callers:
        caller.firsts.clear()
    began = time.time()

    async def ask(caller: Caller, own: Marked):
        for _ in range(rounds):
            await caller.ask(own.question)

    await asyncio.gather(*(ask(*pair) for pair in zip(callers, itertools.cycle(questions), strict=False)))
    firsts, ended = [first for caller in callers for first in caller.firsts], time.time()
    await asyncio.sleep(1)  # the server writes an answer down after its last piece
    speed = tokens_between(log, began, ended) / (ended - began)
    return f"| {len(callers)} | {speed:.0f} | {statistics.median(firsts):.2f} s | {max(firsts):.2f} s |"


def records(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def tokens_between(log: Path, start: float, end: float) -> int:
    return sum(start <= moment <= end for record in records(log) for moment in record["tokens"])


def cancels(log: Path, tallies: list[Tally]) -> tuple[list[int], list[float]]:
    """For every cancelled answer the tokens computed after the cancel, and the seconds from the caller's leaving to the answer's end."""
    ended = [one for one in records(log) if one["reason"] == "cancelled"]
    after = [sum(moment > one["cancelled"] for moment in one["tokens"]) for one in ended if one["cancelled"]]
    delays = []
    for question, moment in [left for tally in tallies for left in tally.left]:
        mine = [one["ended"] - moment for one in ended if one["question"] == question and one["ended"] > moment - 0.5]
        delays += [min(mine)] if mine else []
    return after, delays


def growth(samples: list[tuple[float, int]]) -> tuple[float, float, float]:
    """Memory after warm-up (the second fifth of the time) and at the end (the last one), in MB, and by how much it grew."""
    fifth = max(1, len(samples) // 5)
    first, last = (
        statistics.median(size for _, size in part) / 1e6 for part in (samples[fifth : 2 * fifth], samples[-fifth:])
    )
    return first, last, last / first - 1


async def run(options, home: Path, process: psutil.Process, names: list[str], secrets: list[str]) -> int:
    log, pages, api = home / "answers.jsonl", Tally(), Tally()
    limits, url = httpx.Limits(max_connections=None), f"http://localhost:{options.port}"
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
        callers = [Caller(client, secret, api) for secret in secrets]
        questions = await prepare(callers[0], EACH * (options.sessions + options.streams))
        counts = COUNTS if options.rounds else ()
        print("| streams | tokens/s in all | first token, median | worst |\n|---|---|---|---|")
        for count in counts:
            print(await measure(callers[:count], questions, options.rounds, log), flush=True)
        api.counts.clear()
        marks, end = {one.mark for one in questions}, time.monotonic() + 60 * options.minutes
        own = [questions[EACH * number : EACH * (number + 1)] for number in range(options.sessions + options.streams)]
        visitors = [Browser(url, name, PASSWORD) for name in names[: options.sessions]]
        began = time.time()
        async with watching(process) as samples:
            await asyncio.gather(
                *(visit_until(end, *pair, marks) for pair in zip(visitors, [pages] * len(visitors), own, strict=False)),
                *(
                    call_until(end, *pair, marks)
                    for pair in zip(callers[: options.streams], own[options.sessions :], strict=False)
                ),
            )
        ended = time.time()
    await asyncio.sleep(1)
    speed = tokens_between(log, began, ended) / (ended - began)
    return report(options, pages, api, cancels(log, [pages, api]), growth(samples), speed)


def report(options, pages: Tally, api: Tally, cancelled, memory, speed: float) -> int:
    """Print the second table; returns the exit code."""
    (after, delays), (first, last, grown) = cancelled, memory
    both = pages.counts + api.counts  # without what is 0
    print(
        f"\n| {options.sessions} visitors and {options.streams} streams, {options.minutes:g} min | pages | API |\n|---|---|---|"
    )
    for name in dict.fromkeys(["answers", "crossed", "unmarked", "different", *sorted(both)]):
        print(f"| {name} | {pages.counts[name]} | {api.counts[name]} |")
    print(f"| cancelled | {len(pages.left)} | {len(api.left)} |")
    slowest = f"{statistics.median(delays):.2f} s, at most {max(delays):.2f} s" if delays else "-"
    print(
        f"\n- tokens after a cancel: at most {max(after, default=0)} in {len(after)}; from the caller's leaving to the end {slowest}"
    )
    print(f"- tokens/s in all: {speed:.0f}")
    print(f"- memory: {first:.0f} MB after warm-up, {last:.0f} MB at the end ({100 * grown:+.1f} %)")
    wrong = both["crossed"] + both["unmarked"] or max(after, default=0) > 1 or grown > ALLOWED_GROWTH
    return int(bool(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--port", type=int, default=8599)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        names, secrets = people(max(options.sessions, options.streams, *COUNTS))
        accounts.create("boss", PASSWORD, "administrator")
        with serving(Path(folder), options.port) as process:
            return asyncio.run(run(options, Path(folder), process, names, secrets))


if __name__ == "__main__":
    sys.exit(main())
