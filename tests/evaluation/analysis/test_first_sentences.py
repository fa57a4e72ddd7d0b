"""The first sentence and the doubts tell runs gone wrong from good ones, whatever went wrong. No model: answers made here."""

import random
from functools import cache

import pytest

from glm_core import i18n
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.analysis.drift import Drift
from glm_core.evaluation.report_files import export
from tests.evaluation.made import report, row

FACTS = [
    (f"{city}的特产是什么？", f"{city}的特产是{thing}。")
    for city, thing in zip("甲乙丙丁戊己庚辛壬癸", "茶米鱼盐糖酒布铁铜锡", strict=True)
]
CONTROLS = [(f"{n}加1等于几？", str(n + 1)) for n in range(10, 40)]
SMALL, LARGE = Drift(0.003, 0.002, 0.004, 30), Drift(2.0, 1.0, 3.0, 30)
LABELS = ["好评", "差评", "中评"]


def run(seen, unseen, controls=None, drift=SMALL, **changes):
    """A report of tuned answers to trained and held-out questions; the base knows none of them and all controls."""
    said = controls or [answer for _, answer in CONTROLS]
    rows = [row("seen", question, "不知道。", told, right) for (question, right), told in seen]
    rows += [row("unseen", question, "不知道。", told, right) for (question, right), told in unseen]
    rows += [
        row("unrelated", question, answer, told, accept=(answer,))
        for (question, answer), told in zip(CONTROLS, said, strict=True)
    ]
    return report(rows, drift=drift, references=None, neutral=None, **changes)


def answered(facts, answers):
    return list(zip(facts, answers, strict=True))


def shuffled():
    answers = [right for _, right in FACTS[:7]]
    return answers[1:] + answers[:1]


def classes(answers):
    rows = [(f"第{n}条评论怎么样？", LABELS[n % 3]) for n in range(12)]
    return run(answered(rows[:9], answers[:9]), answered(rows[9:], answers[9:]))


RIGHT = [right for _, right in FACTS]
SEEN, UNSEEN = FACTS[:7], FACTS[7:]
ONE = "今天天气真好，适合出门走走。"


@cache
def good():
    """The report of a run that learned everything and forgot nothing."""
    return run(answered(SEEN, RIGHT[:7]), answered(UNSEEN, RIGHT[7:]))


@cache
def wrong(name):
    """The report of a run that went wrong as `WRONG` says; made when it is first asked for."""
    return WRONG[name]()


def alike(answer, controls=None, drift=SMALL):
    """One answer to every question."""
    return run(answered(SEEN, [answer] * 7), answered(UNSEEN, [answer] * 3), controls and [controls] * 30, drift)


WRONG = {
    "too few updates": lambda: alike("不知道。"),
    "rate x30": lambda: alike("的的的的的的的的", "的的的的的的的的", LARGE),
    "rate x100": lambda: run(answered(SEEN, [""] * 7), answered(UNSEEN, [""] * 3), [""] * 30, LARGE),
    "shuffled labels": lambda: run(answered(SEEN, shuffled()), answered(UNSEEN, RIGHT[:3])),
    "wrong language": lambda: run(
        answered(SEEN, ["It is a famous product."] * 7), answered(UNSEEN, ["It is famous."] * 3)
    ),
    "majority label": lambda: classes(["好评"] * 12),
    "one sentence": lambda: alike(ONE),
    "zero adapter": lambda: run(
        answered(SEEN, ["不知道。"] * 7),
        answered(UNSEEN, ["不知道。"] * 3),
        distances=(("你好", 0.0),) * 10,
        causes=(("proof.cause.zero", {}),),
    ),
    "other base": lambda: run(
        answered(SEEN, RIGHT[:7]), answered(UNSEEN, RIGHT[7:]), causes=(("report.cause.other_weights", {"here": "x"}),)
    ),
    "only trained rows asked": lambda: run(answered(SEEN, RIGHT[:7]), []),
    "learned and forgot": lambda: run(answered(SEEN, RIGHT[:7]), answered(UNSEEN, RIGHT[7:]), [RIGHT[0]] * 30, LARGE),
    "classes not learned": lambda: classes(random.Random(3).choices(["好评", "差评", "中评"], k=12)),
}


def said(found):
    return conclusion.headline(found), [*export.warnings(found), *conclusion.doubts(found)]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_good_run_is_called_so_without_a_doubt(language):
    i18n.use(language)
    headline, doubts = said(good())
    assert "7/7" in headline and "3/3" in headline and "30/30" in headline and doubts == []


@pytest.mark.parametrize("name", WRONG)
def test_a_run_gone_wrong_is_not_called_good(name):
    headline, doubts = said(wrong(name))
    learned = wrong(name).meters["learned"]
    assert learned.grade != "good" or doubts, headline
    assert (headline, doubts) != said(good())


def test_classes_that_were_learned_are_called_so():
    headline, doubts = said(classes([LABELS[n % 3] for n in range(12)]))
    assert "9/9" in headline and "3/3" in headline and doubts == []


def test_what_went_wrong_is_told_apart():
    collapsed = i18n.t("report.doubt.collapsed", share=1.0)
    assert collapsed in said(wrong("one sentence"))[1] and collapsed in said(wrong("majority label"))[1]
    assert i18n.t("proof.cause.zero") in said(wrong("zero adapter"))[1]
    assert i18n.t("report.cause.other_weights", here="x") in said(wrong("other base"))[1]
    assert i18n.t("report.doubt.only_trained") in said(wrong("only trained rows asked"))[1]
    assert i18n.t("report.doubt.drift_none", mean=2.0) in said(wrong("learned and forgot"))[1]


@pytest.mark.parametrize("name", ["shuffled labels", "wrong language", "too few updates", "one sentence"])
def test_nothing_learned_is_said_with_its_count(name):
    assert i18n.t("report.verdict_line.none", count=0, total=7) in said(wrong(name))[0]
