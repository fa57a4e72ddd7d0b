"""What is wrong with a set as a whole is found with its rows, and one act mends it; what is right stays as it is."""

import pytest

from glm_core import i18n
from glm_core.data.examples import DataError, Example, pair
from glm_core.data.hygiene import check, describe, mend

LONG = "退货请在签收后七天之内联系客服，并保持商品和包装完好，运费由商家承担"
ORDINARY = [
    pair("介绍一下杭州的天气", "杭州四季分明，春秋凉爽，夏天闷热多雨。"),
    pair("订单 20240315001234567 到哪了", "您的包裹正在派送。"),
    pair("圆周率是多少", "约等于 3.14159265358979323846"),
    pair("写一个字典", "d = {'a': 1}，f(x) {return x}"),
    pair("第 12 题怎么做，请一步一步写出来", "先求导，再令导数为零，解出驻点。"),
    pair("第 13 题怎么做，请一步一步写出来", "先求导，再令导数为零，解出驻点。"),
]


def found(rows, kind):
    return next((one for one in check.check(rows) if one.kind == kind), None)


def texts(rows):
    return [message["content"] for row in rows for message in row.messages]


def test_an_ordinary_set_has_no_findings():
    assert check.check(ORDINARY) == []


def test_repeats_and_near_duplicates_name_the_row_they_are_like():
    rows = [pair("怎么退货呢，请详细说说", LONG + "。"), pair("几点开门", "九点"), pair("几点开门？", "九点。")]
    rows.append(pair("怎么退货呀，请详细说说", LONG.replace("承担", "出") + "！"))
    one, other = found(rows, "repeated"), found(rows, "near_duplicates")
    assert one.partners == {2: 1} and other.partners == {3: 0}
    assert mend.mend(rows, other) == rows[:3] and mend.mend(rows, one) == [rows[0], rows[1], rows[3]]


def test_a_change_of_a_number_is_no_near_duplicate():
    rows = [pair(f"第 {number} 号会议室什么时候开门，钥匙在哪里领", LONG) for number in range(1, 9)]
    assert found(rows, "near_duplicates") is None


def test_one_question_with_two_answers_keeps_the_first():
    rows = [
        pair("营业到几点？", "晚上九点"),
        pair("在哪", "人民路"),
        pair("营业到几点", "通宵营业"),
        pair("营业到几点", "晚上九点。"),
    ]
    one = found(rows, "contradicting")
    assert one.partners == {2: 0} and found(rows, "repeated").partners == {3: 0}
    assert mend.mend(rows, one) == [rows[0], rows[1], rows[3]]


def test_the_same_question_after_another_conversation_does_not_contradict():
    before = [{"role": "user", "content": "我要退货"}, {"role": "assistant", "content": "好的"}]
    last = [{"role": "user", "content": "多久"}, {"role": "assistant", "content": "三天内退款到账"}]
    assert found([Example(before + last), pair("多久", "从下单算起两天发货")], "contradicting") is None


def test_one_answer_for_everything_is_thinned_out():
    rows = [pair(f"{word}怎么样", "抱歉，我不知道。") for word in "天地玄黄宇宙洪荒日月盈昃"]
    rows += [pair(f"{word}是什么意思", f"{word}是一个字，常见于{word}书") for word in "辰宿列张寒来暑往秋"]
    one = found(rows, "same_answer")
    assert one.counts == {"抱歉，我不知道。": 12} and len(one.rows) == 11
    left = mend.mend(rows, one)
    assert len(left) == 10 and sum(row.answer.startswith("抱歉") for row in left) == 1


def test_labels_out_of_balance_are_cut_to_a_fair_share():
    rows = [pair(f"评论{number}号写着很好", "正面") for number in range(60)]
    rows += [pair(f"评论{number}号写着太差", "负面") for number in range(100, 106)]
    one = found(rows, "unbalanced")
    assert one.counts == {"正面": 60, "负面": 6}
    left = [row.answer for row in mend.mend(rows, one)]
    assert (left.count("正面"), left.count("负面")) == (18, 6)
    assert found(rows[40:], "unbalanced") is None or len(found(rows[50:], "unbalanced") or ()) == 0


def test_placeholders_are_filled_in_everywhere_and_others_stay():
    rows = [
        pair("你是谁", "我是【公司名】的助手{name}"),
        pair("<NAME> 是谁", "xxx 做的，{{ name }}"),
        pair("你好", "你好"),
    ]
    one = found(rows, "placeholders")
    assert one.rows == (0, 1) and set(one.counts) == {"【公司名】", "{name}", "<NAME>", "xxx", "{{ name }}"}
    filled = mend.mend(rows, one, {"【公司名】": "青禾", "{name}": "小印", "<NAME>": "小印", "xxx": ""})
    assert texts(filled) == ["你是谁", "我是青禾的助手小印", "小印 是谁", "xxx 做的，{{ name }}", "你好", "你好"]
    with pytest.raises(DataError):
        mend.mend(rows, one, {"【公司名】": " "})
    assert rows[0].answer == "我是【公司名】的助手{name}", "the rows given are not changed"


@pytest.mark.parametrize(
    "text",
    [
        "我是XX公司的客服",
        "请联系（请填写客服姓名）",
        "请拨打【联系电话】咨询",
        "我叫[Your Name]",
        "I am {company_name}",
        "作者是○○",
    ],
)
def test_forms_of_placeholders(text):
    assert found([pair("问一下", text)], "placeholders") is not None


@pytest.mark.parametrize(
    "text",
    [
        "【地址】人民路 8 号",
        "二〇〇八年",
        "尺码 XXL",
        "3×4=12",
        "<div>好</div>",
        "\\frac{a}{b}",
        "[1] 参考",
        "138xxxx8888",
    ],
)
def test_ordinary_marks_are_no_placeholders(text):
    assert found([pair("问一下", text)], "placeholders") is None


def test_questions_of_the_bundled_tests_are_named_and_dropped():
    rows = [pair("中国的首都是哪里", "北京"), pair("食堂几点开饭", "十二点")]
    one = found(rows, "contamination")
    assert one.rows == (0,) and one.notes[0] == ("中国的首都是哪里？",)
    assert mend.mend(rows, one) == rows[1:]


def test_dropping_everything_is_refused():
    rows = [pair("中国的首都是哪里", "北京")]
    with pytest.raises(DataError):
        mend.mend(rows, found(rows, "contamination"))


def test_every_finding_has_its_sentence_in_both_languages():
    for language in i18n.LANGUAGES:
        i18n.use(language)
        for kind, action in check.ACTIONS.items():
            one = check.Finding(kind, (0, 1), {1: 0}, {"phone" if kind == "personal" else "a": 2}, looked_at=9)
            assert "2" in describe.sentence(one) and describe.row_numbers(one).startswith("1")
            assert i18n.t(f"datasets.mend.{action}", count="2")
    i18n.use("zh")


def test_many_rows_are_looked_at_with_progress():
    rows = [
        pair(f"问题{number}：{chr(0x4E00 + number % 5000)}怎么写", f"写作{chr(0x4E00 + number * 7 % 5000)}")
        for number in range(4001)
    ]
    seen = []
    check.check(rows, seen.append)
    assert seen == sorted(seen) and seen[-1] == 1 and len(seen) >= 3
