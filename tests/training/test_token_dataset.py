"""Encoded rows come back as they went in, in a fraction of the memory; rows with nothing to learn are counted and left
out."""

import sys

from glm_core.data.tokenize import Encoded
from glm_core.training.token_dataset import Rows


def test_rows_come_back_as_lists():
    rows = Rows([Encoded([5, 130004, 7], [-100, -100, 7], False), Encoded([1], [1], True)])
    assert len(rows) == 2 and rows.lengths() == [3, 1]
    assert rows[0] == ([5, 130004, 7], [-100, -100, 7], False) and rows[0:2][1].input_ids == [1]
    assert [row.labels for row in rows] == [[-100, -100, 7], [1]] and not Rows()


def test_a_token_takes_four_bytes_a_column():
    rows = Rows([Encoded(list(range(100_000, 100_500)), [-100] * 500, False)])
    assert sys.getsizeof(rows._ids[0]) + sys.getsizeof(rows._labels[0]) < 2 * 500 * 4 + 200
