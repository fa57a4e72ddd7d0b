"""Examples become tokens, batches and tensors; a family of our own stands in for a model's."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core.data.encoding import IGNORED, Encoded, LengthBuckets, collate, encode, measure
from glm_core.data.examples import pair

torch = pytest.importorskip("torch")


@dataclass(frozen=True)
class Letters:
    """A family whose tokens are code points; -1 begins and -2 ends an answer."""

    def encode_example(self, tokenizer, messages, max_source, max_target):
        source = [ord(letter) for message in messages[:-1] for letter in message["content"]]
        target = [-1, *map(ord, messages[-1]["content"]), -2]
        cut = len(source) > max_source or len(target) > max_target
        source, target = source[:max_source], target[:max_target]
        return source + target, [IGNORED] * len(source) + target, cut


MODEL = (None, Letters())


@dataclass(frozen=True)
class Loaded:
    tokenizer: object = None
    family: Letters = Letters()


def test_rows_are_encoded_in_order_with_progress():
    seen = []
    rows = encode([pair("ab", "c"), pair("abcdef", "c")], Loaded(), 4, 4, lambda stage, fraction: seen.append(fraction))
    assert rows[0] == Encoded([97, 98, -1, 99, -2], [IGNORED, IGNORED, -1, 99, -2], False)
    assert rows[1].cut and len(rows[1].input_ids) == 7
    assert seen == [0.0, 1.0]


def test_lengths_are_of_the_whole_rows_and_know_what_limits_cut():
    lengths = measure([pair("a" * number, "b" * 2) for number in range(1, 11)], MODEL)
    assert lengths.source == list(range(1, 11)) and lengths.target == [4] * 10
    assert [lengths.cut(10, 4), lengths.cut(7, 4), lengths.cut(10, 3)] == [0, 3, 10]


def test_large_sets_are_measured_by_an_even_sample():
    lengths = measure([pair("a" * number, "b") for number in range(1, 101)], MODEL, sample=10)
    assert lengths.indices == list(range(0, 100, 10)) and lengths.source == [index + 1 for index in lengths.indices]


@pytest.mark.parametrize(("multiple", "length"), [(1, 7), (8, 8)])
def test_a_batch_is_padded_on_the_right(multiple, length):
    rows = encode([pair("ab", "c"), pair("abcd", "c")], MODEL, 9, 9)
    batch = collate(rows, pad_id=3, multiple=multiple)
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == dict.fromkeys(
        ("input_ids", "labels", "attention_mask"), (2, length)
    )
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert batch["input_ids"][0].tolist() == [97, 98, -1, 99, -2] + [3] * (length - 5)
    assert batch["labels"][0].tolist() == [IGNORED, IGNORED, -1, 99, -2] + [IGNORED] * (length - 5)
    assert batch["attention_mask"].sum(1).tolist() == [5, 7]


LENGTHS = st.lists(st.integers(1, 100), min_size=1, max_size=120)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(1, 4), st.booleans())
def test_every_row_comes_and_every_process_has_as_many_batches(lengths, size, world, shuffle):
    samplers = [LengthBuckets(lengths, size, rank=rank, world=world, shuffle=shuffle, pool=3) for rank in range(world)]
    dealt = [list(sampler) for sampler in samplers]
    assert all(len(batches) == len(sampler) for batches, sampler in zip(dealt, samplers, strict=True))
    seen = [row for batches in dealt for batch in batches for row in batch]
    assert set(seen) == set(range(len(lengths)))
    assert world > 1 or len(seen) == len(lengths)
    assert all(1 <= len(batch) <= size for batches in dealt for batch in batches)


def test_batches_change_with_the_epoch_and_repeat_with_the_seed():
    sampler = LengthBuckets(list(range(1, 100)), 4, seed=7)
    first = list(sampler)
    assert first == list(LengthBuckets(list(range(1, 100)), 4, seed=7))
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_like_lengths_share_a_batch():
    lengths = [10, 100] * 400
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in LengthBuckets(lengths, 8))
    assert padded < 1.02 * sum(lengths)
