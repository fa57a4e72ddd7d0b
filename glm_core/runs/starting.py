"""How a trainer's process is started: its surroundings, its cards, a session of its own. Knows no runs and no queue."""

import os
import subprocess
from typing import BinaryIO

from glm_core import workspace

CPU = "cpu"


def surroundings(places: list[str]) -> dict[str, str]:
    """What a trainer on `places` has in its environment besides the server's own: the same workspace, and its cards."""
    paths = [str(workspace.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {
        "EASYAIGC_HOME": str(workspace.home()),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
    if places != [CPU]:
        found |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(places)}
    return found


def start(
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
        env=os.environ | surroundings(places),
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
