"""Whatever bytes come under whatever name: examples that can be used, or one sentence. Never a crash, never a hang."""

import json
import random
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glm_core.data import TEMPLATES, DataError, read_bytes
from glm_core.data.examples import check_example
from tests.data.readers.test_read import in_format

ENDINGS = ["json", "jsonl", "csv", "tsv", "xlsx", "parquet", "txt"]
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = (
    "instruction",
    "output",
    "prompt",
    "response",
    "history",
    "system",
    "messages",
    "conversations",
    "role",
    "content",
    "from",
    "value",
    "data",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)


def check(content: bytes, file: str, template: str | None = None) -> None:
    """Read, and hold every promise about what comes out."""
    try:
        result = read_bytes(content, file, template)
    except DataError as error:
        assert str(error) and len(str(error)) < 2_000
        return
    assert result.layout and (result.examples or result.problems)
    for number, example in enumerate(result.examples, 1):
        check_example(example, number)
        assert example.line >= 1
    for problem in result.problems:
        assert problem.line >= 1 and problem.message and isinstance(problem.field, str)


@QUIET
@given(st.binary(max_size=400), st.sampled_from(ENDINGS))
def test_any_bytes(content, ending):
    check(content, f"a.{ending}")


@QUIET
@given(st.text(max_size=300), st.sampled_from(ENDINGS), st.sampled_from([None, *TEMPLATES]))
def test_any_text(content, ending, template):
    check(content.encode("utf-8", errors="replace"), f"a.{ending}", template)


@QUIET
@given(st.lists(JSON, max_size=4), st.sampled_from(["json", "jsonl", "txt"]), st.sampled_from([None, *TEMPLATES]))
def test_any_json(values, ending, template):
    check(json.dumps(values).encode(), f"a.{ending}", template)
    check("\n".join(map(json.dumps, values)).encode(), f"a.{ending}", template)


@pytest.mark.parametrize("ending", ENDINGS[:-1])
def test_files_with_a_few_bytes_changed_cut_or_doubled(ending):
    content, draw = in_format(ending), random.Random(0)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(damaged))
            kind = draw.randrange(3)
            if kind == 0:
                damaged[place] = draw.randrange(256)
            elif kind == 1:
                del damaged[place : place + draw.randint(1, 30)]
            else:
                damaged[place:place] = damaged[place : place + draw.randint(1, 30)]
            damaged = damaged or bytearray(b"x")
        check(bytes(damaged), f"a.{ending}")


def test_reading_needs_neither_torch_nor_pandas():
    import subprocess

    code = (
        "import sys, glm_core.data as d; d.read_text('a\\tb'); sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
