"""A file becomes examples, examples become tokens. Importing this room imports neither torch nor pandas."""

from glm_core.data.examples import DataError, Example, Problem, ReadResult
from glm_core.data.readers.read import ENDINGS, read, read_bytes, read_text
from glm_core.data.readers.templates import TEMPLATES

__all__ = ["ENDINGS", "TEMPLATES", "DataError", "Example", "Problem", "ReadResult", "read", "read_bytes", "read_text"]
