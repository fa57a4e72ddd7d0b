"""The report of a run: its questions through the original and the tuned model, judged; kept as RUN_DIR/report.json."""

from glm_core.evaluation.report.asking import Watch
from glm_core.evaluation.report.contents import Answer, Report, Row
from glm_core.evaluation.report.file import bring_back, cancelled, file_of, read, state_of, write
from glm_core.evaluation.report.making import STAGES, is_of, make, version_of

__all__ = [
    "STAGES",
    "Answer",
    "Report",
    "Row",
    "Watch",
    "bring_back",
    "cancelled",
    "file_of",
    "is_of",
    "make",
    "read",
    "state_of",
    "version_of",
    "write",
]
