"""The server is told to end while it answers: how long does it take, and is an answer that was cut passed off as a whole one?

    python -m benchmarks.shutdown [--streams 12] [--whole 12] [--rounds 3] [--port 8596]

Streams and calls for whole answers, more than are computed at once, then SIGTERM. Right: a stream ends with [DONE] because its answer was
whole, or with an error event and no [DONE]; a call gets its whole answer, or 503 with Retry-After; the process is gone within two seconds.
Prints a table in Markdown; exits with 1 where one of these is not so.
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
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load import PASSWORD, people, serving
from glm_core.auth import accounts

TOKENS = 400
BOUND_SECONDS = 2.0
BODY = {"model": "chatglm-demo", "messages": [{"role": "user", "content": "类型#上衣*材质#牛仔布*颜色#白色"}]}
ENDLESS = BODY | {"temperature": 0, "max_tokens": TOKENS, "guided_regex": "[\u4e00-\u9fff]{4000}"}
"An answer that does not end by itself."


def kind_of_stream(text: str) -> str:
    """Return how a stream ended."""
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    done, failed = "data: [DONE]" in text, any("error" in event for event in events)
    tokens = sum(bool(choice["delta"].get("content")) for event in events for choice in event.get("choices", []))
    if failed and not done:
        return "an error event"
    if done and not failed and tokens >= TOKENS - 1:
        return "whole"
    return "CUT AND CALLED WHOLE" if done else "BROKEN OFF"


def kind_of_answer(answer: httpx.Response) -> str:
    """Return what a call for a whole answer got."""
    if answer.status_code == 503:
        return "503 with Retry-After" if "retry-after" in answer.headers else "503 WITHOUT RETRY-AFTER"
    if answer.status_code != 200:
        return f"STATUS {answer.status_code}"
    return "whole" if answer.json()["usage"]["completion_tokens"] >= TOKENS else "CUT AND CALLED WHOLE"


async def stream(client: httpx.AsyncClient, begun: list) -> str:
    """Read one stream to its end; notes in `begun` that its first piece has come."""
    text = ""
    async with client.stream("POST", "/v1/chat/completions", json=ENDLESS | {"stream": True}) as answer:
        if answer.status_code != 200:
            await answer.aread()
            return kind_of_answer(answer)
        async for line in answer.aiter_lines():
            text += f"{line}\n"
            if '"content":' in line and len(begun) < 10**6:
                begun.append(1)
    return kind_of_stream(text)


async def whole(client: httpx.AsyncClient) -> str:
    """Ask for a whole answer."""
    return kind_of_answer(await client.post("/v1/chat/completions", json=ENDLESS))


async def end_while_answering(
    url: str, key: str, process: psutil.Process, streams: int, wholes: int
) -> tuple[Counter, float]:
    """Ask, end the server with SIGTERM once every stream that can run does, and return what came and the seconds until it was gone."""
    begun: list = []
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, timeout=120, headers=headers) as client:
        asking = [asyncio.create_task(stream(client, begun)) for _ in range(streams)]
        asking += [asyncio.create_task(whole(client)) for _ in range(wholes)]
        while len(begun) < 3 * streams:
            await asyncio.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended = asyncio.create_task(asyncio.to_thread(process.wait, 60))
        kinds = Counter(
            one if isinstance(one, str) else type(one).__name__.upper()
            for one in await asyncio.gather(*asking, return_exceptions=True)
        )
        await ended
    return kinds, time.monotonic() - began


def once(port: int, streams: int, wholes: int) -> tuple[Counter, float]:
    """One server from its start to its end."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        accounts.create("boss", PASSWORD, "administrator")
        _names, (key,) = people(1)
        with serving(Path(home), port) as process:
            return asyncio.run(end_while_answering(f"http://localhost:{port}", key, process, streams, wholes))


def main() -> int:
    """Exit code 0 where nothing was passed off as whole and the server was gone in time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=12)
    parser.add_argument("--whole", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8596)
    options = parser.parse_args()
    kinds, seconds = Counter(), []
    for _ in range(options.rounds):
        found, took = once(options.port, options.streams, options.whole)
        kinds, seconds = kinds + found, [*seconds, took]
    print("| ended as | count |\n|---|---|")
    for kind, count in kinds.most_common():
        print(f"| {kind} | {count} |")
    print(
        f"\ngone after {statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s at most, in {options.rounds} rounds"
    )
    return int(any(kind.isupper() or kind[0].isupper() for kind in kinds) or max(seconds) > BOUND_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
