"""A run that has not learned says so first, why, and offers one press that mends it; what an adapter that is gone on from fixes."""

import json

import pytest

from glm_core import i18n, models
from glm_core.adapters import attach, start
from glm_core.runs import store
from glm_core.runs.labels import setting_values
from glm_core.training.settings import TrainingSettings
from tests.pages.test_training import ANSWERS, EVALUATED, launcher, make, open_page, primaries, words  # noqa: F401
from tests.tiny import tiny_chatglm

FIXED = ("lora_rank", "lora_alpha", "lora_targets", "rslora", "dora", "pissa")


@pytest.fixture
def run(workspace):
    """A finished run of few steps with its adapter."""
    base = tiny_chatglm(workspace / "models" / "tiny")
    settings = TrainingSettings(epochs=1, micro_batch=16, lora_targets="mlp")
    one = make(base, "finished", EVALUATED, ANSWERS, settings, step=4, stage_seconds={"training": 50})
    loaded = models.load(base)
    attach.attach(loaded, settings)
    attach.save(loaded, one.path / "adapter", {"step": 4})
    return store.get(one.id)


def tell(run, right: int, of: int = 15):
    """Write down that so many trained rows were answered right at the end."""
    rows = [
        {"row": n, "question": f"第{n}号柜放什么？", "reference": f"放着第{n}本书。", "answer": f"放着第{n}本书。"}
        for n in range(1, of + 1)
    ]
    for row in rows[right:]:
        row["answer"] = "这个我不知道。"
    (run.path / "learned.json").write_text(json.dumps({"step": 4, "rows": rows, "held_out": []}), encoding="utf-8")


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_nothing_learned_is_the_headline_with_a_reason_and_one_press(run, language):
    tell(run, 0)
    app = open_page("run", language, run=run.id)
    assert not app.exception
    i18n.use(language)
    assert app.subheader[0].value == i18n.t("report.verdict_line.none", count=0, total=15, unsure=0)
    assert i18n.t("learning.few_steps", steps=4) in words(app)
    assert primaries(app) == ["next-mend_continue"]


def test_what_the_adapter_fixes_is_named_as_no_change(run):
    tell(run, 0)
    changes = next(one.value for one in open_page("run", run=run.id).caption if "→" in one.value)
    assert setting_values.name_of("epochs") in changes and setting_values.name_of("lora_targets") not in changes


def test_the_press_goes_on_from_this_adapter_for_longer(run, launcher):  # noqa: F811
    tell(run, 0)
    app = open_page("run", run=run.id)
    app.button(key="next-mend_continue").click().run()
    assert not app.exception
    new = next(one for one in store.runs() if one.id != run.id)
    assert new.settings["epochs"] > run.settings["epochs"] and new.settings["method"] == "lora"
    assert (new.path / start.FOLDER).is_dir()
    assert new.name != run.name, "told apart where they are listed"


def test_an_adapter_that_cannot_be_read_offers_no_going_on(run):
    tell(run, 0)
    (run.path / "adapter" / "adapter_config.json").unlink()
    app = open_page("run", run=run.id)
    assert not app.exception and "0/15" in app.subheader[0].value
    assert not any("mend" in key for key in primaries(app))


def test_a_run_that_has_learned_has_nothing_to_mend(run):
    tell(run, 15)
    app = open_page("run", run=run.id)
    assert "15/15" in app.subheader[0].value and not any("mend" in key for key in primaries(app))


# going on


def widgets(app) -> dict:
    kinds = (app.number_input, app.selectbox, app.toggle, app.button_group)
    return {widget.key: widget for kind in kinds for widget in kind}


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_what_the_adapter_fixes_is_grey_and_the_rest_is_not(run, language):
    app = open_page("training", language, **{"from": run.id})
    i18n.use(language)
    assert not app.exception and i18n.t("train.from", name=run.name) in words(app)
    shown = widgets(app)
    assert all(shown[f"set_{name}"].disabled for name in ("method", *FIXED))
    assert not shown["set_epochs"].disabled and not shown["set_lora_dropout"].disabled
    assert shown["set_lora_rank"].value == run.settings["lora_rank"] and not shown["set_pissa"].value


def test_another_job_keeps_the_adapters_shape(run, launcher):  # noqa: F811
    app = open_page("training", **{"from": run.id})
    app.button(key="choose-domain").click().run()
    app.selectbox(key="model").set_value(run.model_name).run()
    assert widgets(app)["set_lora_rank"].value == run.settings["lora_rank"]
    app.button(key="start").click().run()
    assert not app.exception
    new = next(one for one in store.runs() if one.id != run.id)
    fixed = store.fixed_settings(run)
    assert {name: new.settings[name] for name in fixed} == fixed and (new.path / start.FOLDER).is_dir()


def test_beginning_anew_gives_the_settings_back(run):
    app = open_page("training", **{"from": run.id})
    app.button(key="drop-start").click().run()
    assert not app.exception and not any(widget.disabled for widget in widgets(app).values())
    app.toggle(key="set_pissa").set_value(True).run()
    assert widgets(app)["set_pissa"].value


def test_an_adapter_that_cannot_be_read_is_said_and_nothing_is_started(run):
    (run.path / "adapter" / "adapter_config.json").write_text("{", encoding="utf-8")
    app = open_page("training", **{"from": run.id})
    assert not app.exception and app.error
    assert not any(button.key == "start" for button in app.button)
