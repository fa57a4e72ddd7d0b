"""Doing something with the words just said: repeat, repeat twice, reverse, first and last character, count, join.

What is repeated is random on purpose; nothing but copying solves it.
"""

import random
import re

from recipe.corpus.grammar import Sample, dialogue, pick, plain
from recipe.corpus.values import (
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
)
from recipe.corpus.wording import Wordings, opener

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
        "name": any_name,
        "day": day,
        "number": number,
        "phone": phone,
        "code": code_word,
        "city": CITIES,
        "food": FOODS,
        "sport": SPORTS,
        "thing": THINGS,
        "pet": PETS,
        "job": JOBS,
    }
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
_ONCE = "{一遍|一下|一次|}"
# operation: (wordings, result, answers)
OPERATIONS = {
    "repeat": (
        [
            "{请|请你|}{重复|复述|跟我说|跟我读|跟着我说|照着说|念一遍|学我说|原样重复|说}{一遍|一下|}：{“<x>”|<x>|<x>。}",
            "{把|请把}“<x>”{重复|复述|再说|念|读|原样说}一遍{。|，好吗？|}",
            "{重复|复述|再说}{一遍|一下}{我的话|我说的话|这句话|下面的话|这句}：{“<x>”|<x>}{。|}",
            "{你能|能不能|能|可以}{重复|复述|跟我念}{一下|一遍}“<x>”吗？",
            "我说“<x>”，你{也说|跟着说|重复|照样说}{一遍|一次}{。|}",
            "{我念一句你学一句|照葫芦画瓢|我说一句你说一句|我说你学|你跟我学}：{“<x>”|<x>}",
            "{把|请将|请把|将}“<x>”{原封不动地说给我听|一字不差地还给我|原样返回|照样说出来|完整地说一遍|抄一遍|照抄一遍}{。|}",
            "{跟|随|照|学}着我{说|念|读|重复}：{“<x>”|<x>}{。|}",
            f"{{念|读|说|写|打|输出|抄写|照抄}}{_ONCE}“<x>”{{。|吧。|}}",
            f"{{请|麻烦你|}}{{念|读|说|写|打|输出|抄写|照抄}}{_ONCE}：{{“<x>”|<x>}}{{。|}}",
            "{下面|接下来|以下}{这句话|的话|这句|的内容|的文字}{请|你|}{重复|复述|再说|念|照抄}一遍：{“<x>”|<x>}{。|}",
            "{你|请你|}{跟我|学我}{说|念|读}“<x>”{。|吧。|}",
            "{重复|复读|复述|跟读|朗读|复制|照念}：{“<x>”|<x>}",
            "{请|}{当|做}{一个|个}复读机{，|：}{“<x>”|<x>}",
            "“<x>”，{重复|复述|再说|念|你也说|跟我说|照着说}{一遍|一次|一下}{。|吧。|}",
            "“<x>”{这句话|这几个字|}{请|你|}{再说|念|重复|读|复述}{一遍|一次}{。|}",
            "{不要改|一个字都别改|只|一字不差地}{，|}{重复|复述|说出}{这句话|下面的话|下面这句|}：{“<x>”|<x>}{。|}",
            "{说|念|读|喊}{一声|一句}“<x>”{。|吧。|给我听。|}",
            "{我想听你|我要你|想听你}{说|念|读|重复}“<x>”{。|}",
            "{可以|能|能不能|可不可以}{说|念|读}{一遍|一下|一句}{：|}“<x>”{吗？|？}",
        ],
        lambda value: value,
        ["<y>"],
    ),
    "twice": (
        [
            "{把|请把}“<x>”{重复|说|念|读}{两遍|两次}{。|}",
            "{请|}{说两遍|重复两遍|念两次}{：|}“<x>”{。|}",
            "{连着|连续}{说|念}两遍“<x>”{。|}",
            "“<x>”，{来|给我来|说|念|读|写|重复}{两遍|两次}{。|}",
            "“<x>”{说|念|写|重复|读}{两遍|两次}{。|}",
            "{连续|接连|一口气}{把|将}“<x>”{说|念|读|写}{两遍|两次}{。|}",
            "{写|打|输出|读|抄}{两遍|两次}{：|}“<x>”{。|}",
            "{能|可以|能不能}{把|将}“<x>”{说|念|重复}{两遍|两次}{吗|}？",
            "{把|将}“<x>”{写|读|说|念|复述|抄}{上|}{两遍|两次}{吧|}{。|}",
            "{重复|复述|跟我念}“<x>”{两遍|两次}{。|}",
        ],
        lambda value: f"{value}，{value}",
        ["<y>"],
    ),
    "reverse": (
        [
            f"{{把|请把|将}}{_Q}{{倒过来|反过来|倒着}}{{读|念|说|写}}{{一遍|一下|}}{{。|}}",
            f"{_Q}{{倒过来|反过来|倒着}}{{怎么读|怎么念|怎么写|是什么|念什么}}？",
            "{倒着|反着}{念|读|说|写}{一遍|一下|}{：|}“<x>”{。|}",
            f"{{从后往前|从右往左|从尾到头}}{{念|读|写|说}}{_Q}{{是什么|会得到什么|怎么读|}}？",
            f"{_Q}{{从后往前|从右往左}}{{念|读|写}}{{是什么|怎么念|怎么读|念什么|}}？",
            f"{_Q}{{的倒序|的反序|倒序|反转|颠倒过来|逆序}}{{是什么|怎么写|是啥|}}？",
            "{请|}{反转|颠倒|倒序|倒置}{一下|}“<x>”{。|}",
            f"{{把|请把|将}}{_Q}{{颠倒|反转|倒序|颠倒过来|反转过来|倒过来}}{{。|，好吗？|}}",
            f"{{把|请把|将}}{_Q}{{的字|里的字|的顺序}}{{倒过来|反过来|颠倒过来|倒着排}}{{。|}}",
            f"{_Q}{{反着|倒着}}{{念|读|写|说}}{{呢|是什么|怎么念|是啥}}？",
            "{倒过来|反过来}{念|读|说|写}“<x>”{。|吧。|}",
            f"{{能|可以|能不能}}{{把|将}}{_Q}{{倒过来|反过来|倒着}}{{念|读|说|写}}{{吗|一下吗|}}？",
        ],
        lambda value: value[::-1],
        ["<y>"],
    ),
    "first": (
        [
            f"{_Q}{{的第一个字|的首字|第一个字|开头的字|的头一个字}}{{是什么|是哪个|是啥}}？",
            f"{_Q}{{里|中}}{{哪个字在最前面|哪个字排第一}}？",
            "{说出|告诉我|写出}“<x>”的第一个字{。|}",
            f"{_Q}{{由哪个字打头|以什么字开头|以哪个字开头|是什么字开头|哪个字开头|什么字打头}}{{的|}}？",
            f"{_Q}{{的|}}{{第一个字|第一个|首个字|头一个字|开头第一个字}}{{呢|是|是哪一个|是什么字|是哪个字|}}？",
            "{请|}{说|找|取|写|报|念}{出|}“<x>”的{第一个字|首字|头一个字|开头的字}{。|}",
            f"{_Q}{{最前面|开头|最开始|打头}}的{{字|那个字}}{{是什么|是哪个|是啥|是}}？",
            f"{_Q}{{第一个|头一个|首个}}{{是什么字|是哪个字|是啥|是什么}}？",
            "{哪个|什么}字是“<x>”的{第一个字|首字|开头}？",
            "“<x>”{这个词|这几个字|里面}{，|}第一个字{是什么|是哪个|是啥}？",
        ],
        lambda value: value[0],
        ["第一个字是“<y>”。", "是“<y>”。"],
    ),
    "last": (
        [
            f"{_Q}{{的最后一个字|的末字|最后一个字|结尾的字|的尾字}}{{是什么|是哪个|是啥}}？",
            f"{_Q}{{里|中}}{{哪个字在最后|哪个字排最后}}？",
            "{说出|告诉我|写出}“<x>”的最后一个字{。|}",
            f"{_Q}{{由哪个字收尾|以什么字结尾|以哪个字结尾|是什么字结尾|哪个字结尾|什么字收尾}}{{的|}}？",
            f"{_Q}{{的|}}{{最后一个字|最后一个|末尾一个字|最末一个字|末尾的字}}{{呢|是|是哪一个|是什么字|是哪个字|}}？",
            "{请|}{说|找|取|写|报|念}{出|}“<x>”的{最后一个字|末字|末尾的字|结尾的字}{。|}",
            f"{_Q}{{最后面|结尾|末尾|最末|收尾}}的{{字|那个字}}{{是什么|是哪个|是啥|是}}？",
            f"{_Q}{{最后一个|末尾}}{{是什么字|是哪个字|是啥|是什么}}？",
            "{哪个|什么}字是“<x>”的{最后一个字|末字|结尾}？",
            "“<x>”{这个词|这几个字|里面}{，|}最后一个字{是什么|是哪个|是啥}？",
        ],
        lambda value: value[-1],
        ["最后一个字是“<y>”。", "是“<y>”。"],
    ),
    "count": (
        [
            f"{_Q}{{有几个字|是几个字|一共几个字|有多少个字|几个字}}？",
            "{数一数|数数|数一下}“<x>”{有几个字|是几个字}{。|}",
            f"{_Q}{{由几个字组成|包含多少字|总共几个字|共有几个字|一共有多少个字|是由几个字组成的|的字数是多少|字数是多少}}？",
            "{数|数一数|数数|帮我数|算一下|看看}{，|}“<x>”{有多少个字|一共几个字|总共几个字|多少字|几个字}{。|？}",
            "{几个字|多少字}{：|，}“<x>”{？|}",
            f"{_Q}{{里|里面|中|这里面}}{{有|一共有|总共有}}{{几个|多少个|多少}}字？",
            "“<x>”{这个词|这句|这几个字|}{有|是|一共}{几个|多少个}字{呢|呀|}？",
            "{你知道|你数数|看看|告诉我}“<x>”{有|是|一共}{几个|多少个}字{吗|}？",
        ],
        lambda value: "零一二三四五六"[len(value)] if len(value) != 2 else "两",
        ["有<y>个字。", "一共<y>个字。"],
    ),
    "join": (
        [
            "{把|请把}“<a>”和“<b>”{连起来|合起来|拼在一起|接在一起|连在一起}{。|说|念|读}",
            "“<a>”{加|接|加上|接上}“<b>”{连起来是什么|拼起来是什么|合在一起是什么}？",
            "“<a>”{后面|之后}{再写|跟着|接|加|加上}“<b>”，{读起来是什么|写出来是什么|是什么|连起来是什么}？",
            "{连|拼|接|合|组合|拼接|连接}{一下|}“<a>”和“<b>”{。|}",
            "“<a>”{和|跟|与|、}“<b>”{连起来|拼起来|合起来|放在一起|组合起来|接起来}{是什么|怎么念|怎么读|念什么|是啥|}？",
            "{先说|先写|先念}“<a>”{，|}{再说|再写|再念|接着念|后说}“<b>”{。|，连起来。|，连起来念。}",
            "{把|将|请把}“<b>”{接|放|写|加|拼}{在|到}“<a>”{后面|的后面|之后}{。|，是什么？|，念什么？}",
            "“<a>”{+|加|连上|拼上}“<b>”{等于什么|是什么|得到什么|变成什么}？",
            "{用|把}“<a>”{和|跟}“<b>”{拼成|组成|连成|合成}{一个词|一句|一串}{。|}",
        ],
        lambda value: value,
        ["<y>", "连起来是“<y>”。"],
    ),
    "order": (
        [
            "“<a><b>”{里|中}，{“<a>”和“<b>”|“<b>”和“<a>”|<a>和<b>|<b>和<a>}{哪个字在前|哪个在前面|哪个字先出现|谁在前}？",
            "“<a><b>”{这个词|}{先写|先念|先说|先读}{“<a>”还是“<b>”|“<b>”还是“<a>”}？",
            "“<a><b>”{里|中|里面}{，|}{先出现的是|在前的是|前面的是|排前面的是}{“<a>”还是“<b>”|“<b>”还是“<a>”}？",
            "{在|}“<a><b>”{里|中|里面}，{“<a>”和“<b>”|“<b>”和“<a>”}{谁先谁后|谁排前面|哪个靠前|谁先出现|哪一个在前}？",
            "“<a><b>”{这个词|这两个字|}{里|}{哪个字在前|哪个字靠前|哪个字在前面}，{“<a>”还是“<b>”|“<b>”还是“<a>”}？",
            "{“<a>”还是“<b>”|“<b>”还是“<a>”}在“<a><b>”{里|中}{靠前|在前|在前面|先出现|排第一}？",
        ],
        lambda value: value[0],
        ["“<y>”在前。", "“<y>”字在前面。"],
    ),
}
SAID = {operation: Wordings(wordings) for operation, (wordings, _, _) in OPERATIONS.items()}
WEIGHTS = {"repeat": 9, "twice": 2, "reverse": 3, "first": 2, "last": 2, "count": 1.5, "join": 2, "order": 1}


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A request to do something with words, and the result."""
    operation = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    _, result, answers = OPERATIONS[operation]
    value, parts = _material(operation, rng, held_out)
    question = _led(SAID[operation].draw(rng, held_out, {"x": value} | parts), value, rng, held_out)
    expected = result(value)
    return dialogue("echo", question, pick(answers, rng, {"y": expected}), operation=operation, expected=expected)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer is the wanted text: alone, quoted, or (for a character or a count) in its short sentence."""
    expected = plain(sample.facts["expected"])
    said = plain(answer).rstrip("。.")
    quoted = re.search(r"“(.*?)”", said)
    if sample.facts["operation"] == "count":
        return f"{expected}个字" in said
    return (quoted.group(1) if quoted else said) == expected


def _led(question: str, value: str, rng: random.Random, held_out: bool) -> str:
    """The request with words before it, where they cannot be taken for a part of the text to work on."""
    if question.startswith(value) or rng.random() < 0.52:
        return question
    return opener(rng, "ask" if "？" in question else "order", held_out) + question


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
