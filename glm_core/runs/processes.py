"""Identity and signals of a run's trainer process: find out if it is alive, reach it. Knows nothing of run records.

A process number alone proves nothing: after a restart it belongs to somebody else. A trainer is recognized by its number
*and* its command line, which names the run directory; where the command line cannot be read, by its create time.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import psutil

from glm_core import workspace

CLOCK_SLACK = 2.0  # seconds by which two readings of one create time may differ
PYTHONS = ("python", Path(sys.executable).name)


def created(pid: int) -> float | None:
    """The create time of process `pid` (seconds since the epoch), None where there is no such process."""
    try:
        return psutil.Process(pid).create_time()
    except (psutil.Error, ValueError, OverflowError):
        return None


def alive(pid: object, pid_created: object, folder: Path) -> bool:
    """Return whether `pid` is the trainer of run directory `folder`. Nonsense from a damaged record is simply not alive."""
    if not isinstance(pid, int) or isinstance(pid, bool) or not 1 < pid < 2**31:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        command = process.cmdline()
        if not command:  # it is only just being started, or is just ending
            return _is_created(pid, pid_created)
        return _trains(process, command, folder)
    except (psutil.AccessDenied, OSError):  # another user's, or its working directory went as it ends
        return _is_created(pid, pid_created)
    except psutil.Error:
        return False


def _is_created(pid: int, pid_created: object) -> bool:
    moment = created(pid)
    return moment is not None and isinstance(pid_created, float) and abs(moment - pid_created) < CLOCK_SLACK


def _trains(process: psutil.Process, command: list[str], folder: Path) -> bool:
    """Return whether `process` with that command line, which is empty while it ends, trains in `folder`."""
    if not command or not Path(command[0]).name.startswith(PYTHONS):
        return False
    named = [argument for argument in command[1:] if Path(argument).name == folder.name]
    return any(Path(process.cwd(), argument).resolve() == folder.resolve() for argument in named)


def trainers(folder: Path) -> list[psutil.Process]:
    """Every process that trains in `folder`: the trainer, its torchrun workers, and what a killed torchrun left behind."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.status() != psutil.STATUS_ZOMBIE
                and _trains(process, process.cmdline(), folder)
                and process.pid != os.getpid()
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # it ended meanwhile, or belongs to another user, whose process cannot be ours
    return found


def send(pid: int, number: int) -> None:
    """Signal the process group that trainer `pid` leads (its data loaders and workers too), or it alone where it leads none.

    The caller has made sure, by `alive`, that `pid` is a trainer.
    """
    try:
        if os.name == "posix" and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            psutil.Process(pid).send_signal(number)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return  # it ended between the look and the signal, which is what was wanted


def wake(pid: int) -> None:
    """Let trainer `pid` go on where somebody halted it (SIGSTOP): only then does it get another signal."""
    if os.name == "posix":
        send(pid, signal.SIGCONT)


def kill_all(folder: Path) -> None:
    """End every process that trains in `folder` at once, and wait until they are gone (at most 5 s)."""
    victims = trainers(folder)
    for process in victims:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(victims, timeout=5)


CPU = "cpu"


def process_environment(places: list[str]) -> dict[str, str]:
    """Return what a trainer on `places` has in its environment besides the server's own: the same workspace, and its GPUs."""
    paths = [str(workspace.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {
        "EASYAIGC_HOME": str(workspace.home()),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
    if places != [CPU]:
        found |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(places)}
    return found


def start_process(
    command: list[str],
    places: list[str],
    *,
    stdin: int = subprocess.DEVNULL,
    output: int | BinaryIO = subprocess.DEVNULL,
) -> subprocess.Popen:
    """Start `command` on `places`; Ctrl-C and the end of the server do not reach it.

    Raises:
        OSError: the system cannot start it.
    """
    return subprocess.Popen(
        command,
        bufsize=0,
        cwd=workspace.ROOT,
        env=os.environ | process_environment(places),
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
