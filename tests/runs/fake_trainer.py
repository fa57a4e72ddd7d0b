"""A stand-in for `python -m glm_core.training`: writes what the trainer writes and stops as it stops, in no time, without torch.

`settings["fake"]` in run.json tells it what to do: steps, seconds a step, and one of hang, crash, deaf, leave_children. With
`--wait` it waits for its directory first.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from glm_core import workspace

folder = Path(sys.argv[1])
if "--wait" in sys.argv and not sys.stdin.readline():
    sys.exit(0)
plan = workspace.read_json(folder / "run.json")["settings"].get("fake", {})
steps, pause = plan.get("steps", 5), plan.get("pause", 0.02)
asked = []


def say(state, stage, step, why=""):
    record = {"state": state, "stage": stage, "step": step, "total_steps": steps, "why": why, "updated": time.time()}
    workspace.write_json(folder / "status.json", record)


def main():
    workspace.append_line(
        folder / "starts.jsonl",
        {"pid": os.getpid(), "cards": os.environ.get("CUDA_VISIBLE_DEVICES"), "waited": "--wait" in sys.argv},
    )
    if plan.get("crash"):
        sys.exit(plan["crash"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if plan.get("deaf") else lambda *_: asked.append(True))
    found = sorted(int(path.name.rsplit("-")[-1]) for path in (folder / "checkpoints").glob("checkpoint-*"))
    say("running", "training", found[-1] if found else 0)
    for step in range(found[-1] + 1 if found else 1, steps + 1):
        time.sleep(pause)
        workspace.append_line(folder / "metrics.jsonl", {"step": step, "loss": 1 / step, "time": time.time()})
        checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "trainer_state.json").write_text("{}")
        say("running", "training", step)
        if asked:
            return finish("stopped", step, {"key": "runs.why.stopped", "values": {"step": step}})
    finish("finished", steps)


def finish(state, step, why=""):
    if not (folder / "discard").exists():
        (folder / "adapter").mkdir(exist_ok=True)
        (folder / "adapter" / "easyaigc.json").write_text(json.dumps({"step": step}))
    say(state, "done", step, why)


main()
