"""Days of the week, months, seasons and hours: before and after, by name and by number.

Some counted steps (three days after Friday) are kept for evaluation, as are wordings. What today really is, the model cannot know
and says so.
"""

import random

from recipe.corpus.grammar import Sample, dialogue, expand, plain
from recipe.corpus.pool import Pool
from recipe.corpus.wording import reserved

SKILL = "weekdays"
DAYS = "一二三四五六日"
MONTHS = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
SEASONS = ("春天", "夏天", "秋天", "冬天")
NAMED_STEPS = {"明天": 1, "后天": 2, "大后天": 3, "昨天": -1, "前天": -2, "大前天": -3}
COUNTS = ("", "一", "两", "三", "四", "五", "六")
NO_CLOCK = "我看不到日历和时钟，不知道现在的日期和时间。"

STEP = Pool(
    "{今天|今天是}<day>，<step>{是|}<week>{几|几呢|几呀}？",
    "如果今天{是|}<day>，{那么|那|}<step>{是|}<week>几？",
    "今天{是|}<day>，{那|}<step>呢？",
    "<day>的话，<step>是<week>几？",
    "{假设|要是|假如}今天{是|}<day>，{那么|那|}<step>是<week>几？",
    "{已知|}今天是<day>，<step>应该是<week>几？",
    "今天是<day>，请问<step>是<week>几？",
    "{把今天当作|就当今天是}<day>，{那么|那}<step>{会|}是<week>几？",
    "今天刚好{是|}<day>，你说<step>是<week>几？",
    "今天是<day>的话，{推算一下|算一下|}<step>{是|会是}<week>几{。|？}",
    "今天<day>，{你知道|知道|帮我算算}<step>是<week>几{吗|么|}？",
    "<step>是<week>几？今天{是|}<day>。",
    "<step><week>几，今天<day>",
    "今天{是|}<day>，{算一下|算算|说说|告诉我}<step>是<week>几。",
    "要是今天是<day>，<step>呢？",
    "<step>是<week>几，如果今天是<day>？",
    "{我们|这里|咱们}今天<day>，<step>{就是|是}<week>几{了|}？",
    "今天{是|}<day>，{我想知道|想知道}<step>是<week>几。",
    "{现在是|这天是}<day>，<step>是<week>几？",
    "日历上今天是<day>，<step>是<week>几？",
)
BACKWARD = Pool(
    "{如果|}<known>是<day>，{那么|那|}今天是<week>几{呢|}？",
    "<known><day>，今天<week>几？",
    "{要是|}<known>是<day>，今天呢？",
    "已{经|}知{道|}<known>是<day>，{推算一下|算一下|}今天是<week>几{。|？}",
    "<known>刚好{是|}<day>，你说今天是<week>几？",
    "<known>是<day>的话，今天是<week>几？",
    "{假如|假设}<known>是<day>，今天<week>几？",
    "今天是<week>几？<known>是<day>。",
    "<known>{是|}<day>，{请问|你知道|告诉我}今天是<week>几{吗|}？",
    "<known>{都|}是<day>了，今天{应该|}是<week>几？",
    "今天<week>几，<known>是<day>？",
    "<known>是<day>，{推算|算算|想想}今天<week>几。",
)
AFTER = Pool(
    "<day>的{后一天|下一天|第二天}是<week>几{呢|}？",
    "<day>{之后|后面|过后|以后}是<week>几{呢|}？",
    "{紧跟着|紧接着}<day>的{那一天|一天}是<week>几？",
    "过了<day>{就|}{到|是}<week>几{了|}？",
    "<day>{完了|过完}是<week>几？",
    "<day>{接下来|往后一天|再过一天}是<week>几？",
    "<day>{下面|后边}{一天|}是<week>几？",
    "<day>的下一天呢？",
    "{你知道|知道|告诉我}<day>{后面|之后|的后一天}是<week>几{吗|}？",
    "哪天在<day>{后面|之后}？",
    "<day>后一天<week>几",
)
BEFORE = Pool(
    "<day>的{前一天|上一天|头一天}是<week>几{呢|}？",
    "<day>{之前|前面|以前}是<week>几{呢|}？",
    "{排在|在}<day>{前面|之前}的{那一天|一天}是<week>几？",
    "<day>{往前|倒回|再往前}一天是<week>几？",
    "<day>{前边|前头}{一天|}是<week>几？",
    "{你知道|知道|告诉我}<day>{前面|之前|的前一天}是<week>几{吗|}？",
    "哪天在<day>{前面|之前}？",
    "到<day>的前一天是<week>几？",
    "<day>前一天<week>几",
)
MONTH = Pool(
    "<month>的{下|下一|后一}个月是{几月|哪个月}？",
    "<month>{之后|过后|后面|以后}是{几月|哪个月}？",
    "{这个月|现在|本月}是<month>，下个月是{几月|哪个月}？",
    "<month>过完{是|就是}{几月|哪个月}？",
    "{紧跟在|紧接着}<month>{后面|}的是{哪个月|几月}？",
    "过了<month>{就|}{到|是}{几月|哪个月}{了|}？",
    "{如果|}这个月是<month>，{那|}下个月呢？",
    "<month>{接下来|下面|往后一个月}是几月？",
    "{你知道|知道|告诉我}<month>{后面|之后}是几月{吗|}？",
    "现在<month>，下个月{几月|是几月}",
    "<month>{完了|结束了}是{几月|哪个月}？",
)
MONTH_BACK = Pool(
    "<month>的{上|上一|前一}个月是{几月|哪个月}？",
    "<month>{之前|前面|以前}是{几月|哪个月}？",
    "{这个月|现在|本月}是<month>，上个月是{几月|哪个月}？",
    "{排在|在}<month>{前面|之前}的是{哪个月|几月}？",
    "{如果|}这个月是<month>，{那|}上个月呢？",
    "<month>{往前一个月|再往前}是几月？",
    "{你知道|知道|告诉我}<month>{前面|之前}是几月{吗|}？",
    "现在<month>，上个月{几月|是几月}",
    "到<month>之前是{几月|哪个月}？",
)
SEASON_AFTER = Pool(
    "<season>{之后|过后|后面|过去了}是{什么|哪个}季节？",
    "<season>的{下一个|下个}季节是{什么|哪个}？",
    "<season>过完是什么季节？",
    "过了<season>是{什么|哪个}季节？",
    "{紧跟着|紧接着}<season>的是{哪个|什么}季节？",
    "<season>{走了|结束了}，{哪个|什么}季节会来？",
    "<season>{后面|之后|完了}是{啥|哪一季}？",
    "{哪个|什么}季节在<season>{后面|之后}？",
    "{你知道|知道|告诉我}<season>之后是什么季节{吗|}？",
    "<season>{过了|走了}就是什么季节{了|}？",
    "<season>下一季{是|}什么？",
)
SEASON_OF = Pool(
    "<month>是{什么|哪个}季节{呢|}？",
    "<month>{属于|在}{什么|哪个}季节？",
    "<month>是春天、夏天、秋天还是冬天？",
    "{到了|}<month>{，|}是{什么|哪个}季节了？",
    "<month>算{哪个|什么}季节？",
    "<month>{是|属于}哪{一季|个季}？",
    "{你知道|知道|告诉我}<month>是什么季节{吗|}？",
    "<month>是{春夏秋冬哪一个|四季里的哪个}？",
    "<month>{正是|一般是|应该是}{什么|哪个}季节？",
    "<month>什么季节",
    "现在<month>，是什么季节？",
)
HOURS = Pool(
    "现在{是|}<hour>点，<n>{个|}小时{后|以后|之后}是几点{呢|}？",
    "<hour>点{再过|过|过了}<n>{个|}小时是几点？",
    "<hour>点开始，<n>{个|}小时{后|以后}结束，{几点|什么时候}结束？",
    "从<hour>点往后{数|推}<n>{个|}小时，是几点？",
    "<hour>点出发，{路上|}要<n>{个|}小时，几点{到|能到}？",
    "<hour>点，再等<n>{个|}小时{是|就是}几点？",
    "<hour>点{以后|之后}<n>个小时是几点？",
    "<n>{个|}小时{后|以后}是几点？现在<hour>点。",
    "<hour>点{出门|上课|开会}，过了<n>个小时，现在几点？",
    "<hour>点加<n>{个|}小时是几点？",
    "电影<hour>点{开始|开演}，{放|演}<n>个小时，几点{完|结束}？",
    "{如果|}现在<hour>点，{过|再过}<n>个小时{几点|是几点}？",
)
TODAY = Pool(
    "今天{是|}{星期几|周几|礼拜几}{啊|呀|呢|}？",
    "现在{是|}几点{了|钟了|}{呀|}？",
    "今天{是|}几号{啊|呀|}？",
    "今天{是|}几月几{号|日}？",
    "今天是什么日子？",
    "现在是什么时间？",
    "{现在是|今年是}{哪一年|哪年|几几年}？",
    "{你知道|知道|能告诉我}今天{是|}{周几|星期几|几号}{吗|么}？",
    "{告诉我|说说}{现在的时间|现在几点|今天的日期|今天星期几}。",
    "今天的日期{是多少|是哪天|}？",
    "{请|}报{一下|个}{时间|现在几点|日期}。",
    "{你知道|知道}现在{几点|是几点|什么时间}{了|}{吗|么}？",
    "{几点了|什么时间了}{|？}",
    "今儿{星期几|几号|周几}？",
    "{看一下|查一下|帮我看看}{时间|日期|今天几号|现在几点}。",
    "现在几月{份|}{了|}？",
    "{今天|今日}日期",
    "这个月是几月？",
    "今天是{不是周末|周末吗|不是星期一|星期五吗}？",
    "明天{是|}{星期几|几号|周几}？",
)
FIXED = {
    "{周末|周末一般}是哪{两天|几天}？;;一周里哪两天是周末？;;周末是{星期几|周几}？;;周末{指|包括}哪{两天|几天}？;;{哪两天|哪几天}{算|是}周末？;;{一般|}周末休息哪两天？": (
        "周末是星期六和星期日。",
        "星期六 星期日",
    ),
    "一年有哪{四季|几个季节}？;;{四季|一年四季}是哪四个？;;四个季节{分别|}{是|叫}什么？;;{说说|说出|讲讲}一年的四季。;;一年四季{都|}有{哪些|什么}？;;四季{的名字|}{都|}{是|有}{什么|哪些}？": (
        "四季是春天、夏天、秋天和冬天。",
        "春 夏 秋 冬",
    ),
    "一周的第一个工作日是{星期几|周几}？;;工作日从{星期几|周几}开始？;;{星期几|周几}开始上班？;;工作日的第一天是{星期几|哪天}？;;一周从星期几开始{上班|工作}？": (
        "工作日从星期一开始。",
        "星期一",
    ),
    "一年的第一个月是{几月|哪个月}？;;一年从{几月|哪个月}开始？;;{几月|哪个月}是一年的第一个月？;;一年{开头|最开始}的月份是{几月|哪个月}？;;新年的第一个月是几月？": (
        "一年的第一个月是一月。",
        "一月",
    ),
    "一年的最后一个月是{几月|哪个月}？;;{几月|哪个月}是一年的最后一个月？;;一年到{几月|哪个月}结束？;;一年{末尾|最末}的月份是{几月|哪个月}？;;{年底|年末}是几月？": (
        "一年的最后一个月是十二月。",
        "十二月",
    ),
    "{哪个|什么}季节最热{呢|}？;;一年里{什么|哪个}季节最热？;;最热的季节是{哪个|什么}？;;一年中{哪个季节|什么时候}最热？;;{什么|哪个}季节{天气|气温}最{热|高}？;;四季里{哪个|哪季}最热？": (
        "夏天最热。",
        "夏",
    ),
    "{哪个|什么}季节最冷{呢|}？;;一年里{什么|哪个}季节最冷？;;最冷的季节是{哪个|什么}？;;一年中{哪个季节|什么时候}最冷？;;{什么|哪个}季节{天气|气温}最{冷|低}？;;四季里{哪个|哪季}最冷？": (
        "冬天最冷。",
        "冬",
    ),
    "{哪个月|几月}天数最少？;;一年里{哪个月|几月}最短？;;{几月|哪个月}的天数最少？;;天数最少的{月份|月}是{几月|哪个月}？;;{最短|天数最少}的一个月是{几月|哪个月}？;;一年中{几月|哪个月}的日子最少？": (
        "二月的天数最少。",
        "二月",
    ),
}
FIXED_POOLS = [(Pool(*wordings.split(";;")), answer, needles) for wordings, (answer, needles) in FIXED.items()]


def day_name(day: int) -> str:
    return "星期" + DAYS[day % 7]


def write_day(day: int, rng: random.Random) -> str:
    """A day as people write it: 星期三, 周三, 礼拜三, 星期天."""
    name = DAYS[day]
    return rng.choice(("星期", "星期", "周", "礼拜")) + ("天" if name == "日" and rng.random() < 0.6 else name)


def write_month(month: int, rng: random.Random) -> str:
    return (MONTHS[month] if rng.random() < 0.5 else str(month + 1)) + "月"


def step(rng: random.Random, held_out: bool) -> Sample:
    """今天星期三，后天星期几, by a named day or a count of days."""
    while True:
        day = rng.randrange(7)
        if rng.random() < 0.6:
            phrase, change = rng.choice(list(NAMED_STEPS.items()))
            break
        count, forward = rng.randint(1, 6), rng.random() < 0.65
        written = COUNTS[count] if rng.random() < 0.6 else str(count)
        phrase, change = (
            written + ("{天后|天以后|天之后}" if forward else "{天前|天以前|天之前}"),
            count if forward else -count,
        )
        if reserved(f"{day} {change}") == held_out:
            break
    step_text = expand(phrase, rng)
    lists = {"day": write_day(day, rng), "step": step_text, "week": rng.choice(("星期", "星期", "周", "礼拜"))}
    question = STEP.ask(rng, held_out, lists)
    return dialogue(SKILL, question, f"{step_text}是{day_name(day + change)}。", day=DAYS[(day + change) % 7])


def backward(rng: random.Random, held_out: bool) -> Sample:
    """明天是星期六，今天星期几."""
    day, (known, change) = rng.randrange(7), rng.choice(list(NAMED_STEPS.items()))
    lists = {"day": write_day(day, rng), "known": known, "week": rng.choice(("星期", "周", "礼拜"))}
    question = BACKWARD.ask(rng, held_out, lists)
    return dialogue(SKILL, question, f"今天是{day_name(day - change)}。", day=DAYS[(day - change) % 7])


def neighbour(rng: random.Random, held_out: bool) -> Sample:
    day = rng.randrange(7)
    lists = {"day": write_day(day, rng), "week": rng.choice(("星期", "周", "礼拜"))}
    before = rng.random() < 0.45
    result = day + (-1 if before else 1)
    answer = f"{day_name(day)}的{'前' if before else '后'}一天是{day_name(result)}。"
    return dialogue(SKILL, (BEFORE if before else AFTER).ask(rng, held_out, lists), answer, day=DAYS[result % 7])


def month(rng: random.Random, held_out: bool) -> Sample:
    number, back = rng.randrange(12), rng.random() < 0.4
    question = (MONTH_BACK if back else MONTH).ask(rng, held_out, {"month": write_month(number, rng)})
    result = MONTHS[(number + (-1 if back else 1)) % 12] + "月"
    return dialogue(SKILL, question, f"{MONTHS[number]}月的{'上' if back else '下'}一个月是{result}。", ending=result)


def season(rng: random.Random, held_out: bool) -> Sample:
    """The season after a season, or of a month (March to May is spring, and so on)."""
    if rng.random() < 0.4:
        index = rng.randrange(4)
        question = SEASON_AFTER.ask(rng, held_out, {"season": SEASONS[index]})
        result = SEASONS[(index + 1) % 4]
        answer = f"{SEASONS[index]}之后是{result}。"
    else:
        number = rng.randrange(12)
        question = SEASON_OF.ask(rng, held_out, {"month": write_month(number, rng)})
        result = SEASONS[(number + 10) % 12 // 3]
        answer = f"{MONTHS[number]}月是{result}。"
    return dialogue(SKILL, question, answer, ending=result)


def hours(rng: random.Random, held_out: bool) -> Sample:
    while True:
        start, count = rng.randint(1, 11), rng.randint(1, 8)
        if start + count <= 12 and reserved(f"{start} o'clock +{count}", 8) == held_out:
            break
    lists = {
        "hour": str(start),
        "n": ("一", "两", "三", "四", "五", "六", "七", "八")[count - 1] if rng.random() < 0.6 else str(count),
    }
    question = HOURS.ask(rng, held_out, lists)
    return dialogue(SKILL, question, f"{start}点过{count}个小时是{start + count}点。", ending=f"{start + count}点")


def fixed(rng: random.Random, held_out: bool) -> Sample:
    """Facts of the calendar."""
    wordings, answer, needles = rng.choice(FIXED_POOLS)
    return dialogue(SKILL, wordings.ask(rng, held_out), answer, needles=needles.split())


def today(rng: random.Random, held_out: bool) -> Sample:
    return dialogue(SKILL, TODAY.ask(rng, held_out), NO_CLOCK, needles=["不知道"])


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about the calendar with its answer."""
    kinds = (step, backward, neighbour, month, season, hours, fixed, today)
    return rng.choices(kinds, (45, 10, 10, 10, 10, 6, 4, 5))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer ends with the right day, month, season or hour."""
    text = plain(answer).rstrip("。.")
    if "day" in sample.facts:
        text = text.replace("星期天", "星期日").replace("周", "星期").replace("礼拜", "星期")
        return text.endswith("星期" + sample.facts["day"])
    if "ending" in sample.facts:
        return text.endswith(("是" + plain(sample.facts["ending"]), plain(sample.answer).rstrip("。.")))
    return all(needle in text for needle in sample.facts["needles"])
