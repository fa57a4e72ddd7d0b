"""Time that pages take where there are many runs and conversations.

    python -m benchmarks.pages [--runs 500 5000] [--conversations N]

Makes a workspace of so many finished runs (with an adapter's files, curves and answers) and as many conversations, opens each page as a
reader would, and prints seconds of the first and of the second visit in a fresh session of the same server. Needs no GPU.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

PAGES = ("home", "training", "runs", "compare", "chat", "models")
STEPS = 30


def make_runs(count: int, home: Path, model: Path) -> None:
    """Write `count` finished runs on `model`."""
    from glm_core.training.settings import TrainingSettings

    settings = TrainingSettings().to_dict()
    lines = [{"step": step, "loss": 2 / step, "learning_rate": 1e-3} for step in range(1, STEPS + 1)]
    metrics = "".join(json.dumps(line) + "\n" for line in lines)
    row = {"messages": [{"role": "user", "content": "你是谁？"}, {"role": "assistant", "content": "我是小印。"}]}
    for number in range(count):
        folder = home / "runs" / f"20260101-{number // 3600:02}{number // 60 % 60:02}{number % 60:02}-{number:04x}"
        (folder / "adapter").mkdir(parents=True)
        record = {
            "id": folder.name,
            "name": f"训练 {number}",
            "owner": "local",
            "created": 1.77e9 + number,
            "model": str(model),
            "model_name": model.name,
            "dataset": {"id": "imprint", "name": "示例", "rows": 20, "sha256": "0" * 64},
            "settings": settings,
            "questions": ["你是谁？"],
        }
        status = {"state": "finished", "stage": "done", "step": STEPS, "total_steps": STEPS, "updated": 1.77e9}
        for name, content in (
            ("run.json", record),
            ("status.json", status),
            ("adapter/easyaigc.json", {"step": STEPS}),
        ):
            (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        (folder / "metrics.jsonl").write_text(metrics, encoding="utf-8")
        (folder / "dataset.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")


def make_conversations(count: int) -> None:
    """Write `count` conversations of this computer's user."""
    from glm_core.chat.conversations import Conversation

    for number in range(count):
        conversation = Conversation("local", id=f"talk-{number:05}")
        conversation.messages = [
            {"role": "user", "content": f"第 {number} 问"},
            {"role": "assistant", "content": "答" * 400},
        ]
        conversation.path.parent.mkdir(parents=True, exist_ok=True)
        conversation.path.write_text(json.dumps(conversation.record(), ensure_ascii=False), encoding="utf-8")


def visit(name: str) -> float:
    """Open page `name` in a session of its own; returns the seconds it took to draw."""
    from streamlit.testing.v1 import AppTest

    from tests.paths import ROOT

    app = AppTest.from_file(str(ROOT / "glm_core" / "ui.py"), default_timeout=600)
    app.switch_page(str(ROOT / "pages" / f"{name}.py"))
    began = time.perf_counter()
    app.run()
    seconds = time.perf_counter() - began
    if app.exception:
        raise RuntimeError(app.exception[0].value)
    return seconds


def measure(runs: int, conversations: int) -> None:
    """Print a table of one workspace."""
    from glm_core import workspace

    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        make_runs(runs, Path(home), workspace.DEMO_MODEL)
        make_conversations(conversations)
        time.sleep(workspace.SETTLING_SECONDS + 0.1)
        print(f"\n| {runs} runs, {conversations} conversations | first, s | again, s |\n|---|---|---|")
        for name in PAGES:
            first, again = visit(name), visit(name)
            print(f"| {name} | {first:.2f} | {again:.2f} |", flush=True)


def main() -> None:
    """Measure each size asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--conversations", type=int, help="as many as runs by default")
    given = parser.parse_args()
    for count in given.runs:
        measure(count, given.conversations if given.conversations is not None else count)


if __name__ == "__main__":
    main()
