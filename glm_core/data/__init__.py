"""A file becomes examples, examples become tokens. Importing this package imports neither torch nor pandas."""

from glm_core.data.examples import DataError, Example, Notice, Problem, ReadResult
from glm_core.data.readers.opened_file import ReadOptions
from glm_core.data.readers.read import ENDINGS, read, read_bytes, read_text
from glm_core.data.readers.templates.task_template import TEMPLATES

__all__ = [
    "ENDINGS",
    "TEMPLATES",
    "DataError",
    "Example",
    "Notice",
    "Problem",
    "ReadOptions",
    "ReadResult",
    "read",
    "read_bytes",
    "read_text",
]
