"""Callers of the API on two bases and four adapters at once: is an answer crossed, how long is a stream silent, who waits how long?

    python -m benchmarks.callers [--callers 64] [--minutes 5] [--port 8597]

Starts the dashboard as `load.py` does, with a workspace, accounts and keys of its own, and four LoRA of random numbers, two a base. Every
pair of model and prompt is first asked alone, greedily; under load its answer must be the same. Half of the prompts are long. A quarter of
the connections belong to one heavy caller; one light caller asks once a second at most; the others have a key each and ask without a
pause. Prints tables in Markdown; exits with 1 when an answer was crossed or failed, or the light caller waited longer than the heavy one.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load import PASSWORD, people, records, serving
from glm_core import workspace
from glm_core.auth import accounts

BASES = ("chatglm-demo", "bloom-demo")
SHORT = ("介绍一下你自己", "类型#上衣*材质#牛仔布*颜色#白色", "一年有几个季节？")
LONG_CHARACTERS = 600
MOST_TOKENS = 48
HEAVY, LIGHT = "heavy", "light"
PAUSE_SECONDS = 1.0
NOISE = 0.02


@dataclass(frozen=True)
class Prompt:
    """A question to one model, and its answer when nobody else asked anything."""

    model: str
    question: str
    alone: str = ""

    @property
    def body(self) -> dict:
        """The request."""
        messages = [{"role": "user", "content": self.question}]
        return {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": MOST_TOKENS, "stream": True}


@dataclass
class Connection:
    """One of a caller's connections, and what it saw: seconds to each first piece (refusals included), the longest silence in a stream."""

    caller: str
    key: str
    firsts: list[float] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)

    async def ask(self, client: httpx.AsyncClient, prompt: Prompt) -> str:
        """Return the whole answer, however often the server asks to come again."""
        began, headers = time.monotonic(), {"Authorization": f"Bearer {self.key}"}
        while True:
            async with client.stream("POST", "/v1/chat/completions", json=prompt.body, headers=headers) as answer:
                if answer.status_code == 200:
                    return await self._read(answer, began)
                text = (await answer.aread()).decode(errors="replace")
                if answer.status_code not in (429, 503):
                    raise SystemExit(f"{answer.status_code}: {text}")
                self.counts[f"told to wait ({answer.status_code})"] += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)))

    async def _read(self, answer: httpx.Response, began: float) -> str:
        text, last, longest, finished = "", began, 0.0, False
        async for line in answer.aiter_lines():
            event = json.loads(line[6:]) if line.startswith("data: {") else {}
            finished = finished or line == "data: [DONE]"
            piece = "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))
            if not piece:
                continue
            now = time.monotonic()
            if text:
                longest = max(longest, now - last)
            else:
                self.firsts.append(now - began)
            text, last = text + piece, now
        self.silences.append(longest)
        self.counts["failed"] += not finished
        return text


def random_adapter(base: str, number: int) -> str:
    """Make a LoRA of random numbers on a bundled base and import it; returns the run's name."""
    import torch

    from glm_core import models
    from glm_core.adapters import attach
    from glm_core.runs.exchange.import_adapter import import_adapter
    from glm_core.training.settings import TrainingSettings

    folder = workspace.ASSETS / "models" / base
    loaded = models.load(folder)
    attach.attach(loaded, TrainingSettings(method="lora", lora_rank=8))
    torch.manual_seed(number)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, NOISE)
    with tempfile.TemporaryDirectory() as made:
        target = Path(made) / "adapter"
        attach.save(loaded, target, {"step": 1})
        files = [(path.name, path.open("rb")) for path in target.iterdir()]
        run = import_adapter(files, folder, name=f"random {number}")
        for _name, file in files:
            file.close()
    return run.id


def questions() -> list[str]:
    """Short questions, and as many long ones."""
    return [*SHORT, *(f"{one}。" + f"{one}，请说。" * (LONG_CHARACTERS // (len(one) + 4)) for one in SHORT)]


async def answers_alone(client: httpx.AsyncClient, key: str, names: list[str]) -> list[Prompt]:
    """Ask every model everything, one after another, a base after the other."""
    asking = Connection("alone", key)
    found = []
    for name in names:
        for question in questions():
            prompt = Prompt(name, question)
            found.append(Prompt(name, question, await asking.ask(client, prompt)))
    return found


async def call_until(end: float, client, connection: Connection, place: int, prompts: list[Prompt]) -> None:
    """Ask one question after the other, beginning at another one for every connection."""
    known = {one.alone for one in prompts}
    while time.monotonic() < end:
        prompt = prompts[place % len(prompts)]
        place += 7  # another model and another question each time: 7 has no divisor in common with their number
        text = await connection.ask(client, prompt)
        connection.counts["answers"] += 1
        if text != prompt.alone:
            connection.counts["crossed" if text in known else "different"] += 1
        if connection.caller == LIGHT:
            await asyncio.sleep(PAUSE_SECONDS)


def connections(keys: list[str], count: int) -> list[Connection]:
    """The heavy caller's quarter, the light caller's one, and the others."""
    heavy = [Connection(HEAVY, keys[0]) for _ in range(count // 4)]
    rest = [Connection(f"caller {place}", key) for place, key in enumerate(keys[2 : 1 + count - len(heavy)])]
    return [*heavy, Connection(LIGHT, keys[1]), *rest]


async def run(options: argparse.Namespace, url: str, keys: list[str], names: list[str], log: Path) -> int:
    """Ask alone, then all at once; returns the exit code."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        prompts = await answers_alone(client, keys[0], names)
        asking = connections(keys, options.callers)
        began, end = time.time(), time.monotonic() + 60 * options.minutes
        await asyncio.gather(*(call_until(end, client, one, place, prompts) for place, one in enumerate(asking)))
    return report(options, asking, names, token_gaps(log, began))


def token_gaps(log: Path, began: float) -> list[float]:
    """Return of every answer since `began` the longest time between two of its tokens, as the server wrote it down."""
    gaps = []
    for one in records(log):
        moments = one["tokens"]
        if moments and moments[0] >= began:
            gaps.append(max((late - early for early, late in zip(moments, moments[1:], strict=False)), default=0.0))
    return gaps


def report(options: argparse.Namespace, asking: list[Connection], names: list[str], gaps: list[float]) -> int:
    """Print what was seen; returns the exit code."""
    counts = sum((one.counts for one in asking), Counter())
    print(
        f"\n{len(asking)} connections, {options.minutes:g} min, {len(names)} models on {len(BASES)} bases\n\n| | count |\n|---|---|"
    )
    for name in dict.fromkeys(["answers", "crossed", "different", "failed", *sorted(counts)]):
        print(f"| {name} | {counts[name]} |")
    silence = max(max(one.silences, default=0.0) for one in asking)
    print(
        f"\nlongest silence of a stream that had begun: {silence:.2f} s; between two tokens, as the server computed them: ",
        end="",
    )
    print(f"{max(gaps):.2f} s, in the median answer {statistics.median(gaps):.2f} s\n")
    print("| caller | connections | answers of each | first token, median | worst |\n|---|---|---|---|---|")
    others = [one for one in asking if one.caller not in (HEAVY, LIGHT)]
    medians = {}
    for title, group in (
        (HEAVY, [one for one in asking if one.caller == HEAVY]),
        (LIGHT, [one for one in asking if one.caller == LIGHT]),
        ("others", others),
    ):
        firsts = [first for one in group for first in one.firsts]
        medians[title] = statistics.median(firsts) if firsts else 0.0
        answers = statistics.mean(one.counts["answers"] for one in group)
        print(f"| {title} | {len(group)} | {answers:.1f} | {medians[title]:.2f} s | {max(firsts, default=0.0):.2f} s |")
    own = [statistics.median(one.firsts) for one in others if one.firsts]
    if own:
        print(f"\nmedian of each other caller: {min(own):.2f} s to {max(own):.2f} s")
    return int(bool(counts["crossed"] or counts["failed"] or medians[LIGHT] > medians[HEAVY]))


def main() -> int:
    """Exit code 0 where no answer was crossed or failed and the light caller waited no longer than the heavy one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--port", type=int, default=8597)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes the server along
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        _names, keys = people(options.callers)
        accounts.create("boss", PASSWORD, "administrator")
        names = [*BASES]
        for place, base in enumerate(BASES):
            names += [random_adapter(base, 2 * place + number) for number in range(2)]
        with serving(Path(folder), options.port):
            url, log = f"http://localhost:{options.port}", Path(folder) / "answers.jsonl"
            return asyncio.run(run(options, url, keys, names, log))


if __name__ == "__main__":
    sys.exit(main())
