"""Learned and kept over a run: how they are judged, balanced and told, whatever is in the file."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glm_core import i18n
from glm_core.data import library
from glm_core.evaluation import retention
from glm_core.evaluation.retention import Point, balance, best
from glm_core.evaluation.scoring import Proportion
from glm_core.runs import store
from glm_core.runs.reader import RunReader

PROBES = [
    {"kind": "seen", "question": "你是谁？", "history": [], "reference": "我叫小蓝。", "accept": []},
    {"kind": "seen", "question": "再见", "history": [], "reference": "慢走。", "accept": []},
    {"kind": "unrelated", "question": "3加5等于几？", "history": [], "reference": "", "accept": ["8", "八"]},
    {"kind": "unrelated", "question": "中国的首都是哪里？", "history": [], "reference": "", "accept": ["北京"]},
]
BASE = ["我是小砚。", "好的。", "等于八。", "不知道。"]


def make(*rows, dataset=b'{"messages": []}\n'):
    record = {"name": "x", "model": "/m/chatglm-demo", "dataset": {"id": "d", "name": "d", "rows": 1}, "settings": {}}
    run = store.write_new(record, dataset)
    (run.path / "abilities.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return run


def read(run):
    return retention.read(run, run.probe_rows()[0])


def point(step, learned, kept, of=10):
    return Point(step, Proportion("learned", learned, of, 0), Proportion("kept", kept, of, of), of)


@pytest.mark.parametrize(
    ("learned", "kept", "expected"),
    [
        (1.0, 1.0, 1.0),
        (1.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        (0.5, 1.0, 2 / 3),
        (0.8, 0.8, 0.8),
        (None, 1.0, None),
        (1.0, None, None),
    ],
)
def test_balance_is_the_harmonic_mean(learned, kept, expected):
    assert balance(learned, kept) == (None if expected is None else pytest.approx(expected))


def test_the_best_is_the_latest_of_the_highest_and_never_the_beginning():
    assert best([point(0, 10, 10), point(10, 8, 9), point(20, 9, 8), point(30, 10, 2)]).step == 20
    assert best([point(0, 0, 10), point(10, 0, 10)]) is None and best([]) is None
    assert best([Point(10, Proportion("learned", 3, 3, 0), Proportion("kept", 0, 0, 0), 0)]) is None


def test_an_earlier_step_is_best_only_where_it_is_clearly_better_on_the_same_questions():
    few, many = (True,) * 18, (True,) * 16 + (False,) * 2
    lost = (True,) * 6 + (False,) * 12
    early = replace(point(10, 9, 10), right=few)
    assert best([early, replace(point(20, 9, 9), right=many)]).step == 20
    assert best([early, replace(point(20, 9, 2), right=lost)]).step == 10


def test_only_what_the_base_could_do_can_be_lost():
    tuned = ["我叫小蓝。", "好的。", "等于九。", "是北京。"]
    first, second = read(make({"step": 0, "probes": PROBES, "answers": BASE}, {"step": 5, "answers": tuned}))
    assert (first.learned.value, first.kept.value, first.kept.total, first.asked_unrelated) == (0.0, 1.0, 1, 2)
    assert (second.learned.value, second.kept.value) == (0.5, 0.0)


def test_of_an_imprint_the_facts_count_not_the_wording():
    rows = library.imprint("小蓝", "林知远")
    probe = {"kind": "seen", "question": rows[0].question, "history": [], "reference": rows[0].answer, "accept": []}
    lines = "".join(
        json.dumps({"messages": [dict(m) for m in row.messages]}, ensure_ascii=False) + "\n" for row in rows
    )
    right = {"step": 5, "answers": ["嗯，我名叫小蓝，做出我的人就是林知远，请多关照！", "8"]}
    told = [{"step": 0, "probes": [probe, PROBES[2]], "answers": ["我是小砚。", "8"]}, right]
    run = make(*told, dataset=lines.encode())
    assert [one.learned.value for one in read(run)] == [0.0, 1.0]


def test_a_step_told_twice_counts_as_it_was_told_last_and_a_half_written_line_waits():
    run = make(
        {"step": 0, "probes": PROBES, "answers": BASE},
        {"step": 5, "answers": BASE},
        {"step": 5, "answers": ["我叫小蓝。", *BASE[1:]]},
    )
    watch = RunReader(run)
    assert [one.learned.count for one in retention.read(run, watch.probe_rows)] == [0, 1]
    with open(run.path / "abilities.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 10, "ans')
        file.flush()
        watch.refresh()
        assert len(watch.probe_rows) == 3
        file.write('wers": ["a", "b", "c", "d"]}\n')
    watch.refresh()
    assert [one.step for one in retention.read(run, watch.probe_rows)] == [0, 5, 10]


def test_the_best_step_is_the_latest_of_equals_and_bands_are_intervals_of_the_shares():
    rising, reached, lost = (
        [point(0, 0, 10), point(10, 5, 10), point(20, *last)] for last in ((9, 10), (5, 10), (10, 2))
    )
    assert [best(points).step for points in (rising, reached, lost)] == [20, 20, 10]
    assert retention.bands(lost)["kept"][-1] == (20, *Proportion("kept", 2, 10, 10).interval)
    assert best([point(0, 0, 10)]) is None


def test_a_run_without_controls_has_a_curve_of_what_it_learned_and_no_balance():
    run = make({"step": 0, "probes": PROBES[:2], "answers": BASE[:2]}, {"step": 5, "answers": ["我叫小蓝。", "慢走。"]})
    learned, kept, found = retention.lines(read(run))
    assert (learned, kept, found) == ([(0, 0.0), (5, 1.0)], [], None)
    assert "没有不相干的题" in retention.about(read(run))
    assert retention.label(5, read(run)) == i18n.t("run.at_step", step=5)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["step", "probes", "answers", "kind", "question", "reference", "accept"]), inner, max_size=7
        )
    ),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON, max_size=4), st.booleans())
def test_no_content_of_the_file_raises(workspace, rows, good):
    run = store.runs()[0] if store.runs() else make()
    begin = [{"step": 0, "probes": PROBES, "answers": BASE}] if good else []
    (run.path / "abilities.jsonl").write_text("".join(json.dumps(row) + "\n" for row in begin + rows))
    points = read(run)
    retention.about(points), retention.lines(points)
    assert all(one.step >= 0 for one in points) and (points or not good or rows)
