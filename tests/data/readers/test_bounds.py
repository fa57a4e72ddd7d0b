"""Files made to exhaust memory or time end in a sentence, and reading them takes memory of the file's own size."""

import io
import json
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest

from glm_core.data import DataError, read_bytes
from glm_core.data.readers.rows import gather

MEGABYTE = 1_000_000


def peak_of(act) -> int:
    """Bytes that Python held at most while `act` ran."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_packed_text_that_many_rows_name_is_refused():
    answers = pyarrow.DictionaryArray.from_arrays([0] * 40_000, ["答" * 30_000])
    table = pyarrow.table({"question": [str(number) for number in range(40_000)], "answer": answers})
    target = io.BytesIO()
    pyarrow.parquet.write_table(table, target, compression="zstd", use_dictionary=True)
    content = target.getvalue()
    assert len(content) < MEGABYTE
    with pytest.raises(DataError) as caught:
        read_bytes(content, "a.parquet")
    assert "a.parquet" in str(caught.value)


@pytest.mark.parametrize("quoted", [False, True])
def test_one_endless_row_of_a_table_is_one_problem(quoted):
    mark = '"' if quoted else ""
    content = f"question,answer\n你好,{mark}{'长' * 3 * MEGABYTE}{mark}\n再见,再见\n".encode()
    result = read_bytes(content, "a.csv")
    assert [one.line for one in result.problems] == [2] and len(result.problems[0].message) < 500
    assert [one.question for one in result.examples] == ["再见"]
    assert peak_of(lambda: read_bytes(content, "a.csv")) < 8 * len(content)


def test_a_quote_that_is_never_closed_does_not_swallow_the_file():
    content = ('question,answer\n"你好,没有关\n' + "问,答\n" * 5_000).encode()
    result = read_bytes(content, "a.csv")
    assert len(result.examples) == 5_000 and len(result.problems) == 1


def test_hardly_a_good_row_ends_the_reading(monkeypatch):
    monkeypatch.setattr(gather, "MOST_PROBLEMS", 500)
    content = b'{"question": "a", "answer": "b"}\n' + b"{broken\n" * 30_000
    with pytest.raises(DataError) as caught:
        read_bytes(content, "a.jsonl")
    assert "a.jsonl" in str(caught.value) and len(str(caught.value)) < 400


def test_broken_rows_among_good_ones_are_counted_within_bounds(monkeypatch):
    monkeypatch.setattr(gather, "MOST_PROBLEMS", 500)
    good = json.dumps({"question": "问", "answer": "答"}, ensure_ascii=False).encode() + b"\n"
    result = read_bytes((good + b"{broken\n") * 3_000, "a.jsonl")
    assert len(result.examples) == 3_000 and len(result.problems) == 500 and result.rows == 6_000


def test_many_rows_take_little_more_than_their_file():
    row = {"question": "问" * 40, "answer": "答" * 160}
    content = "".join(
        json.dumps({**row, "question": f"{n}{row['question']}"}, ensure_ascii=False) + "\n" for n in range(30_000)
    )
    encoded = content.encode()
    held = []
    assert peak_of(lambda: held.append(read_bytes(encoded, "a.jsonl"))) < 4 * len(encoded)
    assert len(held[0].examples) == 30_000
