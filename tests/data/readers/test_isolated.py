"""A foreign file read in a process of its own gives what it gives here; one that takes too much ends in a sentence, and so does its process."""

import io
import json
import pickle
import sys

import psutil
import pyarrow
import pyarrow.parquet
import pytest

from glm_core import bounded, i18n
from glm_core.bounded import BoundExceeded, Bounds
from glm_core.data import DataError, ReadOptions, read_bytes
from glm_core.data.readers import isolated
from tests.data.readers.test_read import in_format


def many_lines(good: int = 4_000) -> bytes:
    row = json.dumps({"question": "问" * 20, "answer": "答" * 20}, ensure_ascii=False).encode() + b"\n"
    return row * good + b"{broken\n" + b'{"question": "q", "answer": ["x", {"y": 1.5}]}\n'


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_packed_formats_are_read_as_they_are_here(ending):
    content = in_format(ending)
    ours, theirs = (
        read(content, f"a.{ending}", options=ReadOptions(reasoning=True)) for read in (read_bytes, isolated.read_bytes)
    )
    assert (
        list(theirs.examples) == list(ours.examples) and theirs.layout == ours.layout and theirs.columns == ours.columns
    )
    assert theirs.notices == ours.notices and theirs.sheets == ours.sheets


def test_a_long_file_is_read_with_its_problems_in_the_readers_language_and_with_progress():
    content, told = many_lines(), []
    assert len(content) > isolated.SHORT_BYTES
    for language in ("zh", "en"):
        i18n.use(language)
        theirs = isolated.read_bytes(
            content, "a.jsonl", progress=lambda stage, fraction: told.append((stage, fraction))
        )
        ours = read_bytes(content, "a.jsonl")
        assert theirs.problems == ours.problems and list(theirs.examples) == list(ours.examples)
    assert told[-1] == ("data.stage.reading", 1.0) and len(told) > 2


def test_mapping_template_and_errors_pass_through():
    content = b"a,b\n" + "你好,再见\n".encode() * 30_000
    theirs = isolated.read_bytes(content, "a.csv", mapping={"user": "b", "assistant": "a"})
    assert theirs.examples[0].question == "再见" and len(theirs.examples) == 30_000
    with pytest.raises(DataError) as caught:
        isolated.read_bytes(content, "a.exe")
    assert caught.value.key == "data.ending"
    with pytest.raises(DataError) as caught:
        isolated.read_bytes(b"no zip" * 50, "a.xlsx")
    assert "a.xlsx" in str(caught.value) and caught.value.key.startswith("data.xlsx")


def bomb() -> bytes:
    """A nested column of one long list that every row names: little on disk, gigabytes as Python's values."""
    inner = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * 3_000_000, pyarrow.int32()), pyarrow.array(["长" * 300_000])
    )
    target = io.BytesIO()
    table = pyarrow.table({"question": inner, "answer": inner})
    pyarrow.parquet.write_table(table, target, compression="zstd", row_group_size=3_000_000)
    return target.getvalue()


def test_records_of_a_hubs_file_are_read_within_the_same_bounds():
    content = many_lines()
    lines, seen = isolated.read_records(content, "a.jsonl", 3_999, 5)
    assert seen == 4_001 and [json.loads(line).get("question") for line in lines] == ["问" * 20, "q"]
    short = b'{"a": "\\ud83d"}\n[1]\n{"b": {"c": [1, null]}}\n'
    assert isolated.read_records(short, "a.jsonl", 0, 9) == ([b'{"a": "\\ud83d"}\n', b'{"b": {"c": [1, null]}}\n'], 2)
    with pytest.raises(DataError) as caught:
        isolated.read_records(bomb(), "a.parquet", 0, 3_000_000)
    assert "a.parquet" in str(caught.value)


def test_reading_for_nobody_ends_its_process():
    def stop():
        raise InterruptedError

    before = psutil.Process().children()  # templates may be rendered in one
    with pytest.raises(InterruptedError):
        isolated.read_records(many_lines(), "a.jsonl", 0, 10_000, stop)
    assert psutil.Process().children() == before


def test_a_file_that_unpacks_into_gigabytes_ends_in_a_sentence_and_takes_none_of_our_memory():
    content, before = bomb(), psutil.Process().memory_info().rss
    with pytest.raises(DataError) as caught:
        isolated.read_bytes(content, "a.parquet")
    assert "a.parquet" in str(caught.value)
    assert psutil.Process().memory_info().rss - before < 200_000_000


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from glm_core.bounded import Bounds, limit_this_process
limit_this_process(Bounds({memory}, {processor}, 60))
{act}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="only the clock bounds a process there")
@pytest.mark.parametrize(
    ("act", "memory", "processor", "seconds", "kind"),
    [
        ("x = bytearray(900_000_000)", 600_000_000, 60, 60.0, bounded.HEAVY),
        ("while True: pass", 10**10, 1, 60.0, bounded.SLOW),
        ("import time; time.sleep(60)", 10**10, 60, 0.5, bounded.SLOW),
        ("sys.exit(3)", 10**10, 60, 60.0, bounded.HEAVY),
        ("while True: sys.stdout.write('x' * 100_000)", 10**10, 60, 60.0, bounded.HEAVY),
    ],
)
def test_a_process_ends_at_each_of_its_bounds(tmp_path, monkeypatch, act, memory, processor, seconds, kind):
    from tests.paths import ROOT

    (tmp_path / "greedy.py").write_text(SCRIPT.format(root=str(ROOT), memory=memory, processor=processor, act=act))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BoundExceeded) as caught:
        bounded.run("greedy", [], b"x" * 3_000_000, Bounds(memory, processor, seconds, 1_000_000))
    assert caught.value.kind == kind


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_an_answer_that_names_other_classes_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(bounded, "run", lambda *_: pickle.dumps({"result": Evil()}))
    with pytest.raises(DataError):
        isolated.read_bytes(many_lines(), "a.jsonl")
    assert "code ran" not in capsys.readouterr().out
