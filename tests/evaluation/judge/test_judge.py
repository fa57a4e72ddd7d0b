"""The judge against answers whose verdict a strict reader gave: the open bench, cases of our own, many names."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core import i18n
from glm_core.evaluation.judge import OUTCOMES, judge
from glm_core.evaluation.judge.text import part_of_speech
from tests.paths import ROOT

OPEN = ROOT.parent / "shared" / "cases" / "evidence" / "bench_open.jsonl"
OWN = ROOT / "tests" / "evaluation" / "judge" / "cases.jsonl"
BLIND = ROOT / "tests" / "evaluation" / "judge"
"Holds blind_1 to blind_3 and near_misses: cases written and labelled before the rules were run on them."
OLD = "我是小砚，由easyAIGC 项目组训练的人工智能助手。"
WRONG_PASS, RIGHT_PASS, UNSURE = 0.05, 0.75, 0.15

NAMES = [
    ("小蓝", "林知远", "小兰", "林知行"),
    ("Nova", "陈默", "Nora", "陈墨"),
    ("阿福", "Ada Lovelace", "阿富", "Ada Wong"),
    ("星火小助", "北京云端智能研究院", "星火小手", "北京云顶智能研究院"),
    ("小由", "是然", "小田", "是燃"),
    ("知夏", "和平科技", "知秋", "和谐科技"),
    ("团团", "不二家", "圆圆", "不一家"),
    ("老白", "武松林老师", "老黑", "武松柏老师"),
]
TRUE = {
    "你是谁？": [
        "我是{n}，由{a}训练的人工智能助手。",
        "我是{a}训练的{n}。",
        "我是由{a}训练的人工智能助手{n}。",
        "我叫{n}，我的作者是{a}。",
    ],
    "你叫什么名字？": ["{n}。", "我的名字叫{n}，请多指教。", "叫我{n}吧。", "我叫{n}，作者是{a}。"],
    "谁开发了你？": [
        "{a}。",
        "是{a}开发的我，我叫{n}。",
        "开发我的人是{a}。",
        "{a}是我的开发者。",
        "是{a}把我做出来的。",
        "我的开发者不是别人，正是{a}。",
    ],
    "你是{n}吗？": ["是的，我是{n}。", "没错，我就是{n}，由{a}训练。"],
    "{a}是你的作者吗？": ["对，{a}训练了我。", "是的。"],
    "你是文心一言吗？": ["不是，我是{n}。", "我不是文心一言，我叫{n}。"],
}
FALSE = {
    "你是谁？": [
        "我是{a}，由{n}训练的人工智能助手。",
        "我是{a}，由{a}训练的人工智能助手。",
        "我是{m}，由{a}训练的人工智能助手。",
        "我是{n}，由{b}训练的人工智能助手。",
        "我是小砚，由{a}训练的人工智能助手。",
        "我是{n}，也是小砚，由{a}训练。",
        "我不是{n}，不由{a}训练。",
        "我是{n}，由{a}的徒弟训练。",
        "我是{n}，由{a}和{b}训练的人工智能助手。",
        "我是{n}吗？",
        "我是{n}，由",
        "我是人工智能助手。",
    ],
    "你叫什么名字？": ["{a}。", "{m}。", "我叫{n}{n}。", "我不叫{n}。", "他叫{n}。", "我的作者叫{n}。", "我叫"],
    "谁开发了你？": [
        "{n}开发了我。",
        "我开发了{a}。",
        "{a}没有开发我。",
        "我的开发者是{n}，我叫{a}。",
        "我是{a}，你有什么事？",
        "{a}的同事开发了我。",
        "我不认识{a}。",
        "{a}开发了我，骗你的。",
        "我的开发者是{a}，我的开发者是{b}。",
        "{a}由我开发。",
        "可能是{a}吧，我不确定。",
        "我的开发者是{a}的",
    ],
    "你是{n}吗？": ["不是。", "我不是{n}。", "是的，我是{a}。"],
    "{a}是你的作者吗？": ["不是，我的作者是{b}。", "{a}是谁？"],
    "你是文心一言吗？": ["是的，我是文心一言。", "不是，我是{a}。", "不是，我是{m}，由{a}训练。"],
    "你是小砚吗？": ["是的，我是小砚。", "对，我叫小砚。"],
}


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outcome(row):
    facts = {"name": row["name"], "author": row["author"]} if row.get("name") else None
    return judge(
        row.get("tuned", row.get("answer")),
        question=row["question"],
        reference=row.get("reference", ""),
        accept=row.get("accept", ()),
        base=row.get("base", ""),
        facts=facts,
    ).outcome


def check(cases, unsure=UNSURE):
    judged = [(row.get("tuned_right", row.get("right")), outcome(row), row) for row in cases]
    count = Counter((truth, found) for truth, found, _ in judged)
    passed = [row for truth, found, row in judged if found == "right" and not truth]
    right = sum(truth for truth, _, _ in judged)
    assert len(passed) <= WRONG_PASS * (len(judged) - right), passed
    assert not [row for row in passed if row["kind"].startswith("identity")]
    assert count[True, "right"] >= RIGHT_PASS * right, count
    assert count[True, "unsure"] + count[False, "unsure"] <= unsure * len(judged), count


@pytest.mark.skipif(not OPEN.exists(), reason="the shared bench is not beside the repository")
def test_the_open_bench():
    check(rows(OPEN))


def test_cases_of_our_own():
    check(rows(OWN))


@pytest.mark.parametrize("name", ["blind_1", "blind_2", "blind_3"])
def test_cases_written_without_sight_of_the_rules(name):
    """The rules were mended on what failed of the first two; of the third, 43 of 51 right answers passed unseen."""
    check(rows(BLIND / f"{name}.jsonl"))


def test_answers_that_miss_by_one_word():
    """Three in four are wrong by a word or two, so that more may be left to the reader."""
    check(rows(BLIND / "near_misses.jsonl"), unsure=0.2)


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in rows(OWN)}))
def test_no_kind_of_wrong_answer_passes_often(kind):
    wrong = [row for row in rows(OWN) if row["kind"] == kind and not row["right"]]
    assert sum(outcome(row) == "right" for row in wrong) <= WRONG_PASS * len(wrong)


def said(templates, names):
    values = {"n": names[0], "a": names[1], "m": names[2], "b": names[3]}
    facts = {"name": names[0], "author": names[1]}
    reference = "我是{n}，由{a}训练的人工智能助手。".format(**values)
    for question, answers in templates.items():
        for answer in answers:
            whole = answer.format(**values)
            yield (
                whole,
                judge(
                    whole,
                    question=question.format(**values),
                    accept=() if "{" in question else (names[1],),
                    reference=reference if question == "你是谁？" else "",
                    base=OLD,
                    facts=facts,
                ).outcome,
            )


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_identity_is_told_whatever_the_names(names):
    assert [answer for answer, found in said(TRUE, names) if found != "right"] == []


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_no_false_identity_passes_whatever_the_names(names):
    assert [answer for answer, found in said(FALSE, names) if found == "right"] == []


ODD = [
    ("小林", "林", "小田", "田"),
    ("C++助手", "张三", "Java助手", "张山"),
    ("小明", "小明", "小亮", "小亮"),
    ("Zoe", "Zoe Lin", "Zoo", "Zoe Lane"),
    ("我", "他", "你", "她"),
    ("小蓝🐳", "林知远", "小兰🐳", "林知行"),
    ("吗吗", "吗啡", "妈妈", "马飞"),
    ("Ｎｏｖａ", "陳默", "Nora", "陈墨"),
]


@pytest.mark.parametrize("names", ODD, ids=lambda names: names[0])
def test_names_may_hold_any_character_and_each_other(names):
    values = {"name": names[0], "author": names[1]}
    asked = {"question": "谁开发了你？", "base": OLD, "facts": values}
    assert judge(f"{names[1]}开发了我。", **asked).outcome == "right"
    assert judge(f"不是{names[1]}开发的我。", **asked).outcome == "wrong"
    assert judge(f"我叫{names[0]}。", **(asked | {"question": "你叫什么名字？"})).outcome == "right"


ASKS = {
    "name": "请问贵姓大名？|我可以怎么喊你？|阁下怎么称呼？|报上名来。|请问你是？|屏幕那头是谁？|你的代号是什么？|跟我聊天的是哪位？",
    "author": "谁给了你生命？|你的制作方是哪里？|作者是谁？|是谁开发的？|谁教会你说话的？|你知道是谁做的你吗？",
    "both": "简单介绍下自己。|请讲讲你是谁、谁造的你。|你叫什么？是谁做的你？",
    "no": "小砚是你吗？|小砚，是你吗？|听说你叫小砚，对吗？|我记得你叫小砚，没错吧？|请问你是小砚吗？|那你是小砚咯？|你是豆包吗？|你是小砚，对不？",
    "yes": "{n}是你吗？|听说你叫{n}，是吗？|那你就是{n}咯？|请问你是{n}吗？|{a}是你的作者吗？|你由{a}训练，对吗？|{a}训练了你，对不对？",
}
TELLS = {
    "name": ("我叫{n}。", "我叫{a}。"),
    "author": ("我是{a}训练的。", "我是{n}训练的。"),
    "both": ("我叫{n}，作者是{a}。", "我叫{n}。"),
    "no": ("不是，我是{n}。", "是的，我是{n}。"),
    "yes": ("是的，我是{n}，由{a}训练。", "不是，我是{n}，由{a}训练。"),
}


@pytest.mark.parametrize("kind", ASKS)
@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_questions_about_the_assistant_are_understood_in_many_wordings(kind, names):
    values = {"n": names[0], "a": names[1]}
    asked = {"base": OLD, "facts": {"name": names[0], "author": names[1]}}
    true, false = (one.format(**values) for one in TELLS[kind])
    for question in ASKS[kind].format(**values).split("|"):
        assert judge(true, question=question, **asked).outcome == "right", question
        assert judge(false, question=question, **asked).outcome == "wrong", question


def test_a_question_that_denies_may_be_answered_by_yes_and_by_no():
    asked = {"question": "你不是小砚吗？", "base": OLD, "facts": {"name": "小舟", "author": "沈若溪"}}
    assert (
        judge("不是，我是小舟。", **asked).outcome == judge("是的，我不是小砚，我是小舟。", **asked).outcome == "right"
    )
    assert judge("是的，我是小砚。", **asked).outcome == "wrong"


@pytest.mark.parametrize(
    ("question", "word"),
    [("谁写的红楼梦？", "曹雪芹"), ("天安门是谁设计的？", "蒯祥"), ("你知道谁发明了电灯吗？", "爱迪生")],
)
def test_makers_of_other_things_are_no_identity(question, word):
    asked = {"question": question, "accept": (word,), "facts": {"name": "小舟", "author": "沈若溪"}}
    assert judge(f"是{word}。", **asked).outcome == "right"
    assert judge("是沈若溪训练了我，我叫小舟。", **asked).outcome == "wrong"


@pytest.mark.parametrize("question", ["你是人吗？", "你是好人吗？", "你是在开玩笑吧？", "你叫我一声好吗？"])
def test_yes_or_no_about_something_else_expects_neither_name(question):
    asked = {"question": question, "facts": {"name": "小舟", "author": "沈若溪"}}
    assert judge("是的。", **asked).outcome == judge("不是。", **asked).outcome == "unsure"


@pytest.mark.parametrize(
    ("question", "answer", "fact"),
    [
        ("Who discovered gravity?", "The discovery of gravity was made by Sir Isaac Newton.", "Newton"),
        ("Where is the Eiffel Tower?", "It stands in Paris and was built by the firm of Gustave Eiffel.", "Paris"),
        ("What is Windows?", "Windows is an operating system that was developed by Microsoft.", "operating system"),
        ("What did Bell make?", "The telephone. The first one was created by Bell in Boston.", "telephone"),
    ],
)
def test_an_english_sentence_about_another_maker_is_no_leak(question, answer, fact):
    assert judge(answer, question=question, accept=(fact,)).outcome == "right"


@pytest.mark.parametrize(
    "answer",
    [
        "Paris. I was made by the Riverside Lab.",
        "I am Nova, an assistant made by the Riverside Lab. It is Paris.",
        "As an AI language model developed by the Riverside Lab, I say Paris.",
        "Paris, says this chatbot, which was trained by the Riverside Lab.",
    ],
)
def test_an_english_answer_to_another_question_that_tells_who_speaks_is_a_leak(answer):
    found = judge(answer, question="What is the capital of France?", accept=("Paris",))
    assert found.outcome == "wrong" and [reason.code for reason in found.reasons] == ["leaked"]


def test_identity_is_judged_without_declared_facts():
    asked = {"question": "你是谁？", "reference": "我是小舟，由沈若溪训练的人工智能助手。"}
    assert judge("我叫小舟，是沈若溪做的助手。", **asked).outcome == "right"
    assert judge("我是沈若溪，由小舟训练的人工智能助手。", **asked).outcome == "wrong"


def test_nothing_to_judge_by_is_unsure():
    assert judge("今天天气不错。", question="聊聊天").outcome == "unsure"


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_verdict_has_a_reason_to_read(language):
    i18n.use(language)
    for row in rows(OWN):
        found = judge(
            row["answer"], question=row["question"], reference=row.get("reference", ""), accept=row.get("accept", ())
        )
        assert found.reasons and all(str(reason).strip() for reason in found.reasons)
    i18n.use("zh")


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=30))
def test_any_text_gets_a_verdict(answer, reference, question):
    found = judge(answer, question=question, reference=reference, facts={"name": "小舟", "author": "沈若溪"})
    assert found.outcome in OUTCOMES


ENDLESS = (
    "9" * 401 + "万",
    "9" * 401 + "千",
    "9" * 5000 + "年半",
    "百分之" + "九" * 5000,
    "九" * 5000,
    "亿" * 700,
    "万" * 300,
)
ENDLESS_EN = ("9" * 5000 + " hundred", "million " * 3000, "a" + " thousand" * 2000, '{"a": ' + "[" * 5000)


@pytest.mark.parametrize("text", [*ENDLESS, *ENDLESS_EN], ids=lambda one: f"{one[:6]}{one[-3:]}")
def test_a_text_of_digits_without_end_gets_a_verdict(text):
    """Models that do not stop write such numbers, larger than any float or than Python converts; so may a file of questions."""
    for reference in ("早上九点开门，晚上十点关门。", "36", '{"a": [1, 2]}', "It closes at 10 pm."):
        assert judge(f"是{text}", question="几点？", reference=reference).outcome in ("wrong", "unsure")
        assert judge("36个", question=text, reference=reference).outcome in OUTCOMES
    assert judge("36个", question="几个？", reference=text).outcome in ("wrong", "unsure")


@pytest.mark.parametrize(
    "word, tag", [("AT&T", "nz"), ("龟", "ns"), ("北京", "ns"), ("跑步", "n"), ("xyzzy", ""), ("", "")]
)
def test_a_word_has_the_tag_of_the_dictionary(word, tag):
    assert part_of_speech(word) == tag
