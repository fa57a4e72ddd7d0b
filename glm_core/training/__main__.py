"""`python -m glm_core.training RUN_DIR` trains what RUN_DIR/run.json says, going on from its last checkpoint.

`python -m glm_core.training --model M --data FILE --out RUN_DIR [--field value ...]` writes that directory first: the
command that the training page shows. With several processes it becomes torchrun.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.data import command as reading
from glm_core.errors import EasyError
from glm_core.i18n import terminal
from glm_core.training import plan
from glm_core.training import settings as options
from glm_core.training.errors import TrainingError
from glm_core.training.process.signals import StopRequested, StopSignal
from glm_core.training.process.warm_worker import WAIT, wait
from glm_core.training.settings import PRESETS, TrainingSettings


def build_parser() -> argparse.ArgumentParser:
    """The command line; every setting comes from `TrainingSettings`."""
    parser = argparse.ArgumentParser(prog="python -m glm_core.training", description=i18n.t("training.command.about"))
    parser.add_argument("run_dir", nargs="?", metavar="RUN_DIR", help=i18n.t("training.command.run_dir"))
    parser.add_argument("--model", help=i18n.t("training.command.model"))
    parser.add_argument("--data", help=i18n.t("training.command.data"))
    parser.add_argument("--out", metavar="RUN_DIR", help=i18n.t("training.command.out"))
    parser.add_argument("--preset", choices=sorted(PRESETS), help=i18n.t("training.command.preset"))
    parser.add_argument("--from", dest="start", metavar="DIR", help=i18n.t("training.command.from"))
    parser.add_argument("--question", action="append", default=[], help=i18n.t("training.command.question"))
    parser.add_argument(WAIT, action="store_true", help=argparse.SUPPRESS)  # a server's, see warm_worker.py
    reading.add_arguments(parser)
    options.add_arguments(parser)
    terminal.add_argument(parser)
    return parser


def adapter_in(folder: Path) -> Path:
    """The adapter's folder of a run directory, or `folder` itself where it is one."""
    return folder / "adapter" if (folder / "adapter").is_dir() else folder


def write_run(
    folder: Path,
    model: str,
    file: str,
    settings: TrainingSettings,
    questions: list[str],
    arguments: argparse.Namespace,
    begin: Path | None = None,
) -> None:
    """A new run directory for `python -m glm_core.training RUN_DIR`.

    Args:
        begin: the folder of an adapter that the run goes on from; it decides method, rank and layers.

    Raises:
        TrainingError: the directory has a run already, or no row of the file can be used.
        DataError: the file cannot be read. AdapterError: `begin` has no adapter that can be read.
    """
    from glm_core.adapters import start
    from glm_core.data.store import lines_of

    if (folder / "run.json").exists():
        raise TrainingError("training.error.run_exists", folder=str(folder))
    found = reading.read_file(file, arguments)
    reading.print_losses(found)
    if not found.examples:
        raise TrainingError("training.error.no_rows", path=file)
    if begin is not None:
        settings = settings.changed(**start.settings_of(begin, model))
        start.copy(begin, folder / start.FOLDER)
    for warning in plan.plan(len(found.examples), settings).warnings:
        print(warning, file=sys.stderr)
    lines, digest = lines_of(found.examples)
    workspace.write_atomic(folder / "dataset.jsonl", lines)
    name = Path(file).stem
    dataset = {
        "id": name,
        "name": name,
        "rows": len(found.examples),
        "sha256": digest,
        "notices": [notice.as_record() for notice in found.notices],
    }
    about = {"questions": questions, "settings": settings.to_dict(), "dataset": dataset}
    workspace.write_json(folder / "run.json", _origin(folder, Path(model)) | about)


def _origin(folder: Path, model: Path) -> dict:
    """The part of `run.json` that says which run this is and of which model."""
    return {
        "id": folder.name,
        "name": folder.name,
        "owner": "",
        "created": time.time(),
        "model": str(model.resolve()),
        "model_name": model.name,
        "language": i18n.current(),
        "pid": None,
    }


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 finished or stopped, 1 failed, 2 wrong usage."""
    stop = StopSignal()
    stop.listen()
    # Read when torch comes in. Threads that spin while they wait slow a busy machine tenfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A GPU's memory in one piece: recorded steps have a pool of their own, and holes of the other would be lost to it.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    # What cuBLAS may work in, as on most GPUs; newer ones would give it four times as much, and again to every recording.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2:16:8")
    words = sys.argv[1:] if arguments is None else arguments
    if any(
        one.startswith("-") and one != WAIT for one in words
    ):  # not a server's run, whose log speaks the usual language
        terminal.speak(words)
    parser = build_parser()
    given = parser.parse_args(arguments)
    wanted = (given.model, given.data, given.out)
    if bool(given.run_dir) == any(wanted) or (any(wanted) and not all(wanted)):
        parser.error(i18n.t("training.command.either"))
    try:
        folder = Path(given.run_dir or given.out)
        if given.out:
            settings = options.from_arguments(given, PRESETS.get(given.preset))
            begin = adapter_in(Path(given.start)) if given.start else None
            write_run(folder, given.model, given.data, settings, given.question, given, begin)
        clock = wait(folder, stop) if given.wait else None
        if given.wait and clock is None:
            return 0
        return train(folder, stop, clock)
    except (EasyError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except StopRequested:
        return 0


def train(folder: Path, stop: StopSignal, clock: float | None = None) -> int:
    """Train in this process, or become torchrun where the settings ask for several and nobody started them."""
    i18n.use(read_language(folder))
    count = 1 if "WORLD_SIZE" in os.environ else read_processes(folder)
    if count > 1:
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        os.execv(sys.executable, [sys.executable, *launch, "-m", "glm_core.training", str(folder)])
    from glm_core.training.run import run

    return run(folder, stop, clock)


def read_language(folder: Path) -> str:
    """The language of who made the run, which its log and its errors speak; the one in use where run.json names none."""
    try:
        return i18n.named(workspace.read_json(folder / "run.json")["language"]) or i18n.current()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return i18n.current()


def read_processes(folder: Path) -> int:
    """Number of processes that run.json asks for; 1 where it makes no sense, which the run itself reports."""
    try:
        return TrainingSettings.from_dict(workspace.read_json(folder / "run.json")["settings"]).processes
    except (OSError, ValueError, TypeError, KeyError, EasyError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
