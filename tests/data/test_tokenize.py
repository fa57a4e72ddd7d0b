"""Examples become tokens, batches and tensors, with a family of our own and with a real one."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core.data.examples import pair
from glm_core.data.tokenize import IGNORED, Encoded, LengthBuckets, collate, encode
from tests.tiny import tiny_chatglm

torch = pytest.importorskip("torch")


@dataclass(frozen=True)
class Letters:
    """A family whose tokens are code points; -1 begins and -2 ends an answer."""

    def separates(self, tokenizer):
        return False

    def takes(self, tokenizer, messages):
        return True

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


def test_rows_are_encoded_in_order():
    rows = encode([pair("ab", "c"), pair("abcdef", "c")], Loaded(), 4, 4)
    assert rows[0] == Encoded([97, 98, -1, 99, -2], [IGNORED, IGNORED, -1, 99, -2], False)
    assert rows[1].cut and len(rows[1].input_ids) == 7


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


def test_a_real_family_writes_prompt_answer_and_end(tmp_path):
    from glm_core import models

    folder = tiny_chatglm(tmp_path / "tiny")
    tokenizer, family = models.load_tokenizer(folder), models.describe(folder).family
    [row, short] = encode([pair("你是谁？", "我叫小砚。"), pair("你好" * 50, "好")], (tokenizer, family), 32, 32)
    first = next(place for place, label in enumerate(row.labels) if label != IGNORED)
    assert (
        tokenizer.decode(row.input_ids[:first]) == "你是谁?" and tokenizer.decode(row.input_ids[first:]) == "我叫小砚。"
    )
    assert row.input_ids[-1] == tokenizer.eos_token_id and row.labels[first:] == row.input_ids[first:]
    assert not row.cut and short.cut and len(short.input_ids) <= 64


def test_a_row_as_the_model_sees_it(tmp_path):
    from glm_core import models
    from glm_core.data.tokenize import segments

    folder = tiny_chatglm(tmp_path / "tiny")
    tokenizer, family = models.load_tokenizer(folder), models.describe(folder).family
    [row] = encode([pair("你是谁？", "我叫小砚。")], (tokenizer, family), 64, 64)
    (given, no), (learned, yes) = segments(tokenizer, row)
    assert (no, yes) == (False, True)
    assert given == "你是谁?[gMASK]" and learned.startswith("<sop>我叫小砚。")
