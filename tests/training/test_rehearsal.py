"""Rehearsal: the base's own answers, asked once, mixed in by the share, other ones in every epoch."""

import json
from collections import Counter
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from benchmarks.real_models import GENERAL
from glm_core import models
from glm_core.data.bundled import read_controls
from glm_core.data.tokenize import IGNORED
from glm_core.models.checkpoints import fingerprint
from glm_core.training import rehearsal, token_dataset
from glm_core.training.plan import count_rehearsal, plan
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.batches import ShardedBatches
from glm_core.workspace import DEMO_MODEL
from recipe.rehearsal import contents, embedded_questions
from tests.paths import ROOT
from tests.tiny import tiny_chatglm

SIZES = {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_attention_heads": 4} | SIZES
EMBEDDED = [ROOT / "assets" / "models" / name for name in ("chatglm-demo", "bloom-demo")]


@pytest.mark.parametrize("folder", EMBEDDED, ids=lambda one: one.name)
def test_shipped_answers_are_of_the_weights_that_are_shipped(folder):
    first, *rest = (rehearsal.SHIPPED / f"{folder.name}.jsonl").read_text("utf-8").splitlines()
    assert json.loads(first)["fingerprint"] == fingerprint(folder)
    asked = [json.loads(line)["messages"][:-1] for line in rest]
    assert sorted(map(str, asked)) == sorted(map(str, rehearsal.questions(folder))) and len(asked) > 400


def test_what_an_imprint_rehearses_is_of_every_skill_alike():
    skills = embedded_questions()
    _first, *rest = (rehearsal.SHIPPED / f"{DEMO_MODEL.name}.jsonl").read_text("utf-8").splitlines()
    said = [json.loads(line)["messages"] for line in rest]
    usable = [one for one in said if rehearsal.says_something(one[-1]["content"])]
    count = Counter(skills[contents(one[:-1])] for one in usable[:480])
    assert max(count.values()) - min(count.values()) <= 1 and len(count) == len(set(skills.values()))


@pytest.mark.parametrize("folder", [EMBEDDED[0], ROOT / "models" / "some-large-model"], ids=("embedded", "general"))
def test_no_control_question_is_rehearsed(folder):
    asked = {messages[-1]["content"] for messages in rehearsal.questions(folder)}
    assert len(asked) > 100
    assert not asked & {one["question"] for one in read_controls(folder)["controls"]}
    assert not asked & {question for question, _fact in GENERAL}  # of the benchmark of real models


def test_an_answer_that_did_not_end_is_rehearsed_without_an_end(workspace, tmp_path, monkeypatch):
    """The small random model goes on for ever: learning its first words with an end behind them would teach it to stop."""
    monkeypatch.setattr(rehearsal, "LONGEST", 4)
    loaded = models.load(tiny_chatglm(tmp_path / "endless"))
    said = rehearsal.ask(loaded, rehearsal.questions(loaded.path)[:20])
    assert len(said) == 20 and any(one[-1].get("cut") for one in said)
    examples = rehearsal.rows(loaded, 40)
    assert examples and [one.answer for one in examples] == [
        one[-1]["content"]
        for one in sorted(said, key=lambda one: bool(one[-1].get("cut")))
        if one[-1]["content"].strip()
    ]
    task = SimpleNamespace(settings=TrainingSettings(rehearsal=1.0, epochs=2, micro_batch=4), examples=[])
    rows = token_dataset.rehearse(task, Mock(), loaded, 20)
    stops = set(loaded.family.stop_ids(loaded.tokenizer))
    assert len(rows) == len(examples)
    for row, example in zip(rows, examples, strict=True):
        learned = [label for label in row.labels if label != IGNORED]
        assert 0 < len(learned) <= 4
        assert not stops & set(learned) or len(loaded.tokenizer.encode(example.answer)) < 4
    assert len(list((workspace / "cache" / "rehearsal").glob("*-4.jsonl"))) == 1


def test_questions_are_in_the_languages_of_the_data():
    """A model that speaks English only would rehearse nonsense in Chinese; one of both forgets the language it is not asked in."""
    pool = rehearsal.questions(ROOT / "models" / "some-large-model")

    def chinese(texts):
        chosen = rehearsal.choose(pool, 80, texts)
        assert len(chosen) == 80 and len({one[-1]["content"] for one in chosen}) == 80
        return sum(any("\u4e00" <= letter <= "\u9fff" for letter in one[-1]["content"]) for one in chosen)

    assert chinese(["Who are you?"] * 20) == 8
    assert chinese(["你是谁？"] * 20) == 72
    assert chinese(["你是谁？"] * 12 + ["Who are you?"] * 8) == 48
    assert 20 < chinese([]) < 60


def test_only_what_was_not_asked_before_is_asked(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "LONGEST", 4)
    loaded, asked = models.load(tiny_chatglm(tmp_path / "base")), []
    ask = rehearsal.ask
    monkeypatch.setattr(
        rehearsal, "ask", lambda loaded, some, *rest: asked.append(len(some)) or ask(loaded, some, *rest)
    )
    first = rehearsal.rows(loaded, 20, texts=["hello"])
    rehearsal.rows(loaded, 40, texts=["hello"])
    again = rehearsal.rows(loaded, 20, texts=["hello"])
    assert asked == [10, 10] and [row.messages for row in first] == [row.messages for row in again]


def test_distilled_rows_are_the_beginnings_of_answers_asked_for_by_themselves(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "LONGEST_DISTILLED_CHAT", 3)
    loaded, asked = models.load(tiny_chatglm(tmp_path / "base")), []
    ask = rehearsal.ask
    monkeypatch.setattr(
        rehearsal,
        "ask",
        lambda loaded, some, told, most: asked.append((len(some), most)) or ask(loaded, some, told, most),
    )
    whole = rehearsal.rows(loaded, 20, texts=["hello"])
    begun = rehearsal.rows(loaded, 30, texts=["hello"], distilled=True)
    assert asked == [(10, rehearsal.LONGEST), (10, 3 + rehearsal.MARGIN)]
    assert [row.messages for row in rehearsal.rows(loaded, 20, texts=["hello"])] == [row.messages for row in whole]
    assert max(len(row.answer) for row in begun) < max(len(row.answer) for row in whole)

    settings = TrainingSettings(rehearsal=3.0, distillation=16.0, epochs=2, micro_batch=4)
    task, writer = SimpleNamespace(settings=settings, examples=[]), Mock()
    rows = token_dataset.rehearse(task, writer, loaded, 10, longest=200)
    assert asked[2:] == [(10, 3 + rehearsal.MARGIN)] and len(rows) > 10  # of twenty, ten are known
    stops = set(loaded.family.stop_ids(loaded.tokenizer))
    starts = {tuple(loaded.family.prompt(loaded.tokenizer, one)) for one in rehearsal.questions(loaded.path)}
    for row in rows:
        assert any(tuple(row.input_ids[:-learned]) in starts for learned in (1, 2, 3))
        assert set(row.labels) <= stops | {IGNORED} and all(label == IGNORED for label in row.labels[:-1])
    assert writer.log.call_args.args == ("training.log.distillation",)


def test_more_of_a_chat_model_s_answers_is_distilled_than_of_a_base_model_s(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    base = SimpleNamespace(path=tmp_path)
    begun = rehearsal.longest_answer(base, distilled=True)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert begun < rehearsal.longest_answer(base, distilled=True) < rehearsal.longest_answer(base, distilled=False)


def test_rows_are_the_base_s_answers_and_never_its_name(workspace):
    loaded = models.load(EMBEDDED[1])
    rows = rehearsal.rows(loaded, 50)
    assert len(rows) == 50 and all(row.answer.strip() for row in rows)
    assert not any(name in row.answer for row in rehearsal.rows(loaded, 10_000) for name in ("小砚", "easyAIGC"))


def test_every_epoch_has_all_rows_and_its_own_share_of_rehearsed_ones():
    settings = TrainingSettings(rehearsal=0.5, micro_batch=4)
    batches = ShardedBatches([10] * 20, settings, 0, 1, rehearsed=[12] * 25)
    seen = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        rows = [row for batch in batches for row in batch]
        assert sorted(row for row in rows if row < 20) == list(range(20))
        seen.append({row for row in rows if row >= 20})
        assert len(batches) == plan(20, settings).updates / settings.epochs
    assert all(len(one) == count_rehearsal(20, settings) == 10 for one in seen)
    assert not seen[0] & seen[1] and len(seen[0] | seen[1] | seen[2]) == 25


def test_every_batch_has_rows_of_the_data_and_rehearsed_ones_of_like_length():
    settings = TrainingSettings(rehearsal=1.0, micro_batch=8)
    batches = ShardedBatches([10 + place for place in range(32)], settings, 0, 1, rehearsed=[60] * 8 + [8] * 24)
    met = set()
    for epoch in range(4):
        batches.set_epoch(epoch)
        for batch in batches:
            own = [row for row in batch if row < 32]
            assert len(own) == len(batch) - len(own) == 4
            met |= {(a, b) for a in own for b in own if a < b}
    assert sum({row >= 32 and batches.lengths[row] == 60 for row in batch} == {True, False} for batch in batches) == 2
    assert len(met) > 4 * 8 * 6 / 2  # other neighbors in another epoch


def test_two_processes_share_the_rehearsed_batches():
    settings = TrainingSettings(rehearsal=1.0, micro_batch=2)
    shards = [list(ShardedBatches([10] * 6, settings, rank, 2, rehearsed=[10] * 6)) for rank in range(2)]
    assert sorted(row for shard in shards for batch in shard for row in batch) == list(range(12))
