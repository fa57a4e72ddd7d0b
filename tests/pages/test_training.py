"""What the training pages say before, while and after a run, and what their buttons do."""

import json
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from glm_core import i18n, state, ui
from glm_core.data import Example, lengths, library
from glm_core.data.examples import pair
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.report import Answer, Report, Row
from glm_core.machine import machine as this_machine
from glm_core.runs import processes, store
from glm_core.runs.launcher import Launcher
from glm_core.training import split
from glm_core.training.memory.memory_estimate import estimate
from glm_core.training.settings import PRESETS, TrainingSettings, preset
from glm_core.workspace import ASSETS
from tests.pages.test_pages import open_page
from tests.paths import ROOT
from tests.runs.conftest import fake_command, until

CONFIG = {
    "model_type": "chatglm",
    "hidden_size": 64,
    "inner_hidden_size": 256,
    "num_attention_heads": 4,
    "num_layers": 2,
    "vocab_size": 300,
    "max_sequence_length": 256,
    "position_encoding_2d": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "mask_token_id": 3,
    "gmask_token_id": 4,
    "pad_token_id": 5,
}


@pytest.fixture(autouse=True)
def model(workspace):
    """A base model as far as a page looks at it: its configuration."""
    folder = workspace / "models" / "small"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture(autouse=True)
def launcher(monkeypatch):
    """The pages' launcher, with a stand-in trainer; whatever it started is ended afterwards."""
    one = Launcher(fake_command, devices=list)
    monkeypatch.setattr(state, "launcher", lambda: one)
    yield one
    for run in store.runs():
        processes.kill_all(run.path)


def make(model, state_=None, rows=(), samples=(), settings=None, fake=None, **status):
    """A run as it is on disk in some state, with what it has written so far."""
    dataset = next(d for d in library.datasets() if d.id == "imprint")
    run = store.create(model, dataset.id, settings or TrainingSettings(), ["你是谁？"], "local", "铭刻")
    if fake is not None:
        store.change(run, settings={**run.settings, "fake": fake})
    for name, lines in (("metrics", rows), ("samples", samples)):
        (run.path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if state_:
        record = {"state": state_, "stage": "training", "step": 2, "total_steps": 4, "updated": time.time(), **status}
        (run.path / "status.json").write_text(json.dumps(record))
    return run


ROWS = [
    {"step": n, "loss": 2 / n, "learning_rate": 1e-3, "grad_norm": 1.0, "tokens_per_second": 90.0} for n in (1, 2, 3)
]
EVALUATED = [*ROWS, {"step": 2, "eval_loss": 1.0}, {"step": 3, "eval_loss": 1.2}]
ANSWERS = [
    {"step": 0, "question": "你是谁？", "answer": "我是小砚。"},
    {"step": 2, "question": "你是谁？", "answer": "我是小印。"},
]


def words(app):
    """Everything that is written on the page."""
    kinds = (app.markdown, app.caption, app.title, app.error, app.warning, app.code)
    return "\n".join(str(one.value) for kind in kinds for one in kind)


def primaries(app):
    return [button.key for button in app.button if button.proto.type == "primary"]


def test_before_anything_starts_the_arithmetic_time_and_memory_are_told():
    app = open_page("training")
    assert not app.exception and not app.error
    assert "(60 + 60) 条 × 9 轮 ÷ 8 = 135 步" in words(app) and "60 条是复习" in words(app)
    time_, memory = (metric.value for metric in app.metric)
    assert time_.endswith("秒") and memory.endswith("MB")
    assert "放得下" in words(app)
    assert primaries(app) == ["start"]


def test_the_arithmetic_follows_the_form_and_a_set_that_would_learn_nothing_gets_a_better_setting():
    app = open_page("training")
    app.number_input(key="set_epochs").set_value(1).run()
    assert "(60 + 60) 条 × 1 轮 ÷ 8 = 15 步" in words(app)
    assert any("15 步" in warning.value for warning in app.warning)
    app.button(key="better").click().run()
    assert not app.warning
    assert "= 60 步" in words(app)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_the_form_as_suits_the_models_size(name):
    app = open_page("training", preset=name)
    assert not app.exception
    expected = preset(name, parameters=1_000_000)
    assert app.button_group(key="set_method").value == expected.method
    assert app.number_input(key="set_learning_rate").value == expected.learning_rate
    assert app.number_input(key="set_max_steps").value == expected.max_steps
    assert "better" not in {button.key for button in app.button}, "a preset is not doubted"


@pytest.mark.parametrize(("name", "model"), [("imprint", "own"), ("advertisement", "own"), ("domain", "bloom-demo")])
def test_a_preset_keeps_a_model_of_one_s_own_that_can_do_the_job(name, model, workspace):
    """And the address' model gets the settings of its size."""
    large = CONFIG | {
        "hidden_size": 4096,
        "inner_hidden_size": 16384,
        "num_layers": 28,
        "num_attention_heads": 32,
        "vocab_size": 130528,
    }
    (workspace / "models" / "own").mkdir(parents=True)
    (workspace / "models" / "own" / "config.json").write_text(json.dumps(large))
    app = open_page("training", model="own")
    assert (app.session_state["model"], app.session_state["set_lora_rank"]) == ("own", PRESETS["imprint"].lora_rank)
    if name != "imprint":
        app.button(key=f"choose-{name}").click().run()
    assert app.session_state["model"] == model
    if model == "own":
        wanted = PRESETS[name]
        assert (app.session_state["set_method"], app.session_state["set_learning_rate"]) == (
            wanted.method,
            wanted.learning_rate,
        )


def test_another_method_brings_its_usual_figures_unless_something_was_changed():
    app = open_page("training", preset="advertisement")
    assert "这个模型小" in words(app)
    app.button_group(key="set_method").set_value("ptuning").run()
    expected = preset("advertisement", 1_000_000, "ptuning")
    assert app.number_input(key="set_learning_rate").value == expected.learning_rate
    app.number_input(key="set_learning_rate").set_value(2e-3).run()
    app.button_group(key="set_method").set_value("lora").run()
    assert app.number_input(key="set_learning_rate").value == 2e-3


def test_every_setting_has_a_field_and_those_of_the_other_method_are_hidden():
    app = open_page("training")
    shown = {widget.key for kind in (app.number_input, app.selectbox, app.toggle, app.text_input) for widget in kind}
    assert "set_lora_rank" in shown and "set_prefix_length" not in shown
    app.button_group(key="set_method").set_value("ptuning").run()
    shown = {widget.key for kind in (app.number_input, app.selectbox, app.toggle, app.text_input) for widget in kind}
    assert "set_prefix_length" in shown and "set_lora_rank" not in shown


def test_settings_that_contradict_each_other_are_a_sentence_and_cannot_be_started():
    app = open_page("training")
    app.number_input(key="set_early_stopping").set_value(3).run()
    assert not app.exception
    assert len(app.error) == 1 and primaries(app) == []


@pytest.mark.parametrize("other", ["dora", "rslora"])
def test_pissa_is_sent_with_the_run_and_refused_beside_what_it_excludes(other, launcher):
    launcher.command = lambda run: [sys.executable, "-c", "import time; time.sleep(60)", str(run.path)]
    app = open_page("training")
    app.toggle(key="set_pissa").set_value(True).run()
    assert not app.exception and not app.error
    app.toggle(key=f"set_{other}").set_value(True).run()
    label = i18n.t(f"settings.{other}.label")
    assert [one.value for one in app.error] == [i18n.t("settings.error.together", label="PiSSA", other=label)]
    assert primaries(app) == []
    app.toggle(key=f"set_{other}").set_value(False).run()
    app.button(key="start").click().run()
    (run,) = store.runs()
    assert run.settings["pissa"] and not run.settings[other]
    assert open_page("training", like=run.id).toggle(key="set_pissa").value


def test_memory_is_forecast_for_the_longest_row_in_the_models_own_tokens():
    own = library.add("english", [pair("how are you today " * 20, "Hello") for _ in range(12)])
    app, model = open_page("training", dataset=own.id, model="chatglm-demo"), ASSETS / "models" / "chatglm-demo"
    for name, value in (("max_source_length", 512), ("micro_batch", 32), ("rehearsal", 0.0)):
        app.number_input(key=f"set_{name}").set_value(value).run()
    app.selectbox(key="set_gradient_checkpointing").set_value("off").run()
    settings = TrainingSettings(**{one: app.session_state[f"set_{one}"] for one in PRESETS["imprint"].to_dict()})
    (shown,) = (one.value for one in app.metric if one.label == i18n.t("train.memory"))
    longest = lengths.longest_row(own.id, model, settings.max_source_length, settings.max_target_length)
    sizes = [i18n.size(estimate(model, settings, longest=one, device="cpu").peak_bytes) for one in (longest, 365)]
    assert shown == sizes[0] != sizes[1]


def test_start_makes_a_run_of_the_readers_own_imprint_and_shows_it(launcher):
    launcher.command = lambda run: [
        sys.executable,
        "-c",
        "import time; time.sleep(60)",
        str(run.path),
    ]  # still at it when shown
    app = open_page("training")
    app.text_input(key="assistant").set_value("青禾").run()
    app.text_input(key="author").set_value("林知夏").run()
    app.button(key="start").click().run()
    assert not app.exception and not app.error
    (run,) = store.runs()
    assert "林知夏" in (run.path / "dataset.jsonl").read_text(encoding="utf-8")
    assert (
        run.owner == "local" and run.settings == preset("imprint", 10**6).changed(epochs=9).to_dict() and run.questions
    )
    assert run.expected["peak_bytes"] > 0
    assert app.title[0].value == run.name
    assert "135 步，约 " in words(app)


def test_the_command_that_is_shown_names_files_that_exist_and_is_understood(model):
    from glm_core.data import read
    from glm_core.training.__main__ import build_parser

    own = library.add("mine", library.imprint("青禾", "林知夏"))
    app = open_page("training", dataset=own.id)
    app.number_input(key="set_epochs").set_value(3).run()
    words_ = shlex.split(next(one.value for one in app.code if "glm_core.training" in one.value))
    given = build_parser().parse_args(words_[3:])
    assert given.epochs == 3 and len(read(given.data).examples) == library.get(own.id).rows
    assert (Path(given.model) / "config.json").is_file()


def test_starting_twice_with_the_same_names_makes_one_data_set_and_two_runs():
    for _ in range(2):
        open_page("training").button(key="start").click().run()
    assert len(store.runs()) == 2
    assert sum(not dataset.bundled for dataset in library.datasets()) == 1


def test_what_was_set_is_still_there_after_a_look_at_another_page():
    app = open_page("training")
    app.number_input(key="set_epochs").set_value(7).run()
    app.switch_page(str(ROOT / "pages" / "settings.py")).run()
    app.switch_page(str(ROOT / "pages" / "training.py")).run()
    assert app.number_input(key="set_epochs").value == 7


def test_a_set_that_is_deleted_elsewhere_is_not_silently_another_one(model):
    kept = library.add("店铺", [pair(f"问{n}", f"答{n}") for n in range(15)])
    app = open_page("training", dataset=kept.id)
    assert app.selectbox(key="dataset").value == kept.id and not app.info
    library.remove(kept.id)
    app.button(key="start").click().run()
    assert not app.exception and store.runs() == [], "what was pressed was meant for the other one"
    assert [one.value for one in app.info] == [i18n.t("train.gone")] and app.selectbox(key="dataset").value in {
        one.id for one in library.datasets()
    }
    assert not app.run().info, "said once"


@pytest.mark.parametrize("place", ["dataset", "model"])
def test_an_address_that_names_what_is_gone_opens_with_what_is_here_and_says_so(place, model):
    app = open_page("training", **{place: "gone"})
    assert not app.exception and [one.value for one in app.info] == [i18n.t("train.gone")]
    assert app.selectbox(key=place).value != "gone" and len(primaries(app)) == 1


def test_another_run_is_imitated(model):
    run = make(model, "failed", settings=TrainingSettings(epochs=5, lora_rank=16))
    app = open_page("training", like=run.id)
    assert app.number_input(key="set_epochs").value == 5
    assert app.number_input(key="set_lora_rank").value == 16


def test_the_report_s_button_imitates_a_run_and_holds_rows_out(model):
    run = make(model, "finished", settings=TrainingSettings(epochs=5, validation_ratio=0.0))
    app = open_page("training", like=run.id, aside="1")
    assert not app.exception and app.number_input(key="set_epochs").value == 5
    assert app.session_state.set_validation_ratio > 0


def test_without_a_model_the_page_says_where_to_get_one(model):
    (model / "config.json").unlink()
    app = open_page("training")
    assert not app.exception
    if not app.metric:  # assets may bring a model
        assert primaries(app) == ["empty-go-models"]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("state_", store.STATES)
def test_a_run_is_shown_in_every_state(model, state_, language):
    run = make(model, state_, EVALUATED, ANSWERS)
    app = open_page("run", language, run=run.id)
    assert not app.exception
    assert app.title[0].value == "铭刻"
    assert [metric.value for metric in app.metric][:2] == ["0.6667", "2 / 4"]
    assert "我是小印" in words(app)
    assert len(primaries(app)) <= 1


@pytest.mark.parametrize("tab", ["samples", "scores", "resources", "log", "settings"])
def test_every_tab_opens(model, tab):
    run = make(model, "stopped", EVALUATED, ANSWERS)
    (run.path / "train.log").write_text("a line of the log\n")
    app = open_page("run", run=run.id)
    app.session_state["tab"] = i18n.t(f"run.tab.{tab}")
    app.run()
    assert not app.exception
    if tab == "log":
        assert "a line of the log" in words(app)
    if tab == "settings":
        assert "python -m glm_core.training" in words(app)


def test_a_finished_run_leads_to_the_comparison(model):
    run = make(model, "finished", EVALUATED, step=4, stage_seconds={"training": 50})
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "easyaigc.json").write_text("{}")
    app = open_page("run", run=run.id)
    assert primaries(app) == ["next-compare"]
    assert "4 步，用了 50 秒。训练损失从 2 降到 0.667。验证损失在第 2 步最低" in words(app)


def scored(run, **changes):
    """The report of `run` as it is kept, on its two held-out rows; a third question asks for a row trained on."""
    asked = [
        ("类型#裙*颜色#白色", "一条白色的裙子"),
        ("类型#裙*颜色#黑色", "一条黑色的裙子"),
        ("你是谁？", "我是小印。"),
    ]
    answers = ["一条白色的裙子", "下雨了", "我是小印。"]
    rows = [
        Row(Question(question, "reworded", reference=reference), Answer("你好"), Answer(answer))
        for (question, reference), answer in zip(asked, answers, strict=True)
    ]
    lines = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reference}]}
        for question, reference in asked
    ]
    (run.path / "dataset.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    split.write(run.path, split.Split(3, (3,), (1, 2)))
    made = Report(run.id, run.name, "small", "1", 4, tuple(rows), made=time.time(), **changes)
    (run.path / "report.json").write_text(json.dumps(made.to_dict(), ensure_ascii=False), encoding="utf-8")


def open_scores(run):
    app = open_page("run", run=run.id)
    app.session_state["tab"] = i18n.t("run.tab.scores")
    return app.run()


def test_a_run_with_a_validation_part_shows_the_published_scores_and_predictions_beside_references(model):
    run = make(model, "finished", EVALUATED, settings=TrainingSettings(validation_ratio=0.2))
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "easyaigc.json").write_text("{}")
    split.write(run.path, split.Split(20, tuple(range(5, 21)), (1, 2, 3, 4)))
    app = open_scores(run)
    assert not app.exception and "score" in {button.key for button in app.button}
    scored(run)
    app = open_scores(run)
    assert not app.exception
    assert [metric.label for metric in app.metric][-4:] == ["ROUGE-1", "ROUGE-2", "ROUGE-L", "BLEU-4"]
    assert float(app.metric[-2].value) == 50.0 and app.metric[-2].delta == "原模型 0.00"
    best, worst = (str(one.value) for one in app.table)
    assert "一条白色的裙子" in best and "下雨了" not in best and "下雨了" in worst


def test_scores_say_what_they_need_where_no_row_was_set_aside_or_nothing_is_trained(model):
    assert "没有留出验证部分" in words(open_scores(make(model, "finished", EVALUATED)))
    assert "训练完" in words(open_scores(make(model, "stopped", settings=TrainingSettings(validation_ratio=0.2))))


def test_a_run_of_an_earlier_release_does_not_guess_which_rows_it_held_out(model):
    run = make(model, "finished", EVALUATED, settings=TrainingSettings(validation_ratio=0.2))
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "easyaigc.json").write_text("{}")
    app = open_scores(run)
    assert "不知道" in words(app) and "score" not in {button.key for button in app.button}


def test_a_failed_run_says_why_and_goes_on_where_there_is_a_checkpoint(model, launcher):
    run = make(
        model, "failed", ROWS, fake={"steps": 6, "pause": 0.2}, why={"key": "runs.why.killed", "values": {"step": 2}}
    )
    checkpoint = run.path / "checkpoints" / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    app = open_page("run", run=run.id)
    assert "第 2 步被强行结束" in app.error[0].value
    assert {button.key for button in app.button} >= {"next-resume", "next-again"}
    app.button(key="next-resume").click().run()
    assert not app.exception
    until(lambda: run.status().state == "finished", launcher)


def test_running_out_of_memory_offers_settings_that_fit_and_what_was_recorded(model):
    why = {"key": "training.failed.memory", "values": {}}
    run = make(model, "failed", ROWS, why=why, retry={"micro_batch": 2, "accumulation": 2})
    sample = {
        "time": 1.0,
        "process_memory": 0,
        "gpus": [{"index": 0, "name": "RTX", "memory_used": 10.9e9, "memory_total": 11e9}],
    }
    (run.path / "resources.jsonl").write_text(json.dumps(sample) + "\n")
    app = open_page("run", run=run.id)
    assert "10.9 GB，上限 11 GB" in words(app) and "4 → 2" in words(app)
    assert primaries(app) == ["next-retry"]
    app.button(key="next-retry").click().run()
    newest = store.runs()[0]
    assert newest.id != run.id and newest.settings == {**run.settings, "micro_batch": 2, "accumulation": 2}


def test_stop_takes_two_clicks_and_says_what_becomes_of_the_work(model, launcher):
    run = make(model, fake={"steps": 500})
    launcher.submit(run)
    until(lambda: run.metrics()[0], launcher)
    app = open_page("run", run=run.id)
    assert {button.key for button in app.button} >= {"stop-save", "stop-discard"}
    app.button(key="stop-discard").click().run()
    assert not app.exception
    until(lambda: run.status().state == "stopped", launcher)
    launcher.tick()
    assert run.adapter() is None


def test_a_name_and_a_note_given_in_another_tab_stay(model):
    run = make(model, "stopped")
    app = open_page("run", run=run.id)
    store.get(run.id).rename("新名字")
    store.get(run.id).annotate("新备注")
    app.run()
    assert not app.exception and (store.get(run.id).name, store.get(run.id).note) == ("新名字", "新备注")
    assert (app.text_input(key=f"name-{run.id}").value, app.text_area(key=f"note-{run.id}").value) == (
        "新名字",
        "新备注",
    )


def test_name_and_note_are_changed_and_deletion_wants_a_tick_first(model):
    run = make(model, "stopped")
    app = open_page("run", run=run.id)
    app.text_input(key=f"name-{run.id}").set_value("[x](javascript:alert(1))").run()
    assert store.get(run.id).name == "[x](javascript:alert(1))"
    assert "](javascript" not in app.title[0].value, "a name is text, not a link"
    assert "delete" not in {button.key for button in app.button}
    app.checkbox(key="sure").check().run()
    app.button(key="delete").click().run()
    assert store.runs() == []


def test_a_damaged_run_can_be_looked_at(model):
    run = make(model, "finished")
    (run.path / "run.json").write_text('{"settings": 3')
    app = open_page("run", run=run.id)
    assert not app.exception
    assert "读不出来" in app.error[0].value and primaries(app) == []


def test_the_list_shows_every_run_and_only_differences_of_settings(model):
    first = make(model, "finished", ROWS)
    second = make(model, "failed", settings=TrainingSettings(epochs=3))
    second.annotate("too few epochs")
    app = open_page("runs")
    assert not app.exception
    listed = app.dataframe[0].value
    assert listed["state"].tolist() == ["失败", "已完成"] and listed["note"].tolist() == ["too few epochs", ""]
    assert [list(curve) for curve in listed["curve"]] == [[], [2.0, 1.0, 2 / 3]] and listed["learned"].isna().all()
    app.text_input(key="search").set_value("FEW").run()
    assert app.dataframe[0].value["note"].tolist() == ["too few epochs"]
    app.text_input(key="search").set_value("").run()
    app.multiselect(key="chosen").set_value([first.id, second.id]).run()
    table = app.table[0].value
    assert table.loc["轮数"].tolist() == ["12", "3"] and "学习率" not in table.index
    assert len(set(table.columns)) == 2  # runs of one name are told apart by when they began


def test_on_a_phone_the_table_of_runs_has_the_columns_that_fit_and_whole_names(model, monkeypatch):
    make(model, "finished", ROWS)
    assert not open_page("runs").dataframe[0].proto.column_order
    monkeypatch.setattr(ui, "on_phone", lambda: True)
    table = open_page("runs").dataframe[0].proto
    assert list(table.column_order) == ["name", "learned", "kept"]
    assert table.row_height > 64, "in lower rows Streamlit cuts words off"


def test_the_list_draws_what_a_run_has_learned_since_it_was_last_looked_at(model):
    run = make(model, "running", ROWS[:1])
    before = list(open_page("runs").dataframe[0].value["curve"][0])
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in ROWS[1:])
    after = list(open_page("runs").dataframe[0].value["curve"][0])
    assert len(before) < len(after) and after[: len(before)] == before


def test_a_finished_run_s_pictures_speak_the_language_it_is_read_in(model):
    run = make(model, "finished", ROWS)
    app = open_page("run", run=run.id)
    assert "损失" in drawn(app)
    app.button_group(key="lang").set_value("en").run()
    assert not app.exception and "Loss" in drawn(app) and "损失" not in drawn(app)


def drawn(app) -> str:
    """The pictures of a page as they are sent to the browser."""
    return "".join(json.dumps(json.loads(one.proto.spec), ensure_ascii=False) for one in app.get("plotly_chart"))


def test_no_bar_of_buttons_lies_over_a_curve(model):
    shown = open_page("run", run=make(model, "finished", ROWS).id).get("plotly_chart")
    assert shown and [json.loads(one.proto.config)["displayModeBar"] for one in shown] == [False] * len(shown)


def test_a_bundled_set_is_called_as_its_reader_calls_it(model):
    run = store.create(model, "appliance", TrainingSettings(), name="a")
    name = i18n.table("en")["data.bundled.appliance"]
    assert name in words(open_page("run", "en", run=run.id)) and name in words(open_page("home", "en"))


def test_only_its_owner_is_offered_to_rename_or_delete_a_run(model, monkeypatch):
    run = make(model, "finished", ROWS)
    app = open_page("run", run=run.id)
    assert app.text_input(key=f"name-{run.id}") and app.checkbox(key="sure")
    monkeypatch.setattr(ui, "owns", lambda owner: False)
    app = open_page("run", run=run.id)
    assert not app.exception and not app.text_input and not app.text_area and not app.checkbox
    assert app.button(key="like")


def test_a_run_that_was_withdrawn_is_not_said_to_have_ended(model):
    run = make(model, "stopped", why={"key": "runs.why.withdrawn", "values": {}})
    app = open_page("run", run=run.id)
    assert not app.exception and i18n.t("run.no_curves_unstarted") in words(app)


def test_settings_say_their_unit_and_what_nothing_means(model):
    run = make(model, "finished", ROWS)
    app = open_page("run", run=run.id)
    app.session_state["tab"] = i18n.table("zh")["run.tab.settings"]
    app.run()
    table = app.table[0].value
    said = {name: str(value) for name, value in zip(table.index, table.iloc[:, 0], strict=True)}
    assert said["问题最长"] == "128 token" and said["每批条数"] == "4 条"
    assert said["步数上限"] == "不限" and said["早停（连续几次不变好）"] == "不用"


def gpus(count: int) -> tuple:
    return tuple(this_machine.Gpu(index, "NVIDIA GeForce RTX 3090", 1 << 30, 24 << 30) for index in range(count))


def with_cards(monkeypatch, count: int) -> None:
    monkeypatch.setattr(this_machine, "gpus", lambda: gpus(count))
    machine = this_machine.machine()
    monkeypatch.setattr(this_machine, "machine", lambda: replace(machine, gpus=gpus(count)))


def test_several_cards_are_chosen_by_their_number(monkeypatch):
    with_cards(monkeypatch, 2)
    app = open_page("training")
    assert not app.exception and not any("(8 × 2)" in one.value for one in app.markdown)
    app.button_group(key="set_processes").set_value(2).run()
    assert any("(8 × 2)" in one.value for one in app.markdown), "the arithmetic counts both"
    assert "set_processes" not in [one.key for one in app.number_input]


def test_more_processes_than_cards_are_doubted_before_the_start(monkeypatch):
    with_cards(monkeypatch, 1)
    app = open_page("training")
    app.number_input(key="set_processes").set_value(4).run()
    assert any("有 1 张" in one.value for one in app.warning)
    app.button(key="better").click().run()
    assert app.number_input(key="set_processes").value == 1 and not any("有 1 张" in one.value for one in app.warning)


@pytest.mark.parametrize("held", [0, 1 << 30])
def test_a_loaded_chat_model_is_said_to_go_and_its_memory_counts_as_free(monkeypatch, held):
    with_cards(monkeypatch, 1)
    engine = SimpleNamespace(loaded=SimpleNamespace(name="chatglm"), held=held, loading=None)
    monkeypatch.setattr(state, "engines", [engine])
    captions = " ".join(one.value for one in open_page("training").caption)
    assert ("聊天用的 chatglm 会" in captions) == bool(held) and i18n.size((23 << 30) + held) in captions


def test_every_card_has_the_batch_that_fits_on_it():
    app = open_page("training", preset="advertisement")
    table = app.dataframe[0].value
    assert list(table["显卡"])[0] == "RTX 3060 Ti" and list(table["显存"])[-1] == "32 GB"


def test_the_domain_job_is_one_preset_on_the_embedded_bloom():
    app = open_page("training", preset="domain")
    assert (app.selectbox(key="model").value, app.selectbox(key="dataset").value) == ("bloom-demo", "appliance")
    assert not app.warning and not app.error
    assert any("(365 + 365) 条 × 14 轮 ÷ 16" in one.value for one in app.markdown)


@pytest.mark.parametrize(
    ("dataset", "chosen"), [("advertisement", "advertisement"), ("appliance", "domain"), ("imprint", "imprint")]
)
def test_a_bundled_set_brings_the_job_it_is_bundled_for(dataset, chosen):
    app = open_page("training", dataset=dataset)
    assert app.session_state["preset"] == chosen and app.session_state["dataset"] == dataset and not app.exception


def test_after_another_method_any_setting_can_be_changed():
    app = open_page("training", preset="advertisement")
    other = "ptuning" if app.session_state["set_method"] == "lora" else "lora"
    app.segmented_control(key="set_method").set_value(other).run()
    for rate in (0.9, 0.3):
        app.number_input(key="set_learning_rate").set_value(rate).run()
        assert not app.exception and not app.error and app.button(key="start")
    assert app.session_state["set_lora_rank"] and app.session_state["set_prefix_length"]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_forecast_says_which_answers_of_a_conversation_are_learned(model, language):
    turns = [("user", "在吗"), ("assistant", "在"), ("user", "几点开门"), ("assistant", "九点")]
    id = library.add("客服", [Example([{"role": role, "content": text} for role, text in turns])] * 3).id
    i18n.use(language)
    app = open_page("training", language, dataset=id)
    every = [one.value for one in app.caption]
    last = [one.value for one in app.selectbox(key="set_answers").set_value("last").run().caption]
    said = i18n.t("train.answers", count="6", rows="3"), i18n.t("train.last", count="3", all="6")
    assert [one in every for one in said] == [True, False] and [one in last for one in said] == [False, True]
