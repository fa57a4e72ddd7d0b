"""While a run trains, the same questions are asked at every evaluation: what they are, that answers are true, what is kept."""

import json

import pytest

from glm_core import models, workspace
from glm_core.adapters import attach, snapshots
from glm_core.data import Example, library, read
from glm_core.generation import draft_verify
from glm_core.generation.draft_verify import DraftVerifier
from glm_core.generation.greedy import greedy
from glm_core.training import probes as training_probes
from glm_core.training.callbacks import Reporter
from glm_core.training.run import run
from glm_core.training.run_writer import RunWriter
from glm_core.training.settings import TrainingSettings
from tests.training.small import small, stir

SETTINGS = TrainingSettings(
    epochs=6, micro_batch=2, learning_rate=5e-3, max_source_length=24, max_target_length=12, evaluations=3
)
ROWS = [
    ("你是谁？", "我叫小砚。"),
    ("三加五等于多少？", "三加五等于八。"),
    ("法国的首都是哪里？", "法国的首都是巴黎。"),
    ("高的反义词是什么？", "高的反义词是低。"),
    ("今天天气怎么样？", "今天晴。"),
    ("你会做什么？", "聊天。"),
]
ASKED = [[{"role": "user", "content": question}] for question, _ in ROWS]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return small("chatglm", tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def tuned(base):
    """A model whose adapter changes its answers."""
    loaded = models.load(base)
    attach.attach(loaded, SETTINGS)
    stir(loaded)
    loaded.model.eval()
    return loaded


def make(folder, base, **settings):
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROWS]
    folder.mkdir()
    (folder / "dataset.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    record = {"model": str(base), "settings": SETTINGS.changed(**settings).to_dict(), "questions": ["你好"]}
    workspace.write_json(folder / "run.json", record)
    return folder


def test_learned_is_what_the_judge_calls_right_not_only_what_is_exact(tmp_path):
    if not models.demo_path().is_dir():
        pytest.skip("assets/models/chatglm-demo is absent")
    loaded = models.load(models.demo_path())
    asked = ["法国的首都是哪里？", "高的反义词是什么？"]
    said = greedy(loaded, [[{"role": "user", "content": question}] for question in asked], 24)

    def learned(*answers):
        rows = [
            Example([{"role": "user", "content": question}, {"role": "assistant", "content": answer}], 1)
            for question, answer in zip(asked, answers, strict=False)
        ]
        return training_probes.Probes(loaded, RunWriter(tmp_path / "run"), [], [], 24, rows=rows).all_learned()

    assert learned(*said) and learned(said[0], said[1].rstrip("。") + "！")
    assert not learned(said[0], "我不知道。") and not learned()


def told(folder):
    return workspace.read_lines(folder / "abilities.jsonl")[0]


@pytest.mark.parametrize("longest", [4, 12])
def test_recalled_answers_are_the_greedy_ones_whatever_is_proposed(tuned, longest):
    expected = greedy(tuned, ASKED, longest)
    wrong = [answer for _, answer in ROWS]
    for drafts in (
        [[text] for text in expected],
        [[text] for text in wrong],
        [list(pair) for pair in zip(wrong, expected, strict=True)],
        [[]] * len(ROWS),
        [["", text[:2]] for text in expected],
    ):
        assert DraftVerifier(tuned, longest).answer(ASKED, drafts) == expected


def test_each_answer_is_cut_off_at_its_own_length():
    loaded = models.load(workspace.ASSETS / "models" / "bloom-demo")
    lengths = [1 + place % 3 for place in range(len(ASKED))]
    found = DraftVerifier(loaded, 24).answer(ASKED, [[]] * len(ASKED), lengths)
    assert found == [greedy(loaded, [one], length)[0] for one, length in zip(ASKED, lengths, strict=True)]
    assert found != greedy(loaded, ASKED, 24)


@pytest.mark.parametrize("name", ["chatglm-demo", "bloom-demo"])
def test_what_was_answered_before_is_confirmed_without_decoding(name, monkeypatch):
    loaded = models.load(workspace.ASSETS / "models" / name)
    expected = greedy(loaded, ASKED, 24)
    decoded = []
    monkeypatch.setattr(
        draft_verify, "greedy", lambda loaded, asked, *rest: decoded.extend(asked) or greedy(loaded, asked, *rest)
    )
    assert DraftVerifier(loaded, 24).answer(ASKED, [[text] for text in expected]) == expected
    assert len(decoded) <= 1, "an answer that is written in other tokens than it was generated in is decoded again"


def test_rows_are_computed_together_as_far_as_memory_goes(tuned, monkeypatch):
    expected = greedy(tuned, ASKED, 8)
    monkeypatch.setattr(draft_verify, "LEAST", 1)
    monkeypatch.setattr(draft_verify, "SHARE", 0)
    assert DraftVerifier(tuned, 8).sequences_at_once(100) == 1
    assert DraftVerifier(tuned, 8).answer(ASKED, [[text] for text in expected]) == expected


def test_probes_are_rows_of_the_data_and_short_controls_of_the_bases_world():
    rows = library.imprint("小蓝", "林知远")
    probes = training_probes.choose(workspace.DEMO_MODEL, rows)
    seen, unrelated = ([one for one in probes if one["kind"] == kind] for kind in ("seen", "unrelated"))
    assert (len(seen), len(unrelated)) == (training_probes.SEEN, training_probes.UNRELATED)
    answers = {one.question: one.answer for one in rows}
    assert all(answers[one["question"]] == one["reference"] for one in seen)
    assert all(len(one["question"]) <= training_probes.SHORT and one["accept"] for one in unrelated)
    assert probes == training_probes.choose(workspace.DEMO_MODEL, rows)
    assert {one["question"] for one in training_probes.choose("/models/chatglm-6b", rows)} != {
        one["question"] for one in probes
    }


def test_rows_with_history_are_asked_with_it_and_long_answers_only_where_there_is_nothing_else(tmp_path):
    file = tmp_path / "rows.jsonl"
    turns = [("user", "你好"), ("assistant", "你好！"), ("user", "再见"), ("assistant", "长" * 300)]
    file.write_text(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    (seen,) = (
        one for one in training_probes.choose(workspace.DEMO_MODEL, read(file).examples) if one["kind"] == "seen"
    )
    assert seen["question"] == "再见" and [one["content"] for one in seen["history"]] == ["你好", "你好！"]


@pytest.mark.parametrize("method", ["lora", "ptuning"])
def test_a_run_tells_the_bases_answers_first_and_the_tuned_ones_at_every_evaluation(base, tmp_path, method):
    folder = make(tmp_path / "run", base, method=method, prefix_length=8)
    assert run(folder) == 0
    first, *rest = told(folder)
    assert [row["step"] for row in (first, *rest)] == [0, 6, 12, 18] and not any("probes" in row for row in rest)
    asked = [[*one["history"], {"role": "user", "content": one["question"]}] for one in first["probes"]]
    loaded = models.load(base)
    assert first["answers"] == greedy(loaded, asked, 12)
    for row in rest:
        loaded = models.load(base)
        attach.load_adapter(loaded, folder / "checkpoints" / f"adapter-{row['step']}", "then")
        attach.activate(loaded, "then")
        assert row["answers"] == greedy(loaded, asked, 12)


def test_rows_kept_for_validation_are_not_called_seen(base, tmp_path):
    folder = make(tmp_path / "run", base, validation_ratio=0.5, max_steps=1)
    run(folder)
    assert sum(one["kind"] == "seen" for one in told(folder)[0]["probes"]) == 3


def test_a_run_without_controls_still_asks_its_rows(base, tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "ASSETS", tmp_path)
    folder = make(tmp_path / "run", base, max_steps=1)
    assert run(folder) == 0
    assert {one["kind"] for one in told(folder)[0]["probes"]} == {"seen"}


def test_a_run_begun_by_an_earlier_release_asks_the_base_when_it_goes_on(base, tmp_path, monkeypatch):
    folder = make(tmp_path / "run", base)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Reporter, "on_step_begin", interrupt_at(8))
        run(folder)
    kept = told(folder)
    (folder / "abilities.jsonl").unlink()
    assert run(folder) == 0
    rows = told(folder)
    assert [row["step"] for row in rows] == [0, 12, 18]
    assert (rows[0]["probes"], rows[0]["answers"]) == (kept[0]["probes"], kept[0]["answers"])


def interrupt_at(step):
    original = Reporter.on_step_begin

    def begin(self, args, state, control, **rest):
        if state.global_step == step:
            raise KeyboardInterrupt
        return original(self, args, state, control, **rest)

    return begin


def test_adapters_of_evaluations_are_small_spread_over_the_run_and_end_with_the_newest(base, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "MOST", 4)
    folder = make(tmp_path / "run", base, evaluations=9)
    run(folder)
    left = snapshots.saved_steps(folder / "checkpoints")
    assert len(left) == 4 and left[-1] == 18 and left[0] <= 6
    names = {file.name for file in (folder / "checkpoints" / "adapter-18").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "easyaigc.json"}


@pytest.mark.parametrize(
    ("found", "most", "gone"),
    [([], 3, []), ([10, 20, 30], 3, []), ([10, 20, 30, 40], 3, [10]), ([10, 30, 40, 50], 3, [40]), ([5, 6], 1, [5])],
)
def test_what_leaves_the_smallest_gap_is_dropped_first(found, most, gone):
    assert snapshots.surplus(found, most) == gone


def test_large_adapters_are_kept_as_far_as_their_bytes_go(tuned, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "MOST_BYTES", 1)
    for step in (10, 20, 30):
        snapshots.keep(tuned, tmp_path, step)
    assert snapshots.saved_steps(tmp_path) == [30] and [path.name for path in tmp_path.iterdir()] == ["adapter-30"]


def test_adapters_later_than_where_a_run_goes_on_are_forgotten(tuned, tmp_path):
    for step in (10, 20, 30):
        snapshots.keep(tuned, tmp_path, step)
    snapshots.forget_after(tmp_path, 20)
    assert snapshots.saved_steps(tmp_path) == [10, 20]
