"""Reports as files and sentences."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from glm_core import i18n
from glm_core.evaluation import aggregate
from glm_core.evaluation.perplexity import Perplexity
from glm_core.evaluation.report_files import export
from tests.evaluation.made import ROWS, report, row

HOSTILE = "<script>alert(1)</script>&\"'![x](http://e/x.png)"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def parsed(found):
    page = Tags()
    page.feed(export.to_html(found).decode("utf-8"))
    return page


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_page_says_everything_in_the_language_in_use_and_needs_nothing(language):
    i18n.use(language)
    page = parsed(report())
    said = "".join(page.text)
    assert i18n.table(language)["report.meter.kept"] in said and "50%" in said and "法国的首都" in said
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in ("src", "href", "onclick")]
    assert "http" not in export.to_html(report()).decode("utf-8")
    assert dict(page.attributes)["lang"].startswith(language)


def test_what_people_and_models_write_never_becomes_html():
    rows = [row(kind, HOSTILE, HOSTILE, HOSTILE + "x", HOSTILE) for kind in ("seen", "reworded", "unrelated")]
    page = parsed(report(rows, name=HOSTILE, base=HOSTILE))
    assert "script" not in page.tags and "img" not in page.tags
    assert HOSTILE in "".join(page.text)


def test_words_that_differ_are_marked():
    page = export.to_html(report(ROWS[:1])).decode("utf-8")
    assert re.search(r"<mark>项目组</mark>开发了我。", page) and re.search(r"<mark>张三</mark>开发了我。", page)


def test_the_table_is_read_back_and_runs_nothing_in_a_spreadsheet():
    found = report([*ROWS, row("seen", "=1+1", "+1", "@x", "-1")])
    content = export.to_csv(found)
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [line["verdict"] for line in lines[:6]] == [
        "learned",
        "not_right",
        "learned",
        "unchanged",
        "worse",
        "learned",
    ]
    assert lines[1]["outcome_tuned"] == "wrong" and lines[1]["reasons"]
    assert [lines[6][name] for name in ("question", "original", "tuned", "reference")] == ["'=1+1", "'+1", "'@x", "'-1"]


def test_the_data_are_whole():
    record = json.loads(export.to_json(report()))
    assert record["rows"][0]["verdict"] == "learned" and record["neutral"] == [4.0, 5.0, 1.1, 1.4]


def test_the_example_of_kept_is_a_loss_where_there_is_one():
    assert export.example(report(), "kept").question.text == "法国的首都？"
    assert export.example(report(ROWS[:4]), "kept").question.text == "三加五？"
    assert export.example(report(ROWS[:3]), "kept") is None


def test_the_example_of_learned_is_what_changed_in_few_words():
    far = row("seen", "作者？", "我不知道你在说什么。", "张三", "张三")
    assert export.example(report([far, *ROWS]), "learned").question.text == "谁开发了你？"


def test_models_that_do_not_differ_are_said_first():
    found = report(distances=(("你好", 0.0),), causes=(("proof.cause.zero", {}),))
    assert export.warnings(found) == [i18n.t("proof.identical", count=1), i18n.t("proof.cause.zero")]
    assert i18n.t("proof.cause.zero") in export.to_html(found).decode("utf-8")
    assert export.warnings(report()) == []


def test_best_and_worst_come_first():
    best, worst = (export.ordered(ROWS, best=flag) for flag in (True, False))
    assert best[0].verdict.name == "learned" and worst[0].verdict.name == "worse"
    assert best[-1].verdict.name == "worse"


def test_perplexities_are_said_without_exponents():
    assert export.perplexity(report(references=Perplexity(1254.9, 1.8717), neutral=None)) == [
        i18n.t("report.perplexity.references", before="1,250", after="1.87")
    ]


def test_a_perplexity_that_all_but_vanished_is_a_fraction():
    said = export.perplexity(report(references=Perplexity(99_710.0, 1.476, 9.15e-06, 2.51e-05), neutral=None))[0]
    assert "1/67,600" in said and "1/109,000" in said and "e-0" not in said


def test_a_loop_is_said_once_and_is_no_wall_of_text():
    looping = row("seen", "你是谁？", "我是小砚。", "自" * 400, "我是小印。")
    notes = [*export.defects(looping), export.reasons(looping)]
    assert " ".join(notes).count(i18n.t("report.looping")) == 1
    page = export.to_html(report([looping])).decode("utf-8")
    assert "自" * 40 in page and "自" * 41 not in page


def test_few_losses_are_counted():
    kept = [row("unrelated", f"第 {one} 种雪的颜色？", "白色。", "白色。", accept=("白",)) for one in range(12)]
    lost = row("unrelated", "法国的首都？", "巴黎。", "张三。", accept=("巴黎",))
    assert export.meaning(report([*kept, lost]), "kept") == i18n.t("report.says.kept.few", count=1)
    assert export.meaning(report(kept), "kept") == i18n.t("report.says.kept.all")
    more = [row("unrelated", f"第 {one} 座山的颜色？", "青色。", "青色。", accept=("青",)) for one in range(12)]
    assert export.meaning(report([*kept, *more, lost]), "kept") == i18n.t("report.says.kept.good")


def test_what_became_of_a_perplexity_is_said_with_its_interval():
    said = export.perplexity(report(references=None, neutral=Perplexity(4.0, 5.0, 1.1, 1.4)))[0]
    assert said.endswith(i18n.t("report.perplexity.ratio", ratio="1.25", low="1.1", high="1.4"))


def test_a_classification_has_its_two_scores_with_intervals():
    rows = [row("seen", f"{i}？", "坏", "好" if i < 6 else "坏", "好" if i % 2 else "坏") for i in range(12)]
    table = {one[i18n.t("report.measure")]: one for one in export.score_table(report(rows), "seen")}
    accuracy = table[i18n.t("report.measure.accuracy")]
    assert accuracy[i18n.t("compare.original")].startswith("50.0 (") and "–" in accuracy[i18n.t("compare.column.tuned")]
    assert i18n.t("report.measure.rouge-1") not in table and i18n.t("report.measure.exact") in table
    assert i18n.t("report.measure.macro-f1") in table


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("身份烙印：小印（林一）", "身份烙印 小印（林一） run-1.png"),
        ('../a\\b:"<b>*?|\n', "a b b run-1.png"),
        ("🙂", "run-1.png"),
        ("长" * 300, "长" * 40 + " run-1.png"),
    ],
)
def test_a_file_is_called_by_the_runs_name_as_every_system_allows_it(name, expected):
    assert export.file_name(report(name=name), "png") == expected


def test_a_measure_needs_a_function_its_name_and_its_title_to_be_in_every_report(monkeypatch):
    plain = aggregate.score_answer
    monkeypatch.setattr(aggregate, "QUALITY", (*aggregate.QUALITY, "length"))
    monkeypatch.setattr(aggregate, "MEASURES", (*aggregate.MEASURES, "length"))
    monkeypatch.setattr(
        aggregate, "score_answer", lambda answer, reference: plain(answer, reference) | {"length": float(len(answer))}
    )
    for language in i18n.LANGUAGES:
        monkeypatch.setitem(i18n.table(language), "report.measure.length", "characters written")
    found = report()
    assert "characters written" in export.to_html(found).decode("utf-8")
    assert "length" in json.loads(export.to_json(found))["measures"]["seen"]
    assert aggregate.check(json.loads(export.to_json(found))["measures"]) == found.measures
