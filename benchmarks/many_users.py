"""Many users of one model on the same cores: `python -m benchmarks.many_users --vllm PYTHON [--model FOLDER]`.

`streamlit run app.py` and `vllm serve` both run, and are asked in turn, so that what else the machine does meets both: the
same questions over the same API, 1 to 64 at once. One line a number of streams and contender: tokens a second, tokens a
second of processor time (that of the server's processes, which other programs on the machine do not change), and the median
time to the first token; then the load. vLLM runs in the Python that --vllm names; without one, ours stands alone.
"""

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.cluster import free_port
from glm_core import workspace

ROOT = Path(__file__).resolve().parent.parent
STREAMS = (1, 8, 16, 32, 64)
BLOOM = workspace.ASSETS / "models" / "bloom-demo"
QUESTIONS = ("介绍一下你自己。", "写一段关于春天的话。", "怎样才能睡得好？", "Tell me a long story about a lighthouse.")
START_SECONDS = 600


@dataclass
class Contender:
    """A server that is asked, and what was measured of it: (tokens/s, tokens a processor second, first token) by streams."""

    name: str
    url: str
    model: str
    process: psutil.Process
    found: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)

    def processor_seconds(self) -> float:
        """Of all its processes so far."""
        total = 0.0
        for one in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.Error):
                times = one.cpu_times()
                total += times.user + times.system
        return total


@contextmanager
def started(command: list[str], port: int, log: Path, **environment: str) -> Iterator[psutil.Process]:
    """Start a server and wait until it lists its models; it ends with the block."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=5).status_code == 200:
                    yield psutil.Process(process.pid)
                    return
            time.sleep(0.5)
        sys.exit(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


@contextmanager
def ours(model: Path, folder: Path) -> Iterator[Contender]:
    """This program with a workspace of its own."""
    if model.parent != workspace.ASSETS / "models":
        shutil.copytree(model, folder / "home" / "models" / model.name)
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with started(command, port, folder / "ours.log", EASYAIGC_HOME=str(folder / "home")) as process:
        yield Contender("easyAIGC", f"http://127.0.0.1:{port}", model.name, process)


@contextmanager
def vllm(python: str, dtype: str, model: Path, folder: Path) -> Iterator[Contender]:
    """vLLM on the same folder."""
    port = free_port()
    served = folder / model.name
    shutil.copytree(model, served)
    with_template(served)
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(served)]
    command += ["--served-model-name", model.name, "--port", str(port), "--host", "127.0.0.1"]
    command += ["--dtype", dtype, "--max-model-len", "1024"]
    with started(command, port, folder / "vllm.log", VLLM_CPU_KVCACHE_SPACE="4") as process:
        yield Contender(f"vLLM {dtype}", f"http://127.0.0.1:{port}", model.name, process)


def with_template(folder: Path) -> None:
    """Give `folder` the chat template that an export of it would have."""
    from glm_core.runs.exchange import model_files

    model_files.complete(folder)


async def ask(client: httpx.AsyncClient, one: Contender, number: int, tokens: int) -> tuple[int, float]:
    """One greedy answer: its tokens, and the seconds to the first of them."""
    body = {
        "model": one.model,
        "messages": [{"role": "user", "content": f"{QUESTIONS[number % len(QUESTIONS)]} {number}"}],
        "temperature": 0,
        "max_tokens": tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first, count = time.perf_counter(), 0.0, 0
    async with client.stream("POST", f"{one.url}/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            sys.exit(f"{one.name}: {answer.status_code} {(await answer.aread()).decode()[:300]}")
        async for line in answer.aiter_lines():
            event = line.removeprefix("data: ")
            if not line.startswith("data: ") or event == "[DONE]":
                continue
            record = workspace.parse_json(event)
            said = any(choice.get("delta", {}).get("content") for choice in record.get("choices") or ())
            first = first or (time.perf_counter() - began if said else 0.0)
            count = (record.get("usage") or {}).get("completion_tokens", count)
    return count, first or time.perf_counter() - began


async def measure(one: Contender, streams: int, tokens: int) -> tuple[float, float, float]:
    """`streams` answers at once."""
    limits = httpx.Limits(max_connections=streams)
    async with httpx.AsyncClient(timeout=900, limits=limits, trust_env=False) as client:
        before, began = one.processor_seconds(), time.perf_counter()
        answers = await asyncio.gather(*(ask(client, one, number, tokens) for number in range(streams)))
        spent, busy = time.perf_counter() - began, one.processor_seconds() - before
    made = sum(count for count, _first in answers)
    return made / spent, made / busy, statistics.median(first for _count, first in answers)


def main() -> None:
    """Measure in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=BLOOM)
    parser.add_argument("--vllm", help="a Python that has vLLM")
    parser.add_argument("--dtype", default="float32", help="of vLLM; ours computes in float32 on a CPU")
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        contenders = [servers.enter_context(ours(options.model, Path(folder)))]
        if options.vllm:
            contenders.append(servers.enter_context(vllm(options.vllm, options.dtype, options.model, Path(folder))))
        for one in contenders:
            asyncio.run(measure(one, 2, 8))  # loads and warms
        loads = []
        for _round in range(options.rounds):
            for streams in options.streams:
                for one in contenders:
                    one.found.setdefault(streams, []).append(asyncio.run(measure(one, streams, options.tokens)))
                loads.append(os.getloadavg()[0])
        show(contenders, options.streams, loads)
    if not options.vllm:
        print("vLLM: skipped, no --vllm with a Python that has it")


def show(contenders: list[Contender], counts: list[int], loads: list[float]) -> None:
    """Print the medians of all rounds."""
    for streams in counts:
        for one in contenders:
            speed, busy, first = map(statistics.median, zip(*one.found[streams], strict=True))
            print(
                f"{streams:3} streams  {one.name:14} {speed:7.1f} tokens/s  {busy:7.1f} tokens a processor second"
                f"  first token {first:6.2f} s",
                flush=True,
            )
    print(f"{os.cpu_count()} cores, load {min(loads):.1f} to {max(loads):.1f}", flush=True)


if __name__ == "__main__":
    main()
