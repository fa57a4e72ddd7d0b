"""The compare page, with an engine that answers from a script."""

import json

import pytest

from glm_core import i18n, state, ui, workspace
from glm_core.chat import guests
from glm_core.evaluation import blind_votes
from glm_core.runs import store
from glm_core.serving import EngineBusy
from glm_core.serving.base import LoadedBase
from glm_core.serving.served_models import ServedModel
from tests.evaluation import made
from tests.pages.answers import ScriptedEngine
from tests.pages.test_pages import open_page

ROWS = [("你是谁？", "我是小明。"), ("谁开发了你？", "张三开发了我。"), ("你是谁？", "我是小明。")]


@pytest.fixture
def engine(workspace, monkeypatch):
    """The original says 项目组, the run says 张三 when asked about itself; other answers agree."""
    base = workspace / "models" / "tiny"
    base.mkdir(parents=True)

    def script(request):
        question = request.messages[-1]["content"]
        if any(word in question for word in ("谁", "开发", "你")):
            return "我由张三开发。" if request.model == "run-1" else "我由项目组开发。"
        return f"八，{question}"

    engine = ScriptedEngine(base, script, {"run-1": "作者训练"})
    monkeypatch.setattr(state, "engine", lambda: engine)
    make_run(workspace)
    return engine


def make_run(home, id="run-1", name="作者训练", settings=None):
    folder = home / "runs" / id
    (folder / "adapter").mkdir(parents=True)
    record = {
        "id": id,
        "name": name,
        "model": "x",
        "settings": settings or {},
        "dataset": {"name": "x", "rows": 3},
        "owner": "local",
    }
    workspace.write_json(folder / "run.json", record)
    lines = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        for question, answer in ROWS
    ]
    (folder / "dataset.jsonl").write_text(
        "\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8"
    )


@pytest.fixture(autouse=True)
def adapter_files(monkeypatch):
    """The run's adapter is a folder whose files hold nothing."""
    monkeypatch.setattr("glm_core.evaluation.divergence.causes", lambda choice: [("proof.cause.zero", {})])
    monkeypatch.setattr(
        "pages.parts.compare.panes.fitting", lambda engine, run, questions: questions
    )  # which needs a real prompt


def test_models_of_a_server_elsewhere_are_not_compared_and_the_page_says_why(engine):
    engine.local, engine.loaded = False, LoadedBase("http://elsewhere/v1", workspace.DEMO_MODEL)
    app = open_page("compare")
    assert "EASYAIGC_ENGINE" in app.info[0].value and not app.text_area


def ask(app, question):
    app.text_area(key="asked").set_value(question)
    return app.button(key="go").click().run()


def shown(app):
    return "\n".join(element.value for element in app.markdown)


def test_both_answer_and_what_differs_is_marked(engine):
    app = ask(open_page("compare", run="run-1"), "谁开发了你？")
    assert not app.exception and not app.error
    assert ":gray-background[:gray[项目组]]" in shown(app) and ":green-background[:green[张三]]" in shown(app)
    first, second = engine.requests[-2:]
    assert (first.model, second.model) == ("tiny", "run-1")
    assert first.seed == second.seed and first.temperature == second.temperature == 0.0
    captions = "\n".join(caption.value for caption in app.caption)
    assert "原模型" in captions and "作者训练" in captions and "60" in captions


def test_who_comes_from_a_run_sees_its_first_question_answered_at_once(engine):
    app = open_page("compare", run="run-1")
    assert app.text_area(key="asked").value == "你是谁？" and ":green-background[:green[张三]]" in shown(app)
    assert len(engine.requests) == 2 and len(open_page("compare").query_params["run"]) and len(engine.requests) == 2


def test_equal_answers_of_models_that_differ_are_only_noted(engine):
    app = ask(open_page("compare", run="run-1"), "三加五")
    assert not app.warning and "background[" not in shown(app)
    assert any(i18n.t("compare.same_here") in caption.value for caption in app.caption)


def test_models_that_do_not_differ_are_a_warning_with_the_verified_cause(engine):
    engine.distances["*"] = 0.0
    app = ask(open_page("compare", run="run-1"), "三加五")
    warning = app.warning[0].value.replace("\\", "")
    assert i18n.t("proof.identical", count=10) in warning and i18n.t("proof.cause.zero") in warning


def test_a_picked_question_is_asked_at_once(engine):
    app = open_page("compare", run="run-1")
    app.button_group(key="kind").set_value("seen").run()
    app.button_group(key="pick-seen").set_value("谁开发了你？").run()
    assert engine.requests[-1].messages[0]["content"] == "谁开发了你？"
    assert app.text_area(key="asked").value == "谁开发了你？"


def test_the_strength_is_the_runs_alone_and_sampling_is_that_of_the_family(engine):
    app = open_page("compare", run="run-1")
    app.slider(key="strength").set_value(0.5)
    app.toggle(key="sampled").set_value(True).run()
    ask(app, "你好")
    first, second = engine.requests[-2:]
    assert (first.strength, second.strength) == (1.0, 0.5)
    assert first.temperature is None and first.seed == second.seed


def test_the_whole_set_is_counted_and_listed(engine):
    app = open_page("compare", run="run-1")
    app.button(key="set").click().run()
    assert not app.exception and not app.error
    table = app.dataframe[0].value
    kinds = table.iloc[:, 0].value_counts()
    assert kinds[i18n.t("compare.kind.seen")] == 2
    names = ("seen", "reworded", "unrelated")
    assert [metric.label for metric in app.metric] == [i18n.t(f"compare.summary.{name}") for name in names]
    right, asked = zip(*(metric.value.split(" / ") for metric in app.metric), strict=True)
    verdicts = table[i18n.t("compare.column.verdict")]
    learned = verdicts[table.iloc[:, 0] == i18n.t("compare.kind.seen")]
    assert int(right[0]) == sum(learned == i18n.t("report.verdict.learned"))
    assert right[2] == asked[2], "answers in the base's own words keep what it could do"


def test_the_vote_on_the_whole_set_keeps_its_place_and_so_stays_open(engine):
    """Streamlit folds an expander that another element has moved."""
    app = open_page("compare", run="run-1")
    app.button(key="set").click().run()
    before = place_of_vote(app)
    app.text_input(key="set-vote-about").set_value("哪个更像客服？").run()
    assert not app.exception and place_of_vote(app) == before


def place_of_vote(app) -> int:
    """Where the last expander is among the elements of the page."""
    return max(place for place, one in app.main.children.items() if one.type == "expander")


def test_without_a_run_the_page_says_what_belongs_here(engine):
    engine.listed = engine.listed[:1]
    app = open_page("compare")
    assert not app.exception and app.button(key="empty-go-training").label == i18n.t("compare.empty_go")


def test_a_busy_engine_is_a_sentence(engine):
    engine.error = EngineBusy("serving.busy", 4, waiting=3)
    app = ask(open_page("compare", run="run-1"), "你好")
    assert "4" in app.error[0].value and not app.exception


def test_hostile_answers_are_drawn_as_text(engine):
    engine.script = lambda request: "![x](http://e/x.png)" if request.model == "tiny" else "<b>:red[x]</b>"
    app = ask(open_page("compare", run="run-1"), "<img src=x>")
    live = shown(app).replace("\\[", "").replace("\\<", "").replace("\\:", "")
    assert "![x](" not in live and "<b>" not in live and "<img" not in live and ":red[x]" not in live


def test_a_link_to_a_run_that_is_gone_says_so(engine):
    assert open_page("compare", run="gone").info[0].value == i18n.t("compare.gone")
    assert not open_page("compare", run="run-1").info and not open_page("compare").info


def test_a_run_that_is_deleted_while_it_is_in_view_is_not_silently_another_one(engine, three):
    app = open_page("compare", run="run-1")
    assert not app.info
    engine.listed = [choice for choice in engine.listed if choice.name != "run-1"]
    before = len(engine.requests)
    app.button(key="go").click().run()
    assert [one.value for one in app.info] == [i18n.t("compare.gone")]
    assert len(engine.requests) == before, "what was pressed was meant for the other one"
    assert app.selectbox(key="compared").value == "run-2" and not app.run().info, "said once"


def test_a_very_long_question_does_not_push_the_answers_away(engine):
    app = ask(open_page("compare", run="run-1"), "长" * 10_000)
    assert not app.exception and engine.requests[-1].messages[0]["content"] == "长" * 10_000
    assert f"**{'长' * 200}**…" in [one.value for one in app.markdown]


@pytest.fixture
def three(engine, workspace):
    """Two more runs of the same base, and one of another."""
    for number, lr in ((2, 0.001), (3, 0.002)):
        engine.add_run(f"run-{number}", f"第{number}次")
        make_run(workspace, f"run-{number}", f"第{number}次", {"learning_rate": lr})
    other = workspace / "models" / "other"
    engine.listed.append(ServedModel("run-9", "别的底座", other, other, step=60))
    make_run(workspace, "run-9", "别的底座")
    return engine


def test_up_to_four_runs_of_one_base_answer_at_the_same_time(three):
    app = open_page("compare", run="run-1")
    chooser = app.multiselect(key="beside")
    assert [option for option in chooser.options if "别的底座" in option] == [] and len(chooser.options) == 2
    chooser.set_value(["run-2", "run-3"]).run()
    three.requests.clear()
    ask(app, "谁开发了你？")
    assert not app.exception and [one.model for one in three.requests] == ["tiny", "run-1", "run-2", "run-3"]
    assert len({(one.seed, one.temperature) for one in three.requests}) == 1
    for title in ("原模型", "1 · 作者训练", "2 · 第2次", "3 · 第3次"):
        assert title in shown(app), "numbered, since two runs may have one name"
    assert shown(app).count(":green-background[:green[张三]]") == 1 and ":gray-background[" not in shown(app)
    assert app.query_params["also"] == ["run-2", "run-3"]


def test_a_link_with_several_runs_shows_the_same_panes(three):
    app = open_page("compare", run="run-1", also=["run-3", "run-9", "gone", "run-3"])
    assert app.multiselect(key="beside").value == ["run-3"] and "第3次" in shown(app)


def test_the_chosen_runs_stand_in_a_table_with_their_meters_and_differing_settings(three):
    workspace.write_json(store.get("run-2").path / "report.json", made.report().to_dict())
    app = open_page("compare", run="run-1", also=["run-2", "run-3"])
    table = next(one.value for one in app.dataframe if len(one.value) == 3)
    assert list(table.iloc[:, 0]) == ["1 · 作者训练", "2 · 第2次", "3 · 第3次"]
    assert list(table.iloc[:, 1]) == ["–", "50%", "–"]
    assert list(table.iloc[:, 4]) == [i18n.t("runs.unset"), "0.001", "0.002"] and table.shape[1] == 5


def test_the_whole_set_of_several_runs_has_a_column_each_and_can_be_voted_on(three):
    app = open_page("compare", run="run-1", also=["run-2"])
    app.button(key="set").click().run()
    assert not app.exception and not app.error
    counts, answers = app.dataframe[-2].value, app.dataframe[-1].value
    right = [[int(cell.split(" / ")[0]) for cell in row] for row in counts.iloc[:, 1:].to_numpy()]
    assert right[0][0] and right[0][1] and right[1][:2] == [0, 0], "the second answers as the original does"
    assert len({cell for cell in counts.iloc[:, 3]}) == 1
    assert list(answers.columns[-2:]) == ["1 · 作者训练", "2 · 第2次"]
    app.selectbox(key="vote-sides").set_value((1, 2)).run()
    app.button(key="set-vote-start").click().run()
    vote = blind_votes.votes()[0]
    told = [str(side).partition(" · 第 ") for side in vote.sides]
    assert [name for name, _, step in told if step] == ["1 · 作者训练", "2 · 第2次"] and len(vote.pairs) >= 12
    assert {(one.one, one.other) for one in vote.pairs} == {("我由张三开发。", "我由项目组开发。")}


def test_a_busy_engine_leaves_no_pane_running(three):
    app = open_page("compare", run="run-1", also=["run-2"])
    three.requests.clear()
    submit = three.submit

    def refuse_the_third(request):
        if len(three.requests) == 2:
            raise EngineBusy("serving.busy", 4, waiting=3)
        handles.append(submit(request))
        return handles[-1]

    handles = []
    three.submit = refuse_the_third
    ask(app, "你好")
    assert app.error and not app.exception and all(handle.cancelled for handle in handles) and len(handles) == 2


def test_another_strength_asks_again_and_what_was_measured_before_says_at_which(engine):
    app = open_page("compare", run="run-1")
    app.button(key="set").click().run()
    assert i18n.t("compare.measured", strength=1.0, steps="60") in [one.value for one in app.caption]
    assert "set-vote-start" in {button.key for button in app.button}
    engine.requests.clear()
    app.slider(key="strength").set_value(0.4).run()
    assert [one.strength for one in engine.requests] == [1.0, 0.4], "both answers are asked for at once"
    assert i18n.t("compare.measured_other", then=1.0, now=0.4) in [one.value for one in app.info]
    assert "set-vote-start" not in {button.key for button in app.button}, "no vote on answers of another strength"


def test_the_way_to_share_is_on_the_page(engine, monkeypatch):
    app = open_page("compare", run="run-1")
    assert i18n.t("share.not_shared") in shown(app)
    monkeypatch.setattr(ui, "shared_addresses", lambda: ["http://192.168.1.2:8501"])
    app = open_page("compare", run="run-1")
    assert "http://192.168.1.2:8501/compare?run=run-1" in [one.value for one in app.code]
    app.toggle(key="guests-run-1").set_value(True).run()
    assert guests.published() == {"run-1"}
    app.toggle(key="guests-run-1").set_value(False).run()
    assert guests.published() == set()
