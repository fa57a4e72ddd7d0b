"""A run that has not learned says so first, why, and offers one press that mends it."""

import json

import pytest

from glm_core import i18n, models
from glm_core.adapters import attach, start
from glm_core.runs import store
from glm_core.runs.labels import setting_values
from glm_core.training.settings import TrainingSettings
from tests.pages.test_training import ANSWERS, EVALUATED, launcher, make, open_page, primaries, words  # noqa: F401
from tests.tiny import tiny_chatglm


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
