"""Days of the week, months, seasons and hours: before and after, by name and by number.

Some counted steps (three days after Friday) are kept for evaluation, as are wordings. What today really is, the model cannot know
and says so.
"""

import random

from .grammar import Sample, dialogue, expand, pick, plain
from .wording import ask, reserved

SKILL = "weekdays"
DAYS = "一二三四五六日"
MONTHS = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
SEASONS = ("春天", "夏天", "秋天", "冬天")
NAMED_STEPS = {"明天": 1, "后天": 2, "大后天": 3, "昨天": -1, "前天": -2, "大前天": -3}
COUNTS = ("", "一", "两", "三", "四", "五", "六")
NO_CLOCK = "我看不到日历和时钟，不知道现在的日期和时间。"

STEP = (
    "{今天|今天是}<day>，<step>{是|}<week>{几|几呢}？", "如果今天{是|}<day>，{那么|那|}<step>{是|}<week>几？", "今天<day>，<step>呢？", "<day>的话，<step>是<week>几？",
    "{假设|要是|假如}今天{是|}<day>，{那么|那|}<step>是<week>几？", "{已知|}今天是<day>，<step>应该是<week>几？", "今天是<day>，请问<step>是<week>几？",
)  # fmt: skip
HELD_STEP = ("把今天当作<day>，那么<step>会是<week>几？", "今天刚好是<day>，你说<step>是<week>几？", "今天是<day>的话，推算一下<step>是<week>几。")
BACKWARD = ("{如果|}<known>是<day>，{那么|那|}今天是<week>几？", "<known><day>，今天<week>几？", "{要是|}<known>是<day>，今天呢？")
HELD_BACKWARD = ("已经知道<known>是<day>，推算一下今天是<week>几。", "<known>刚好是<day>，你说今天是<week>几？")
NEIGHBOUR = ("<day>的{前一天|后一天}是<week>几？", "<day>{之后|后面|过后}是<week>几？", "<day>{之前|前面}是<week>几？", "<day>的{下一天|第二天}是<week>几？")
HELD_NEIGHBOUR = ("紧跟着<day>的那一天是<week>几？", "过了<day>就到<week>几了？")
MONTH = ("<month>的{下|下一|后一}个月是几月？", "<month>{之后|过后|后面}是几月？", "{这个月|现在}是<month>，下个月是几月？", "<month>过完{是|就是}几月？")
MONTH_BACK = ("<month>的{上|上一|前一}个月是几月？", "<month>{之前|前面}是几月？", "{这个月|现在}是<month>，上个月是几月？")
HELD_MONTH, HELD_MONTH_BACK = ("紧跟在<month>后面的是哪个月？", "过了<month>就到几月了？"), ("排在<month>前面的是哪个月？",)
SEASON_AFTER = ("<season>{之后|过后|后面|过去了}是{什么|哪个}季节？", "<season>的{下一个|下个}季节是{什么|哪个}？", "<season>过完是什么天？", "过了<season>是{什么|哪个}季节？")
HELD_SEASON_AFTER = ("紧跟着<season>的是哪个季节？", "<season>走了，哪个季节会来？")
SEASON_OF = ("<month>是{什么|哪个}季节？", "<month>{属于|在}{什么|哪个}季节？", "<month>是春天、夏天、秋天还是冬天？")
HELD_SEASON_OF = ("到了<month>，是什么季节了？", "<month>算哪个季节？")
HOURS = ("现在{是|}<hour>点，<n>{个|}小时{后|以后|之后}是几点？", "<hour>点{再过|过}<n>{个|}小时是几点？", "<hour>点开始，<n>{个|}小时后结束，几点结束？")
HELD_HOURS = ("从<hour>点往后数<n>个小时，是几点？", "<hour>点出发，路上要<n>个小时，几点到？")
TODAY = ("今天{是|}星期几？", "现在{是|}几点{了|钟了|}？", "今天{是|}几号？", "今天几月几号？", "今天是什么日子？", "今天周几{啊|呀|}？", "现在是什么时间？", "现在是哪一年？", "今年是哪年？", "今天礼拜几？")
HELD_TODAY = ("你知道今天是周几吗？", "告诉我现在的时间。", "今天的日期是多少？", "请报一下现在几点。")
FIXED = {
    "周末是哪两天？|一周里哪两天是周末？|周末是星期几？": ("周末是星期六和星期日。", "星期六 星期日"),
    "一年有哪四季？|四季是哪四个？|一年有哪几个季节？|四个季节分别是什么？": ("四季是春天、夏天、秋天和冬天。", "春 夏 秋 冬"),
    "一周的第一个工作日是星期几？|工作日从星期几开始？": ("工作日从星期一开始。", "星期一"),
    "一年的第一个月是几月？|一年从几月开始？": ("一年的第一个月是一月。", "一月"),
    "一年的最后一个月是几月？|几月是一年的最后一个月？": ("一年的最后一个月是十二月。", "十二月"),
    "哪个季节最热？|一年里什么季节最热？|最热的季节是哪个？": ("夏天最热。", "夏"),
    "哪个季节最冷？|一年里什么季节最冷？|最冷的季节是哪个？": ("冬天最冷。", "冬"),
    "哪个月天数最少？|一年里哪个月最短？|几月的天数最少？": ("二月的天数最少。", "二月"),
}


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
        phrase, change = written + ("{天后|天以后|天之后}" if forward else "{天前|天以前|天之前}"), count if forward else -count
        if reserved(f"{day} {change}") == held_out:
            break
    step_text = expand(phrase, rng)
    lists = {"day": write_day(day, rng), "step": step_text, "week": rng.choice(("星期", "星期", "周", "礼拜"))}
    question = ask(rng, pick((STEP, HELD_STEP)[held_out], rng, lists), held_out)
    return dialogue(SKILL, question, f"{step_text}是{day_name(day + change)}。", day=DAYS[(day + change) % 7])


def backward(rng: random.Random, held_out: bool) -> Sample:
    """明天是星期六，今天星期几."""
    day, (known, change) = rng.randrange(7), rng.choice(list(NAMED_STEPS.items()))
    lists = {"day": write_day(day, rng), "known": known, "week": rng.choice(("星期", "周", "礼拜"))}
    question = ask(rng, pick((BACKWARD, HELD_BACKWARD)[held_out], rng, lists), held_out)
    return dialogue(SKILL, question, f"今天是{day_name(day - change)}。", day=DAYS[(day - change) % 7])


def neighbour(rng: random.Random, held_out: bool) -> Sample:
    day = rng.randrange(7)
    lists = {"day": write_day(day, rng), "week": rng.choice(("星期", "周", "礼拜"))}
    question = pick((NEIGHBOUR, HELD_NEIGHBOUR)[held_out], rng, lists)
    before = "前" in question
    result = day + (-1 if before else 1)
    answer = f"{day_name(day)}的{'前' if before else '后'}一天是{day_name(result)}。"
    return dialogue(SKILL, ask(rng, question, held_out), answer, day=DAYS[result % 7])


def month(rng: random.Random, held_out: bool) -> Sample:
    number, back = rng.randrange(12), rng.random() < 0.4
    templates = ((MONTH, HELD_MONTH), (MONTH_BACK, HELD_MONTH_BACK))[back][held_out]
    question = ask(rng, pick(templates, rng, {"month": write_month(number, rng)}), held_out)
    result = MONTHS[(number + (-1 if back else 1)) % 12] + "月"
    return dialogue(SKILL, question, f"{MONTHS[number]}月的{'上' if back else '下'}一个月是{result}。", ending=result)


def season(rng: random.Random, held_out: bool) -> Sample:
    """The season after a season, or of a month (March to May is spring, and so on)."""
    if rng.random() < 0.4:
        index = rng.randrange(4)
        question = pick((SEASON_AFTER, HELD_SEASON_AFTER)[held_out], rng, {"season": SEASONS[index]})
        result = SEASONS[(index + 1) % 4]
        answer = f"{SEASONS[index]}之后是{result}。"
    else:
        number = rng.randrange(12)
        question = pick((SEASON_OF, HELD_SEASON_OF)[held_out], rng, {"month": write_month(number, rng)})
        result = SEASONS[(number + 10) % 12 // 3]
        answer = f"{MONTHS[number]}月是{result}。"
    return dialogue(SKILL, ask(rng, question, held_out), answer, ending=result)


def hours(rng: random.Random, held_out: bool) -> Sample:
    while True:
        start, count = rng.randint(1, 11), rng.randint(1, 8)
        if start + count <= 12 and reserved(f"{start} o'clock +{count}", 8) == held_out:
            break
    lists = {"hour": str(start), "n": ("一", "两", "三", "四", "五", "六", "七", "八")[count - 1] if rng.random() < 0.6 else str(count)}
    question = ask(rng, pick((HOURS, HELD_HOURS)[held_out], rng, lists), held_out)
    return dialogue(SKILL, question, f"{start}点过{count}个小时是{start + count}点。", ending=f"{start + count}点")


def fixed(rng: random.Random, held_out: bool) -> Sample:
    """Facts of the calendar; the last wording of each is held out."""
    wordings, (answer, needles) = rng.choice(list(FIXED.items()))
    *trained, kept = wordings.split("|")
    return dialogue(SKILL, ask(rng, kept if held_out else rng.choice(trained), held_out), answer, needles=needles.split())


def today(rng: random.Random, held_out: bool) -> Sample:
    return dialogue(SKILL, ask(rng, pick((TODAY, HELD_TODAY)[held_out], rng), held_out), NO_CLOCK, needles=["不知道"])


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about the calendar with its answer."""
    kinds = (step, backward, neighbour, month, season, hours, fixed, today)
    return rng.choices(kinds, (45, 10, 10, 10, 10, 6, 4, 5))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Whether the answer ends with the right day, month, season or hour."""
    text = plain(answer).rstrip("。.")
    if "day" in sample.facts:
        text = text.replace("星期天", "星期日").replace("周", "星期").replace("礼拜", "星期")
        return text.endswith("星期" + sample.facts["day"])
    if "ending" in sample.facts:
        return text.endswith(("是" + plain(sample.facts["ending"]), plain(sample.answer).rstrip("。.")))
    return all(needle in text for needle in sample.facts["needles"])
