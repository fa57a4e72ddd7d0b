"""Lengths in tokens, what limits cut of them, and their pictures."""

import pytest

from glm_core.data import DataError, figures, lengths, library
from glm_core.data.analysis import histogram, search
from glm_core.data.examples import pair
from glm_core.data.tokenize import encode
from glm_core.models import ModelError
from tests.data.test_tokenize import MODEL
from tests.tiny import tiny_chatglm


def test_lengths_are_of_the_whole_rows():
    found = lengths.measure([pair("a" * number, "b" * 2) for number in range(1, 11)], MODEL)
    assert found.source == list(range(1, 11)) and found.target == [4] * 10


def test_large_sets_are_measured_by_an_even_sample():
    found = lengths.measure([pair("a" * number, "b") for number in range(1, 101)], MODEL, sample=10)
    assert found.source == list(range(1, 101, 10))


@pytest.fixture
def model(tmp_path):
    return tiny_chatglm(tmp_path / "tiny")


def test_a_set_is_measured_once_for_a_model(model, workspace, monkeypatch):
    dataset = library.add("a", [pair("你好" * number, "好") for number in range(1, 6)])
    found = lengths.token_lengths(dataset.id, model)
    assert len(found.source) == 5 and found.source == sorted(found.source) and min(found.target) > 1
    monkeypatch.setattr(lengths, "measure", None)
    assert lengths.token_lengths(dataset.id, model) == found
    assert len(list((workspace / "cache" / "lengths").iterdir())) == 1


def test_changed_rows_and_changed_models_are_measured_again(model):
    dataset = library.add("a", [pair("你好", "好")])
    before = lengths.token_lengths(dataset.id, model)
    library.replace_rows(dataset.id, [pair("你好" * 20, "好")])
    assert lengths.token_lengths(dataset.id, model).source[0] > before.source[0]


def test_cut_rows_are_those_the_family_cuts(model):
    from glm_core import models

    rows = [pair("你好" * number, "好") for number in range(1, 30)]
    dataset = library.add("a", rows)
    parts = models.load_tokenizer(model), models.describe(model).family
    cut = lengths.count_cut(dataset.id, model, 16, 16)
    assert cut == sum(row.cut for row in encode(rows, parts, 16, 16)) and 0 < cut < 29
    assert lengths.count_cut(dataset.id, model, 500, 500) == 0


def test_the_longest_row_is_that_of_the_family_within_the_limits(model, monkeypatch):
    from glm_core import models

    rows = [pair("how are you " * number, "fine") for number in range(1, 30)]
    dataset = library.add("a", rows)
    parts = models.load_tokenizer(model), models.describe(model).family
    for limit in (16, 500):
        longest = max(len(row.input_ids) for row in encode(rows, parts, limit, limit))
        assert lengths.longest_row(dataset.id, model, limit, limit) == longest
    monkeypatch.setattr(lengths, "SAMPLE", 28)
    assert lengths.longest_row(dataset.id, model, 16, 16) is None, "it may be one that was not measured"


def test_what_limits_cut_is_counted_once_for_the_same_rows_model_and_limits(model, monkeypatch):
    dataset = library.add("a", [pair("你好" * number, "好") for number in range(1, 30)])
    cut = lengths.count_cut(dataset.id, model, 16, 16)
    with monkeypatch.context() as patch:
        patch.setattr(lengths, "encode_answers", None)
        assert lengths.count_cut(dataset.id, model, 16, 16) == cut
    library.replace_rows(dataset.id, [pair("你好", "好")])
    assert lengths.count_cut(dataset.id, model, 16, 16) == 0


def test_a_folder_that_is_no_model_and_a_set_that_is_gone(tmp_path, model):
    dataset = library.add("a", [pair("你好", "好")])
    with pytest.raises(ModelError):
        lengths.token_lengths(dataset.id, tmp_path)
    with pytest.raises(DataError):
        lengths.token_lengths("gone", model)


@pytest.mark.parametrize("values", [[0], [1, 1, 5], list(range(1000)), [3, 100_000]])
def test_a_histogram_counts_every_row_once(values):
    middles, heights, width = histogram(values)
    assert sum(heights) == len(values) and len(heights) <= 40
    for value in values:
        bar = min(range(len(middles)), key=lambda place: abs(middles[place] - value - 0.5))
        assert heights[bar] > 0 and abs(middles[bar] - value - 0.5) <= width / 2


def test_pictures_show_the_limit_and_quote_labels():
    figure = figures.lengths_figure([1, 2, 300], "tokens", 128)
    assert figure.layout.shapes[0].x0 == 128.5 and sum(figure.data[0].y) == 3
    assert list(figures.labels_figure({"<b>好</b>": 3, "差": 1}).data[0].y) == ["差", "&lt;b>好&lt;/b>"]


def test_search_finds_words():
    rows = [pair("你好", "好"), pair("再见", "好"), pair("你好", "好"), pair("你好", "Bad")]
    assert search(rows, " bAD ") == [3] and search(rows, "") == [0, 1, 2, 3] and search(rows, "无") == []


def test_every_learned_answer_of_a_conversation_counts(tmp_path):
    from glm_core.data import Example

    talk = Example(
        [
            {"role": "user", "content": "一二"},
            {"role": "assistant", "content": "三"},
            {"role": "user", "content": "四"},
            {"role": "assistant", "content": "不学", "learn": False},
            {"role": "user", "content": "五"},
            {"role": "assistant", "content": "六七"},
        ]
    )
    dataset = library.add("a", [talk])
    found = lengths.token_lengths(dataset.id, tiny_chatglm(tmp_path / "tiny"))  # an example an answer
    assert found.rows == 1 and len(found.source) == len(found.target) == 2
    assert found.source[0] < found.source[1]


def test_a_model_that_thinks_is_measured_as_it_is_trained(tmp_path):
    """Training writes an example for every answer, since earlier ones stand there without their thoughts."""
    from glm_core import models
    from glm_core.data import Example
    from tests.models.thinkers import write_thinker

    folder = write_thinker(tmp_path / "qwen3", weights=False)
    turns = [("user", "u1"), ("assistant", "one"), ("user", "u2"), ("assistant", "two"), ("user", "u3")]
    talk = [{"role": role, "content": text} for role, text in [*turns, ("assistant", "three")]]
    found = lengths.measure([Example(talk)], (models.load_tokenizer(folder), models.describe(folder).family))
    assert found.rows == 1 and len(found.target) == 3 and found.source == sorted(found.source)


def test_a_row_that_the_model_cannot_be_taught_is_not_measured(model):
    from glm_core import models
    from glm_core.data import Example

    call = {"type": "function", "function": {"name": "weather", "arguments": {}}}
    asked = {"role": "user", "content": "天气", "tools": [{"type": "function", "function": {"name": "weather"}}]}
    called = Example([asked, {"role": "assistant", "content": "", "tool_calls": [call]}])
    parts, taught = (models.load_tokenizer(model), models.describe(model).family), pair("你好", "好")
    alone, together = lengths.measure([taught], parts), lengths.measure([called, taught], parts)
    assert (together.source, together.target, together.rows) == (alone.source, alone.target, 2)
    assert lengths.count_cut(library.add("a", [called]).id, model, 1, 1) == 0


def test_a_row_is_cut_once_however_many_answers_it_has(model):
    from glm_core.data import Example

    turns = [{"role": role, "content": "你好" * 20} for role in ("user", "assistant", "user", "assistant")]
    dataset = library.add("a", [Example(turns), pair("你", "好")])
    assert lengths.count_cut(dataset.id, model, 16, 16) == 1
    assert lengths.count_cut(dataset.id, model, 16, 16, "last") == 1
