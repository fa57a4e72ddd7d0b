"""Where the tests find what is not in this repository, and where they put what they make once."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EASYAIGC_SHARED") or ROOT.parent / "shared")


def scratch(name: str) -> Path:
    """A new folder for what is made once a process; it goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix=f"easyaigc-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
