"""Draw the program's structure: `python -m tests.house docs/architecture.svg`."""

import sys
from pathlib import Path

from tests.house.imports import draw

Path(sys.argv[1]).write_text(draw(), encoding="utf-8")
