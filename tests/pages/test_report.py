"""The report page: what it says first, how it is filtered, and what it does without a report."""

import re
import shutil

import pytest

from glm_core import i18n, state, ui, workspace
from glm_core.auth import audit
from glm_core.auth.accounts import Account
from glm_core.evaluation import blind_votes, report, stored_questions
from glm_core.evaluation.analysis import calibration
from glm_core.evaluation.benchmark import BUNDLED, BenchmarkComparison, read_tasks, results
from glm_core.evaluation.benchmark.jobs import BenchmarkJob
from glm_core.evaluation.jobs import ReportError, ReportJob
from glm_core.evaluation.scoring import METERS, Proportion
from glm_core.jobs import Cancelled
from glm_core.runs import store
from glm_core.runs.exchange import export
from tests.evaluation import made
from tests.pages.answers import ScriptedEngine
from tests.pages.test_compare import make_run, shown
from tests.pages.test_pages import open_page


class FakeReports:
    """Notes what is started; `current` is the job of every run."""

    def __init__(self):
        self.started, self.current = [], None

    def job(self, run):
        return self.current

    def start(self, run, strengths=False):
        self.started.append((run.id, "strengths") if strengths else run.id)


class FakeBenchmarks:
    """Notes what is started; `current` is the job of every run."""

    def __init__(self):
        self.started, self.current = [], None

    def job(self, run):
        return self.current

    def start(self, run, file, tasks):
        self.started.append((run.id, file, len(tasks)))
        self.current = BenchmarkJob(run, file, tasks)


@pytest.fixture
def benchmarks(monkeypatch):
    fake = FakeBenchmarks()
    monkeypatch.setattr(state, "benchmarks", lambda: fake)
    return fake


@pytest.fixture
def reports(workspace, monkeypatch, benchmarks):
    """A run with an adapter, and no thread that makes reports."""
    engine = ScriptedEngine(workspace / "models" / "tiny", lambda request: "好", {"run-1": "作者训练"})
    monkeypatch.setattr(state, "engine", lambda: engine)
    make_run(workspace)
    (workspace / "runs" / "run-1" / "adapter" / "easyaigc.json").write_text("{}", "utf-8")
    monkeypatch.setattr(report, "is_of", lambda found, choice: found.adapter == "60")
    fake = FakeReports()
    monkeypatch.setattr(state, "reports", lambda: fake)
    return fake


def keep(found):
    workspace.write_json(report.file_of(store.get("run-1")), found.to_dict())


def containers(app):
    """The keys of all containers on the page."""
    found, left = [], [app.main]
    while left:
        block = left.pop()
        left += getattr(block, "children", {}).values()
        found.append(getattr(getattr(block, "proto", None), "id", ""))
    return [re.sub(r".*-None-|.*\$\$ID-[0-9a-f]+-", "", one) for one in found if isinstance(one, str) and one]


def questions(app):
    return [value for value in (one.value for one in app.markdown) if value.startswith("**")]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_three_meters_come_first_each_with_what_it_means_and_one_example(reports, language):
    keep(made.report())
    app = open_page("report", language, run="run-1")
    i18n.use(language)
    assert not app.exception and not app.error and not app.warning
    assert [metric.value for metric in app.metric] == ["50%", "100%", "50%"]
    said = [one.value for one in app.markdown]
    assert (
        said[0] == f":orange[{i18n.t('report.says.learned.some')}]"
        and f":red[{i18n.t('report.says.kept.none')}]" in said
    )
    assert questions(app)[:3] == ["**谁开发了你？**", "**作者是哪位？**", "**法国的首都？**"]
    assert ":green-background[:green[张三]]" in shown(app)


def test_verdicts_filter_and_order_the_questions(reports):
    keep(made.report())
    app = open_page("report", run="run-1")
    assert len(questions(app)) >= 3 + len(made.ROWS)
    app.button_group(key="verdict").set_value("worse").run()
    assert [one for one in questions(app)[3:] if "？" in one] == ["**法国的首都？**"]
    app.button_group(key="verdict").set_value("all").run()
    app.button_group(key="order").set_value("worst").run()
    assert questions(app)[3] == "**法国的首都？**"
    app.button_group(key="kinds").set_value(["reworded"]).run()
    assert [one for one in questions(app)[3:] if "？" in one] == ["**作者是哪位？**"]


def test_long_lists_are_shown_bit_by_bit(reports):
    keep(made.report([made.row("seen", f"第{i}问？", "不", "好", "好") for i in range(25)]))
    app = open_page("report", run="run-1")
    first = len(questions(app))
    app.button(key="more").click().run()
    assert len(questions(app)) == first + 10


def test_models_that_do_not_differ_are_said_before_anything(reports):
    keep(made.report(distances=(("你好", 0.0),), causes=(("proof.cause.zero", {}),)))
    app = open_page("report", run="run-1")
    warning = app.warning[0].value.replace("\\", "")
    assert i18n.t("proof.identical", count=1) in warning and i18n.t("proof.cause.zero") in warning


def test_without_a_report_one_button_makes_it(reports):
    app = open_page("report", run="run-1")
    assert i18n.t("report.empty") in shown(app)
    app.button(key="start").click().run()
    assert reports.started == ["run-1"]


def test_an_unfinished_report_is_gone_on_with(reports):
    workspace.write_json(report.file_of(store.get("run-1")), {"state": "running", "rows": []})
    app = open_page("report", run="run-1")
    assert app.button(key="start").label == i18n.t("report.continue")


def test_a_report_under_way_shows_its_stage_and_can_be_cancelled(reports):
    reports.current = job = ReportJob(store.get("run-1"))
    job.state, job.stage, job.fraction = "running", "answers", 0.5
    app = open_page("report", run="run-1")
    assert not app.exception and not app.metric
    app.button(key="cancel").click().run()
    with pytest.raises(Cancelled):
        job.watch("answers", 0.6)


def test_a_failed_report_says_why_and_can_be_tried_again(reports):
    reports.current = job = ReportJob(store.get("run-1"))
    job.state, job.error = "failed", ReportError("report.error.failed")
    app = open_page("report", run="run-1")
    assert i18n.t("report.error.failed") in app.error[0].value and app.button(key="start")


def test_an_adapter_saved_anew_makes_the_report_outdated(reports):
    keep(made.report(adapter="59"))
    app = open_page("report", run="run-1")
    assert i18n.t("report.outdated") in shown(app)
    app.button(key="again-now").click().run()
    assert reports.started == ["run-1"]


def test_all_that_was_measured_of_another_adapter_is_dimmed_and_says_so(reports):
    meters = {name: Proportion(name, 1, 2, 0) for name in METERS}
    keep(made.report(adapter="59", strengths={0.5: meters, 1.0: meters}))
    app = open_page("report", run="run-1")
    assert not app.exception
    dimmed = [name for name in containers(app) if name.startswith("report-dimmed-")]
    assert {name.removeprefix("report-dimmed-") for name in dimmed} >= {
        "headline",
        "meters",
        "rows",
        "scores",
        "strengths",
        "marks",
    }
    assert [one.value for one in app.caption].count(f":material/update: {i18n.t('report.measured_at', step=60)}") == 6
    assert "export" not in [one.key for one in app.button], "the strength was measured of another adapter"
    keep(made.report(strengths={0.5: meters, 1.0: meters}))
    app = open_page("report", run="run-1")
    assert not [name for name in containers(app) if name.startswith("report-dimmed")]
    assert i18n.t("report.measured_at", step=60) not in shown(app) and app.button(key="export")


def test_a_classification_begins_with_accuracy_and_confusions_rows_not_seen_first(reports):
    seen = [made.row("seen", f"这家店{n}", "不知道", label, label) for n, label in enumerate(["好评", "差评"] * 6)]
    unseen = [made.row("unseen", f"那家店{n}", "不知道", "好评", label) for n, label in enumerate(["好评", "差评"] * 2)]
    keep(made.report([*seen, *unseen]))
    app = open_page("report", run="run-1")
    said = shown(app)
    assert not app.exception and i18n.t("compare.kind.unseen") in said
    first = said.index("准确率 50%")
    assert first < said.index("准确率 100%") < said.index(i18n.t("report.says.learned.all"))
    headline = app.subheader[0].value.replace("\\", "")
    assert "没见过的题 2/4" in headline and "换个问法" not in headline
    assert [list(table.value.iloc[:, 0]) for table in app.dataframe[:2]] == [["好评", "差评"]] * 2


def test_hostile_answers_are_drawn_as_text(reports):
    hostile = "![x](http://e/x.png) <b>:red[x]</b>"
    keep(made.report([made.row(kind, hostile, hostile, hostile + "！", hostile) for kind in ("seen", "unrelated")]))
    app = open_page("report", run="run-1")
    assert not app.exception
    live = shown(app).replace("\\[", "").replace("\\<", "").replace("\\:", "").replace("\\!", "")
    assert "![x](" not in live and "<b>" not in live and ":red[x]" not in live


def test_a_run_without_an_adapter_or_no_run_at_all_leads_on(reports):
    app = open_page("report", run="gone")
    assert i18n.t("report.unknown") in shown(app) and app.button(key="empty-go-training")
    run = store.get("run-1")
    (run.path / "adapter" / "easyaigc.json").unlink()
    workspace.write_json(run.path / "status.json", {"state": "stopped"})
    app = open_page("report", run="run-1")
    assert i18n.t("report.no_adapter") in shown(app) and app.button(key="empty-go-run")


def test_a_run_still_training_is_told_from_one_that_left_nothing(reports):
    run = store.get("run-1")
    (run.path / "adapter" / "easyaigc.json").unlink()
    workspace.write_json(run.path / "status.json", {"state": "queued"})
    assert i18n.t("report.training") in shown(open_page("report", run="run-1"))


def test_the_wordings_of_the_run_can_be_edited(reports):
    keep(made.report())
    stored_questions.edit(store.get("run-1"), [("作者叫啥", "张三")])
    app = open_page("report", run="run-1")
    app.button(key="save").click().run()
    assert reports.started == ["run-1"] and not app.exception
    assert ("作者叫啥", "张三") in [(one.text, one.reference) for one in stored_questions.read(store.get("run-1"))]


def test_other_strengths_are_measured_on_demand_and_shown(reports):
    keep(made.report())
    app = open_page("report", run="run-1")
    app.button(key="strengths").click().run()
    assert reports.started == [("run-1", "strengths")]
    assert next(one for one in app.expander if one.label == i18n.t("report.strengths")).proto.expanded
    meters = {name: Proportion(name, 1, 2, 0) for name in METERS}
    keep(made.report(strengths={0.5: meters, 1.0: meters}))
    app = open_page("report", run="run-1")
    assert i18n.t("report.strengths_best", strength="1") in shown(app)
    assert list(app.table[-1].value.index) == ["0.5", "1"]


def test_other_runs_stand_beside_this_one(reports):
    keep(made.report())
    other = store.folder() / "run-2"
    shutil.copytree(store.get("run-1").path, other)
    workspace.write_json(
        other / "run.json", {**workspace.read_json(other / "run.json"), "id": "run-2", "name": "另一次"}
    )
    app = open_page("report", run="run-1")
    app.multiselect(key="others").set_value(["run-2"]).run()
    assert not app.exception
    table = app.dataframe[-2].value if "另一次" not in str(app.dataframe[-1].value) else app.dataframe[-1].value
    assert list(table.iloc[:, 0]) == ["1 · 作者训练", "2 · 另一次"] and list(table.iloc[1, 1:4]) == [
        "50%",
        "100%",
        "50%",
    ]


def test_nothing_learned_is_not_called_a_lack_of_wordings(reports):
    keep(made.report([made.row(kind, "谁？", "甲", "甲", "乙") for kind in ("seen", "reworded")]))
    app = open_page("report", run="run-1")
    assert i18n.t("report.says.generalises.nothing") in shown(app)


def test_a_run_that_ruined_everything_is_told_from_one_that_learned_nothing(reports):
    ruined = [
        made.row("seen", "谁？", "甲", ",,,,", "乙"),
        made.row("unrelated", "三加五？", "八", ",,,,", accept=("八",)),
    ]
    keep(made.report(ruined))
    said = shown(open_page("report", run="run-1"))
    assert i18n.t("report.says.learned.broken") in said and i18n.t("report.says.learned.none") not in said


def test_a_strength_is_exported_as_a_model_of_its_own(reports, monkeypatch):
    exported = []
    monkeypatch.setattr(
        export, "start_export", lambda run, base, strength: exported.append((run.id, base.name, strength))
    )
    meters = {name: Proportion(name, 1, 2, 0) for name in METERS}
    keep(made.report(strengths={0.5: meters, 1.0: meters}))
    app = open_page("report", run="run-1")
    app.slider(key="export-strength").set_value(0.6).run()
    app.button(key="export").click().run()
    assert exported == [("run-1", "tiny", 0.6)]


def test_the_owner_opens_a_blind_vote_on_the_answers_that_differ(reports):
    keep(made.report())
    app = open_page("report", run="run-1")
    app.text_input(key="vote-about").set_value("哪个更像客服？")
    app.button(key="vote-start").click().run()
    vote = blind_votes.votes()[0]
    assert not app.exception and app.query_params["vote"] == vote.id
    assert (vote.run, vote.about) == ("run-1", "哪个更像客服？")
    assert vote.sides == (blind_votes.VoteSide("tiny"), blind_votes.VoteSide("作者训练", 60))
    assert {one.question for one in vote.pairs} == {"谁开发了你？", "作者是哪位？", "法国的首都？", "雪的颜色？"}
    assert "audit.vote.open" in [one["action"] for one in audit.entries()]


def test_somebody_elses_run_is_not_put_to_the_vote(reports, monkeypatch):
    keep(made.report())
    monkeypatch.setattr(ui, "visitor", lambda: Account(2, "b", "trainer", "u-b"))
    app = open_page("report", run="run-1")
    assert not app.exception and "vote-start" not in [one.key for one in app.button]


def test_a_prefix_has_meters_at_every_strength_but_no_export_of_them(reports):
    meters = {name: Proportion(name, 1, 2, 0) for name in METERS}
    keep(made.report(strengths={0.5: meters, 1.0: meters}))
    store.change(store.get("run-1"), settings={"method": "ptuning"})
    app = open_page("report", run="run-1")
    assert not app.exception and "export" not in [one.key for one in app.button]
    assert i18n.t("adapters.error.prefix_strength") in [one.value for one in app.caption]


def test_answers_are_marked_by_eye_and_the_judge_is_measured_against_them(reports):
    keep(made.report())
    app = open_page("report", "zh", run="run-1")
    found, run = report.read(store.get("run-1")), store.get("run-1")
    for _ in range(6):
        truth = next(
            row.verdict.after.outcome == "right"
            for row in calibration.choose(found)
            if calibration.key_of(row) not in calibration.read(run, found)
        )
        app.button(key=f"mark-{1 if truth else 2}").click()
        app.run()
    assert len(calibration.read(run, found)) == 6
    assert i18n.t("report.calibrate.agreed", agreed=6, marked=6, unsure=0) in [one.value for one in app.markdown]
    app.button(key="marks-again").click()
    app.run()
    assert calibration.read(run, found) == {}


def test_a_figure_that_the_marks_cannot_correct_is_said_to_be_so(reports):
    keep(made.report([made.row("seen", f"第{n}题", "不知道", f"答案{n}", f"答案{n}") for n in range(9)]))
    app = open_page("report", "zh", run="run-1")
    for _ in range(calibration.FEWEST):
        assert i18n.t("report.calibrate.uncorrected") not in [one.value for one in app.caption]
        app.button(key="mark-2").click()
        app.run()
    assert i18n.t("report.calibrate.uncorrected") in [one.value for one in app.caption]


def test_multiple_choice_is_started_from_the_page_and_can_be_cancelled_after_a_refresh(reports, benchmarks):
    app = open_page("report", run="run-1")
    app.button(key="benchmark-start").click().run()
    assert benchmarks.started == [("run-1", BUNDLED.name, 20)] and not app.exception
    again = open_page("report", run="run-1")
    assert "benchmark-start" not in [one.key for one in again.button]
    again.button(key="benchmark-cancel").click().run()
    with pytest.raises(Cancelled):
        benchmarks.current.check()


def test_a_file_that_is_no_set_of_tasks_is_a_sentence(reports, benchmarks):
    app = open_page("report", run="run-1")
    app.file_uploader(key="benchmark-file").set_value(("a.jsonl", b"{}", "application/json")).run()
    assert "a.jsonl" in app.error[0].value and not app.exception
    tasks = b'{"question": "q", "choices": ["a", "b"], "answer": 0}'
    app.file_uploader(key="benchmark-file").set_value(("b.jsonl", tasks, "application/json")).run()
    app.button(key="benchmark-start").click().run()
    assert benchmarks.started == [("run-1", "b.jsonl", 1)]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_kept_results_show_the_paired_table_and_their_step(reports, language):
    run, tasks = store.get("run-1"), tuple(read_tasks(BUNDLED)[:4])
    answers = tuple(one.answer for one in tasks)
    choice = state.engine().find("run-1")
    results.keep(run, "ceval*.csv", choice, BenchmarkComparison(tasks, (9, 9, 9, answers[3]), (*answers[:3], 9)))
    app = open_page("report", language, run="run-1")
    i18n.use(language)
    table = next(one.value for one in app.dataframe if i18n.t("report.changes.gained") in one.value.columns)
    assert list(table.iloc[0]) == ["0", "3", "1", "0"]
    said = shown(app).replace("\\", "")
    assert "ceval*.csv" in said and i18n.t("benchmark.before", total=4, right=1, share=25.0, low=4.6, high=69.9) in said
    step = "?" if choice.step is None else choice.step
    assert i18n.t("benchmark.of", base="tiny", step=step, time="§").split("§")[0] in " ".join(
        one.value for one in app.caption
    ).replace("\\", "")
