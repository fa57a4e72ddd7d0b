"""Doing something with the words just said: repeat, repeat twice, reverse, first and last character, count, join.

What is repeated is random on purpose; nothing but copying solves it.
"""

import random
import re

from .grammar import Sample, dialogue, pick, plain
from .values import (
    CITIES,
    FOODS,
    JOBS,
    PETS,
    SPORTS,
    THINGS,
    any_name,
    choose,
    code_word,
    day,
    draw,
    maker,
    number,
    phone,
    two_characters,
)  # fmt: skip

NAME_AND_DOING = (
    "{<day>|}<name>{想|要|在|打算|喜欢}{去<city>{看看|出差|玩|上学}|吃<food>|<sport>|买<thing>|养一只<pet>|当<job>}",
    "{今天|昨天|刚才|早上}{天气真好|风很大|下了一场雨|我走了很多路|<name>来了|<name>打了个电话|我买了<thing>|我们吃了<food>}",
    "{<city>|山里|海边|院子里|楼下}{有一家卖<food>的店|的风景很美|很热闹|开满了花|新开了一家书店}",
    "{好好学习，天天向上|一寸光阴一寸金|熟能生巧|有志者事竟成|千里之行，始于足下|床前明月光|春眠不觉晓|白日依山尽|红豆生南国}",
    "{我|他|她|你|我们|大家}{喜欢|想要|需要|看见了|忘了带|送来了}{一个|两个|三个|}{<thing>|<food>|<pet>}",
    "{<name>和<name>|<name>}{是好朋友|在<city>{工作|上学|过年}|一起{<sport>|吃<food>}|是{<job>|邻居|同学}}",
    "{电话是<phone>|房间号是<number>|一共<number>元|密码是<code>|编号<number>}",
)


def sentence(rng: random.Random) -> str:
    """A short everyday sentence without a final mark."""
    lists = {
        "name": any_name, "day": day, "number": number, "phone": phone, "code": code_word, "city": CITIES, "food": FOODS,
        "sport": SPORTS, "thing": THINGS, "pet": PETS, "job": JOBS,
    }  # fmt: skip
    return pick(NAME_AND_DOING, rng, lists)


def text(rng: random.Random) -> str:
    """Anything that can be repeated: a sentence, a name, a number, characters that make no word."""
    kinds = (sentence, any_name, maker, number, phone, code_word, _characters)
    return rng.choices(kinds, (8, 2, 1, 1, 0.5, 1, 2))[0](rng)


def short(rng: random.Random) -> str:
    """Two to four characters or digits, to be taken apart."""
    kinds = (two_characters, code_word, lambda r: choose(CITIES + FOODS + THINGS + JOBS, r), any_name, _digits)
    while True:
        value = rng.choice(kinds)(rng)
        if 2 <= len(value) <= 4:
            return value


def _characters(rng: random.Random) -> str:
    return "".join(two_characters(rng) for _ in range(rng.choice((1, 2, 2, 3))))


def _digits(rng: random.Random) -> str:
    return "".join(rng.choice("0123456789") for _ in range(rng.choice((2, 3, 4))))


_Q = "{“<x>”|“<x>”|<x>}"
# operation: (trained wordings, held-out wordings, result, answer)
OPERATIONS = {
    "repeat": (
        [
            "{请|请你|}{重复|复述|跟我说|跟我读|跟着我说|照着说|念一遍|学我说|原样重复|说}{一遍|一下|}：{“<x>”|<x>|<x>。}",
            "{把|请把}“<x>”{重复|复述|再说|念|读|原样说}一遍{。|，好吗？|}",
            "{重复|复述|再说}{一遍|一下}{我的话|我说的话|这句话|下面的话|这句}：{“<x>”|<x>}{。|}",
            "{你能|能不能|能|可以}{重复|复述|跟我念}{一下|一遍}“<x>”吗？",
            "我说“<x>”，你{也说|跟着说|重复|照样说}{一遍|一次}{。|}",
        ],
        ["{我念一句你学一句|照葫芦画瓢}：{“<x>”|<x>}", "{把|请将}“<x>”{原封不动地说给我听|一字不差地还给我}{。|}"],
        lambda value: value,
        ["<y>"],
    ),
    "twice": (
        ["{把|请把}“<x>”{重复|说|念|读}{两遍|两次}{。|}", "{请|}{说两遍|重复两遍|念两次}{：|}“<x>”{。|}", "{连着|连续}{说|念}两遍“<x>”{。|}"],
        ["“<x>”，{来|给我来}两遍{。|}"],
        lambda value: f"{value}，{value}",
        ["<y>"],
    ),
    "reverse": (
        [
            f"{{把|请把|将}}{_Q}{{倒过来|反过来|倒着}}{{读|念|说|写}}{{一遍|一下|}}{{。|}}",
            f"{_Q}{{倒过来|反过来|倒着}}{{怎么读|怎么念|怎么写|是什么|念什么}}？",
            "{倒着|反着}{念|读|说|写}{一遍|一下|}{：|}“<x>”{。|}",
        ],
        [f"{{从后往前|从右往左}}{{念|读}}{_Q}{{是什么？|会得到什么？}}"],
        lambda value: value[::-1],
        ["<y>"],
    ),
    "first": (
        [
            f"{_Q}{{的第一个字|的首字|第一个字|开头的字|的头一个字}}{{是什么|是哪个|是啥}}？",
            f"{_Q}{{里|中}}{{哪个字在最前面|哪个字排第一}}？",
            "{说出|告诉我|写出}“<x>”的第一个字{。|}",
        ],
        [f"{_Q}{{由哪个字打头|以什么字开头}}？"],
        lambda value: value[0],
        ["第一个字是“<y>”。", "是“<y>”。"],
    ),
    "last": (
        [
            f"{_Q}{{的最后一个字|的末字|最后一个字|结尾的字|的尾字}}{{是什么|是哪个|是啥}}？",
            f"{_Q}{{里|中}}{{哪个字在最后|哪个字排最后}}？",
            "{说出|告诉我|写出}“<x>”的最后一个字{。|}",
        ],
        [f"{_Q}{{由哪个字收尾|以什么字结尾}}？"],
        lambda value: value[-1],
        ["最后一个字是“<y>”。", "是“<y>”。"],
    ),
    "count": (
        [f"{_Q}{{有几个字|是几个字|一共几个字|有多少个字|几个字}}？", "{数一数|数数|数一下}“<x>”{有几个字|是几个字}{。|}"],
        [f"{_Q}{{由几个字组成|包含多少字}}？"],
        lambda value: "零一二三四五六"[len(value)] if len(value) != 2 else "两",
        ["有<y>个字。", "一共<y>个字。"],
    ),
    "join": (
        [
            "{把|请把}“<a>”和“<b>”{连起来|合起来|拼在一起|接在一起|连在一起}{。|说|念|读}",
            "“<a>”{加|接|加上|接上}“<b>”{连起来是什么|拼起来是什么|合在一起是什么}？",
        ],
        ["“<a>”{后面|之后}{再写|跟着}“<b>”，{读起来是什么|写出来是什么}？"],
        lambda value: value,
        ["<y>", "连起来是“<y>”。"],
    ),
    "order": (
        ["“<a><b>”{里|中}，{“<a>”和“<b>”|“<b>”和“<a>”|<a>和<b>|<b>和<a>}{哪个字在前|哪个在前面|哪个字先出现|谁在前}？"],
        ["“<a><b>”{这个词|}{先写|先念}{“<a>”还是“<b>”|“<b>”还是“<a>”}？"],
        lambda value: value[0],
        ["“<y>”在前。", "“<y>”字在前面。"],
    ),
}  # fmt: skip
WEIGHTS = {"repeat": 9, "twice": 2, "reverse": 3, "first": 2, "last": 2, "count": 1.5, "join": 2, "order": 1}


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A request to do something with words, and the result."""
    operation = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    trained, kept, result, answers = OPERATIONS[operation]
    value, parts = _material(operation, rng, held_out)
    question = pick(kept if held_out else trained, rng, {"x": value} | parts)
    expected = result(value)
    return dialogue("echo", question, pick(answers, rng, {"y": expected}), operation=operation, expected=expected)


def check(sample: Sample, answer: str) -> bool:
    """Whether the answer is the wanted text: alone, quoted, or (for a character or a count) in its short sentence."""
    expected = plain(sample.facts["expected"])
    said = plain(answer).rstrip("。.")
    quoted = re.search(r"“(.*?)”", said)
    if sample.facts["operation"] == "count":
        return f"{expected}个字" in said
    return (quoted.group(1) if quoted else said) == expected


def _material(operation: str, rng: random.Random, held_out: bool) -> tuple[str, dict[str, str]]:
    """The text to work on, and its two parts where the operation has two."""
    if operation in ("repeat", "twice"):
        return draw(text, rng, held_out), {}
    if operation == "join":
        first, second = draw(short, rng, held_out), short(rng)
        return first + second, {"a": first, "b": second}
    if operation == "order":
        value = draw(_pair, rng, held_out)
        return value, {"a": value[0], "b": value[1]}
    return draw(short, rng, held_out), {}


def _pair(rng: random.Random) -> str:
    while True:
        value = two_characters(rng)
        if value[0] != value[1]:
            return value
