"""Where the tests find what is not in this repository."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EASYAIGC_SHARED") or ROOT.parent / "shared")
