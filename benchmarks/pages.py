"""Time that pages take where there are many runs, conversations and data sets.

    python -m benchmarks.pages [--runs 500 5000] [--conversations N] [--sets 200]

Makes a workspace of so many finished runs (with an adapter's files, curves and answers), as many conversations, and data sets of 20 to
2,000 rows; opens each page as a reader would, the run's, the report's and a set's with one chosen; and prints seconds of the first and
of the second visit in a fresh session of the same server. "First" is after the program is imported and after a change of every folder, as
for the first reader of the day. Beside the clock stands the processor's time, which other work on the machine does not lengthen. Needs no
GPU. Exits with 1 where a page takes longer than 1.5 s of the clock.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

STEPS = 30
GOAL = 1.5
"Seconds."
CHOSEN = {"run": "run", "report": "run", "datasets": "set"}
"Pages that show one thing, and the parameter of their address that names it."


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


def make_sets(count: int) -> str:
    """Write `count` data sets of 20 to 2,000 rows; the id of the longest."""
    from glm_core.data import library
    from glm_core.data.examples import Example

    longest = ""
    for number in range(count):
        rows = [
            Example([{"role": "user", "content": f"{number} {row}?"}, {"role": "assistant", "content": "答" * 60}])
            for row in range(20 + 1980 * number // max(1, count - 1))
        ]
        longest = library.add(f"数据 {number}", rows, source="rows.jsonl").id
    return longest


def visit(name: str, chosen: str = "") -> tuple[float, float]:
    """Open page `name` in a session of its own; returns the seconds it took to draw, and those of the processor."""
    from streamlit.components.v2.component_manager import BidiComponentManager
    from streamlit.testing.v1 import AppTest

    # A server reads once what every installed package says of itself; each AppTest would do so again.
    BidiComponentManager.discover_and_register_components = lambda *_, **__: None

    from tests.paths import ROOT

    app = AppTest.from_file(str(ROOT / "glm_core" / "page_frame.py"), default_timeout=600)
    app.switch_page(str(ROOT / "pages" / f"{name}.py"))
    if chosen:
        app.query_params[CHOSEN[name]] = chosen
    began, processor = time.perf_counter(), time.process_time()
    app.run()
    seconds = time.perf_counter() - began, time.process_time() - processor
    if app.exception:
        raise RuntimeError(app.exception[0].value)
    return seconds


def measure(runs: int, conversations: int, sets: int) -> bool:
    """Print a table of one workspace; True where every page was within the goal."""
    from glm_core import workspace
    from glm_core.page_list import PAGES

    good = True
    with tempfile.TemporaryDirectory() as home:
        os.environ["EASYAIGC_HOME"] = home
        for page in PAGES:
            visit(page.name)  # imports
        make_runs(runs, Path(home), workspace.DEMO_MODEL)
        make_conversations(conversations)
        a_set, a_run = make_sets(sets), sorted(os.listdir(Path(home) / "runs"))[-1]
        chosen = {"run": a_run, "report": a_run, "datasets": a_set}
        time.sleep(workspace.SETTLING_SECONDS + 0.1)
        print(
            f"\n| {runs} runs, {conversations} conversations, {sets} sets | first, s | processor | again, s | processor |"
        )
        print("|---|---|---|---|---|")
        for page in PAGES:
            for one in ["", *([chosen[page.name]] if page.name in chosen else [])]:
                first, again = visit(page.name, one), visit(page.name, one)
                good = good and max(first[0], again[0]) <= GOAL
                cells = " | ".join(f"{seconds:.2f}" for seconds in (*first, *again))
                print(f"| {page.name}{', one chosen' if one else ''} | {cells} |", flush=True)
    return good


def main() -> int:
    """Measure each size asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--conversations", type=int, help="as many as runs by default")
    parser.add_argument("--sets", type=int, default=200)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # streamlit's about running without a browser
    counts = [given.conversations if given.conversations is not None else runs for runs in given.runs]
    return 0 if all([measure(*sizes, given.sets) for sizes in zip(given.runs, counts, strict=True)]) else 1


if __name__ == "__main__":
    sys.exit(main())
