"""Start of the dashboard and its first tokens, of this tree or of others beside it.

    python -m benchmarks.startup [TREE ...] [--rounds 5]

Each round starts `streamlit run app.py` in each tree in turn, with an empty workspace, and asks the embedded model twice through
the API. A row a tree, medians: seconds until the server answers, until the first token of the first answer (the model is loaded for
it), and until the first token of the second; and the processor seconds of the server up to then. Trees may be other commits:
`git worktree add FOLDER COMMIT`. Needs no GPU.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 120  # seconds that a step may take


def free_port() -> int:
    """A port of this computer that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def first_token(address: str) -> float:
    """Seconds from a question to the first piece of its streamed answer."""
    began = time.monotonic()
    body = {
        "messages": [{"role": "user", "content": "你是谁？"}],
        "stream": True,
        "max_tokens": 16,
        "model": "chatglm-demo",
    }
    with httpx.stream("POST", f"{address}/v1/chat/completions", json=body, timeout=LONGEST) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            data = line.removeprefix("data: ")
            if data.startswith("{") and json.loads(data)["choices"][0]["delta"].get("content"):
                return time.monotonic() - began
    raise SystemExit("an answer without a token")


def measure(tree: Path) -> tuple[float, float, float, float]:
    """Seconds to the server's first answer, to the first token with loading, without; processor seconds."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory() as home:
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.headless",
            "true",
            "--server.port",
            str(port),
        ]
        began = time.monotonic()
        server = subprocess.Popen(
            command,
            cwd=tree,
            env=os.environ | {"EASYAIGC_HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not _answers(address):
                if time.monotonic() - began > LONGEST or server.poll() is not None:
                    raise SystemExit(f"{tree}: the server does not start")
                time.sleep(0.02)
            started = time.monotonic() - began
            cold, warm = first_token(address), first_token(address)
            spent = psutil.Process(server.pid).cpu_times()
            return started, cold, warm, spent.user + spent.system
        finally:
            server.terminate()
            server.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/_stcore/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def main() -> None:
    """Print a row a tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", type=Path, default=[ROOT])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    found: dict[Path, list[tuple[float, ...]]] = {tree: [] for tree in given.trees}
    for _ in range(given.rounds):
        for tree, rows in found.items():  # in turn, so that other work on the machine meets all of them
            rows.append(measure(tree))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {given.rounds}")
    print(
        "| tree | server answers, s | first token with loading, s | first token, s | processor s |\n|---|---|---|---|---|"
    )
    for tree, rows in found.items():
        print(
            f"| {tree.resolve().name} | "
            + " | ".join(f"{statistics.median(column):.2f}" for column in zip(*rows, strict=True))
            + " |"
        )


if __name__ == "__main__":
    main()
