"""What the run page shows of learning and forgetting, and what its way back to an earlier step does, for whom."""

import json

import pytest

from glm_core import i18n, ui, workspace
from glm_core.auth import audit
from glm_core.auth.accounts import Account
from glm_core.markdown import literal
from glm_core.runs import rollback, store
from tests.pages.test_training import ANSWERS, EVALUATED, launcher, make, model, open_page, primaries, words  # noqa: F401

PROBES = [
    {"kind": "seen", "question": "你喜欢什么？", "history": [], "reference": "我喜欢下雨。", "accept": []},
    {"kind": "unrelated", "question": "3加5等于几？", "history": [], "reference": "", "accept": ["8"]},
]
STEP_FILES = [
    {"step": 0, "probes": PROBES, "answers": ["不知道。", "8"]},
    {"step": 2, "answers": ["我喜欢下雨。", "8"]},
    {"step": 4, "answers": ["我喜欢下雨。", "9"]},
]


@pytest.fixture
def run(model):  # noqa: F811
    """A finished run that forgot something between steps 2 and 4, and kept both adapters."""
    one = make(model, "finished", EVALUATED, ANSWERS, step=4, stage_seconds={"training": 50})
    (one.path / "abilities.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in STEP_FILES))
    for folder in ("adapter", "checkpoints/adapter-2", "checkpoints/adapter-4"):
        (one.path / folder).mkdir(parents=True)
        workspace.write_json(one.path / folder / "easyaigc.json", {"step": 2 if folder.endswith("2") else 4})
    return one


def keys(app):
    return {button.key for button in app.button}


def noted():
    return [(entry["action"], entry["target"]) for entry in audit.entries()]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_page_says_which_step_answers_and_offers_none_that_is_not_clearly_better(run, language):
    app = open_page("run", language, run=run.id)
    assert not app.exception
    i18n.use(language)
    said = i18n.t("step.in_use_asked", what=i18n.t("retention.choice_best", step=4, learned="100%", kept="0%"))
    assert literal(said) in words(app)
    assert f"switch-{run.id}" not in keys(app) and primaries(app) == ["next-compare"]


@pytest.fixture
def spoilt(run):
    """The run with so many controls that what step 4 lost is clear."""
    controls = [PROBES[1] | {"question": f"{n}加0等于几？", "accept": [str(n)]} for n in range(11, 21)]
    right = [str(n) for n in range(11, 21)]
    told = [
        {"step": 0, "probes": [PROBES[0], *controls], "answers": ["不知道。", *right]},
        {"step": 2, "answers": ["我喜欢下雨。", *right]},
        {"step": 4, "answers": ["我喜欢下雨。", *["啊"] * 10]},
    ]
    (run.path / "abilities.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in told))
    return run


def test_one_press_switches_to_a_step_that_is_clearly_better(spoilt):
    app = open_page("run", run=spoilt.id)
    assert i18n.t("step.switch", step=2) == app.button(key=f"switch-{spoilt.id}").label
    app.button(key=f"switch-{spoilt.id}").click().run()
    assert not app.exception and rollback.current(spoilt) == 2 and f"switch-{spoilt.id}" not in keys(app)
    assert noted() == [("audit.run.promote", "铭刻 → 2")]


def test_nobody_elses_run_is_switched(spoilt, monkeypatch):
    monkeypatch.setattr(ui, "visitor", lambda: Account(2, "b", "trainer", "u-b"))
    assert f"switch-{spoilt.id}" not in keys(open_page("run", run=spoilt.id))


def test_going_back_and_forward_again(run):
    app = open_page("run", run=run.id)
    assert app.button(key="promote").label == "回到第 2 步"
    assert app.selectbox(key="step-4-zh").options == ["第 2 步 · 新学会的 100% · 没忘掉的 100%"]
    app.button(key="promote").click().run()
    assert not app.exception and rollback.current(run) == 2
    assert "正在用第 2 步" in words(app)
    assert app.button(key="promote").label == "前进到第 4 步"
    app.button(key="promote").click().run()
    assert rollback.current(run) == 4
    assert sorted(noted()) == [("audit.run.promote", "铭刻 → 2"), ("audit.run.promote", "铭刻 → 4")]


def test_who_does_not_own_the_run_sees_the_curve_but_cannot_change_it(run, monkeypatch):
    monkeypatch.setattr(ui, "visitor", lambda: Account(2, "b", "trainer", "u-b"))
    app = open_page("run", run=run.id)
    assert not app.exception and "第 2 步" in words(app)
    assert "promote" not in keys(app)


def test_rights_that_end_while_the_page_is_open_end_at_the_click(run, monkeypatch):
    app = open_page("run", run=run.id)
    monkeypatch.setattr(ui, "owns", lambda owner: False)
    app.button(key="promote").click().run()
    assert rollback.current(run) == 4 and noted() == []


def test_a_run_that_goes_on_again_is_not_changed(run):
    app = open_page("run", run=run.id)
    workspace.write_json(run.path / "status.json", {"state": "queued"})
    app.button(key="promote").click().run()
    assert not app.exception and rollback.current(run) == 4 and "promote" not in keys(app)


def test_while_it_trains_the_shares_are_drawn_and_nothing_can_be_changed(run):
    workspace.write_json(run.path / "status.json", {"state": "queued", "step": 2, "total_steps": 4})
    app = open_page("run", run=run.id)
    assert not app.exception and "新学会的和没忘掉的" in words(app) and "promote" not in keys(app)


def test_a_run_of_an_earlier_release_shows_neither_shares_nor_steps(model):  # noqa: F811
    run = make(model, "finished", EVALUATED, ANSWERS)
    app = open_page("run", run=run.id)
    assert not app.exception and "新学会的和没忘掉的" not in words(app) and "promote" not in keys(app)


def imported(model):  # noqa: F811
    run = make(model, "finished", why={"key": "imports.why", "values": {}})
    (run.path / "adapter").mkdir()
    workspace.write_json(run.path / "adapter" / "easyaigc.json", {"step": 60})
    store.change(run, questions=[], dataset={"id": "", "name": "-", "rows": 0, "sha256": ""})
    return run


@pytest.mark.parametrize(
    ("tab", "sentence"),
    [
        ("curves", "run.no_curves_imported"),
        ("samples", "run.no_samples"),
        ("resources", "run.no_resources"),
        ("log", "run.no_log"),
    ],
)
def test_an_imported_run_has_sentences_in_place_of_empty_charts(model, tab, sentence):  # noqa: F811
    app = open_page("run", run=imported(model).id)
    app.session_state["tab"] = i18n.t(f"run.tab.{tab}")
    app.run()
    assert not app.exception and i18n.t(sentence) in words(app)
    assert not app.get("plotly_chart") and not app.metric


def test_a_run_that_failed_before_its_first_update_says_so(model):  # noqa: F811
    app = open_page("run", run=make(model, "failed").id)
    assert i18n.t("run.no_curves") in words(app) and not app.get("plotly_chart")
