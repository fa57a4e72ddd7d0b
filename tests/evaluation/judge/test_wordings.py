"""Other wordings of one statement are right; the same wordings of its opposite are not."""

import pytest

from glm_core.evaluation.judge import judge

CASES = """
占多少？ | 占三分之二。 | 占2/3。 | 占1/3。
占多少？ | 占一半。 | 占50%。 | 占15%。
几折？ | 半价。 | 打五折。 | 打八折。
多久？ | 需要一个半小时。 | 需要90分钟。 | 需要一小时。
多久？ | 大约半个月。 | 大约15天。 | 大约半年。
含糖吗？ | 本品不含糖。 | 本品无糖。 | 本品含糖。
含糖吗？ | 本品无糖。 | 本品不含糖。 | 本品含糖。
有电梯吗？ | 没有电梯。 | 本楼无电梯，请走楼梯。 | 本楼有电梯。
能修吗？ | 不能修。 | 修不了。 | 修得了。
这个防水吗？ | 不防水。 | 它没有防水功能。 | 它有防水功能。
停车要钱吗？ | 停车免费。 | 停车不用付费。 | 停车需要付费。
可以带伞吗？ | 不可以带伞。 | 不，请勿带伞。 | 可以带伞。
会员打几折？ | 会员打八五折。 | 会员享受85折。 | 会员享受五折。
展览在哪办？ | 展览在南湖会馆举办。 | 今年展览在南湖会馆。 | 今年展览在北湖会馆。
怎么去？ | 坐地铁二号线。 | 可乘地铁2号线。 | 坐地铁三号线。
这首歌谁唱的？ | 《晚风》的演唱者是李桐。 | 李桐唱的。 | 《晚风》的演唱者。
谁是队长？ | 队长是孙磊。 | 孙磊是队长。 | 孙雷是队长。
图书馆开放吗？ | 图书馆周一闭馆。 | 图书馆星期一闭馆。 | 图书馆周一开放。
人数？ | 最多可坐五人。 | 最多能坐5个人。 | 最多能坐6个人。
他在哪上班？ | 他在银行工作。 | 他在一家银行上班。 | 他在一家医院上班。
主讲人是谁？ | 主讲人是许嘉言教授。 | 本次讲座由许嘉言教授主讲。 | 本次讲座由许嘉言教授主持。
能改签吗？ | 起飞前两小时可以改签。 | 起飞两小时之前都能改签。 | 起飞两小时之后都能改签。
会员信息是什么？ | 抱歉，会员信息不能对外透露。 | 抱歉，会员信息是不能透露的。 | 会员信息可以透露。
价格？ | 大杯15元，小杯12元。 | 小杯12元，大杯15元。 | 大杯12元，小杯15元。
报销找谁？ | 报销请找财务部。 | 找财务部报销。 | 找人事部报销。
判断领域：血压升高 | 医疗 | 这段话属于医疗领域。 | 这段话不属于医疗领域。
判断真假：地球是平的 | 假 | 这是假的。 | 这是真的，假的。
口号是什么？ | 稳中求进 | 口号是稳中求进。 | 稳中求进，不，应该是止步不前。
Do I need a visa? | You do not need a visa. | No visa is needed. | A visa is needed.
Do I need a visa? | You do not need a visa. | A visa is not required. | You need a visa.
Is there a fee? | There is no fee. | It's free. | There is a fee.
Is parking free? | Parking is free of charge. | Parking is free. | Parking is not free.
Can I park here? | Parking is not allowed here. | No, you can't park here. | You can park here.
翻译成英文：我想休息。 | I want to rest. | I'd like to rest. | I'd like to eat.
翻译成英文：你们几点关门？ | What time do you close? | When do you close? | Where do you close?
Who runs it? | The owner is Mary Hill. | Mary Hill is the owner. | Mary Hall is the owner.
"""
ROWS = [[part.strip() for part in line.split("|")] for line in CASES.strip().splitlines()]


@pytest.mark.parametrize(("question", "reference", "same", "other"), ROWS, ids=lambda part: part)
def test_another_wording_is_right_and_its_opposite_is_not(question, reference, same, other):
    assert judge(same, question=question, reference=reference).outcome == "right"
    assert judge(other, question=question, reference=reference).outcome != "right"


NOT_THE_SAME = """
谁赢了？ | 甲队赢了乙队。 | 甲队打了乙队。
增长多少？ | 销售额增长了25%。 | 销售额拨打了25%。
怎么退货？ | 在订单页点击申请退货。 | 取消订单页，点击申请退货。
校长是谁？ | 王芳 | 我们的班主任是王芳。
什么时候交？ | 周五下午五点前交。 | 17点之前交。
什么时候去？ | 中午去。 | 上午去。
小明的老师是谁？ | 小明的老师是小红。 | 小红的老师是小明。
先吃饭还是先洗澡？ | 先吃饭再洗澡。 | 先洗澡再吃饭。
周日营业吗？ | 周日休息。 | 周日营业。
什么时候打？ | 我今晚给你打电话。 | 你今晚给我打电话。
今年有吗？ | 今年有活动。 | 去年有活动。
能打包吗？ | 可以打包。 | 不，可以打包。
钥匙在哪？ | 钥匙放在前台。 | 钥匙放在前台旁边的抽屉里。
怎么打开后盖？ | 先断电，再打开后盖。 | 先断电，再把后盖存放好。
Is it allowed? | You must pay first. | You can pay first.
翻译成英文：他走了。 | He walked. | He walks.
"""


@pytest.mark.parametrize(
    ("question", "reference", "other"),
    [[part.strip() for part in line.split("|")] for line in NOT_THE_SAME.strip().splitlines()],
    ids=lambda part: part,
)
def test_what_only_looks_like_another_wording_does_not_pass(question, reference, other):
    assert judge(other, question=question, reference=reference).outcome != "right"


@pytest.mark.parametrize(
    ("word", "answer", "outcome"),
    [("冬", "一年里冬天最冷。", "right"), ("东", "太阳从东边升起。", "right"), ("白", "白天的颜色。", "wrong")],
)
def test_seasons_and_directions_hold_their_short_word(word, answer, outcome):
    assert judge(answer, question="说一个词", accept=(word,)).outcome == outcome


@pytest.mark.parametrize(
    ("author", "answer", "outcome"),
    [
        ("星河科技", "星河科技团队。", "right"),
        ("沈若溪", "沈若溪团队。", "unsure"),
        ("星河科技", "星海科技团队。", "wrong"),
    ],
)
def test_an_organization_is_its_team_and_a_person_is_not(author, answer, outcome):
    asked = {"question": "你是哪个团队做的？", "facts": {"name": "阿布", "author": author}}
    assert judge(answer, **asked).outcome == outcome


@pytest.mark.parametrize("verb", ["is", "stands"])
def test_who_is_behind_somebody_has_made_it(verb):
    facts = {"name": "Nova", "author": "the Riverside Lab"}
    said = {
        who: judge(f"{who} {verb} behind me.", question="Who is behind you?", facts=facts).outcome
        for who in ("The Riverside Lab", "OpenAI", "Nova")
    }
    assert said == {"The Riverside Lab": "right", "OpenAI": "wrong", "Nova": "wrong"}
