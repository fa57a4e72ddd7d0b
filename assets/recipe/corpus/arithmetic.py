"""Adding and subtracting within a hundred: digits and numerals, many wordings, small word problems, comparisons.

The answer always begins with the equation in digits ("35+28=63。"): one form whatever the question's form is the
easiest for a small model to learn, because the result then follows the operands at a fixed distance. Sums up to 200
and differences below zero occur too, rarely and never in evaluation; larger numbers and other operations are declined.
"""

import random
import re

from .grammar import Sample, dialogue, expand, pick, plain
from .wording import ask, reserved

SKILL = "arithmetic"
DIGITS = "零一二三四五六七八九"
BEYOND = "我只会算一百以内的加减法，这道题我不会。"

ADD = (
    "<a><plus><b>=", "<a><plus><b>=？", "<a><plus><b>{等于|是}{多少|几}？", "{算一下|算算|计算|请计算|帮我算|帮我算一下|求}<a><plus><b>",
    "<a>{加|加上}<b>{等于|是|得}{多少|几}？", "<a>和<b>{加起来|相加|加一起}{是|等于|得}{多少|几}？", "<a>与<b>的和{是|等于}{多少|几}？",
    "<a>再加<b>{是|等于}{多少|几}？", "{算一下|算算|你算算|帮我算一下}<a>{加|加上}<b>", "<a><plus><b>的{结果|答案}是{多少|几|什么}？",
    "<a><plus><b>", "如果把<a>加上<b>，{结果是多少|会得到多少}？", "{你知道|你会算|能告诉我}<a>加<b>{是多少|等于几|等于多少}吗？", "<a>加<b>呢？",
)  # fmt: skip
HELD_ADD = (
    "<a>跟<b>加在一块{是|等于}{多少|几}？", "把<a>和<b>合起来，一共是多少？", "<a>加<b>，得数是{多少|几}？", "{说说|告诉我}<a><plus><b>等于{几|多少}。",
    "我想知道<a>加上<b>的结果。",
)  # fmt: skip
SUBTRACT = (
    "<a><minus><b>=", "<a><minus><b>=？", "<a><minus><b>{等于|是}{多少|几}？", "{算一下|算算|计算|请计算|帮我算|帮我算一下|求}<a><minus><b>",
    "<a>{减|减去}<b>{等于|是|得}{多少|几}？", "从<a>{里|中|里面}{减去|减掉|拿走}<b>{还剩|剩下|是}{多少|几}？", "<a>比<b>{大|多}{多少|几}？",
    "<a>与<b>{相差|的差是}{多少|几}？", "{算一下|算算|你算算|帮我算一下}<a>{减|减去}<b>", "<a><minus><b>的{结果|答案}是{多少|几|什么}？",
    "<a><minus><b>", "<a>减<b>呢？", "如果把<a>减去<b>，{结果是多少|会得到多少}？", "{你知道|你会算|能告诉我}<a>减<b>{是多少|等于几|等于多少}吗？",
)  # fmt: skip
HELD_SUBTRACT = (
    "<a>{里|里面}去掉<b>，还有{多少|几}？", "<a>减<b>，得数是{多少|几}？", "{说说|告诉我}<a><minus><b>等于{几|多少}。", "我想知道<a>减去<b>的结果。",
    "从<a>里扣掉<b>剩{多少|几}？",
)  # fmt: skip

# A story: (question, how the answer goes on after the equation). <n> is the measure word with its noun's slot <thing>.
ADD_STORIES = (
    ("<who>有<a><m><thing>，{又|后来又|今天又}{买了|得到了|拿来了|收到了}<b><m>，{现在|}{一共|总共|}有{多少|几}<m><thing>？", "{一共|现在}有<c><m><thing>"),
    ("<place>里有<a><m><thing>，又放进去<b><m>，{现在|}<place>里{一共|}有{多少|几}<m><thing>？", "<place>里有<c><m><thing>"),
    ("<who>有<a><m><thing>，<other>有<b><m>，{他们|两个人}{一共|合起来|总共}有{多少|几}<m>？", "一共有<c><m><thing>"),
    ("{上午|昨天|早上}卖了<a><m><thing>，{下午|今天|晚上}卖了<b><m>，一共卖了{多少|几}<m>？", "一共卖了<c><m><thing>"),
    ("一<m><thing>要<a>元，一杯茶要<b>元，{一共|加起来}要{多少元|多少钱}？", "一共要<c>元"),
    ("<who>{昨天|周六}读了<a>页书，{今天|周日}读了<b>页，{两天|}一共读了{多少|几}页？", "一共读了<c>页"),
    ("班里有<a>个男生和<b>个女生，{全班|班里}一共有{多少|几}{人|个人}？", "一共有<c>个人"),
)  # fmt: skip
HELD_ADD_STORIES = (
    ("停车场{原来|本来}有<a>辆车，又开来<b>辆，现在有{多少|几}辆？", "现在有<c>辆车"),
    ("<who>攒了<a>元，外公又给了<b>元，现在有多少元？", "现在有<c>元"),
    ("<who>种了<a>棵树，<other>种了<b>棵，两人一共种了{多少|几}棵？", "一共种了<c>棵树"),
)
SUBTRACT_STORIES = (
    ("<who>有<a><m><thing>，{用掉了|送给别人|送给<other>|弄丢了|卖掉了}<b><m>，{还剩|还剩下|现在还有}{多少|几}<m>{|<thing>}？", "还剩<c><m><thing>"),
    ("<place>里有<a><m><thing>，{拿走了|拿出来|取走}<b><m>，{还剩|还有}{多少|几}<m>？", "还剩<c><m><thing>"),
    ("<who>有<a><m><thing>，<other>有<b><m>，<who>比<other>多{多少|几}<m>？", "多<c><m><thing>"),
    ("{公交车|火车|车}上有<a>{个|}人，下去了<b>{个|}人，{车上|}还剩{多少|几}{个|}人？", "还剩<c>个人"),
    ("<who>带了<a>元，{花了|花掉|用了}<b>元，还剩{多少元|多少钱}？", "还剩<c>元"),
    ("这本书有<a>页，<who>{看了|读了|已经看了}<b>页，还{剩|有}{多少|几}页没看？", "还剩<c>页"),
    ("一根绳子长<a>米，剪掉<b>米，还剩{多少|几}米？", "还剩<c>米"),
)  # fmt: skip
HELD_SUBTRACT_STORIES = (
    ("树上有<a>只鸟，飞走了<b>只，{还有|还剩}{多少|几}只？", "还剩<c>只鸟"),
    ("一箱桃子有<a>个，坏了<b>个，好的有{多少|几}个？", "好的有<c>个"),
    ("停车场里停着<a>辆车，开走<b>辆，还剩{多少|几}辆？", "还剩<c>辆车"),
)
THINGS = [
    "个苹果", "个橘子", "个鸡蛋", "个梨", "个杯子", "个气球", "个面包", "个球", "颗糖", "颗星星", "支铅笔", "支笔", "本书", "本练习册", "张邮票", "张卡片", "张票", "块饼干",
    "块积木", "朵花", "条鱼", "只鸭子", "把椅子", "瓶水", "盒牛奶", "件衣服", "辆玩具车", "粒花生",
]  # fmt: skip
WHO = ["我", "小明", "小红", "小华", "小丽", "小刚", "妈妈", "爸爸", "奶奶", "哥哥", "姐姐", "弟弟", "妹妹", "老师", "他", "她", "小李", "小王"]
PLACES = ["篮子", "盒子", "箱子", "袋子", "书包", "抽屉", "冰箱", "桌上的盘子", "柜子"]
BIGGER = ("<a>{和|跟|与}<b>{哪个|哪一个|谁}<更><word>？", "<a><b0>，{哪个|哪个数}<更><word>？", "比较一下<a>和<b>，{哪个|谁}<更><word>？")
HELD_BIGGER = ("在<a>和<b>当中，<word>的那个是{几|哪个|多少}？", "<a>、<b>这两个数里哪个<更><word>？")
YES_NO = ("<a>比<b><word>吗？", "<a>{是不是|是否}比<b><word>？")
HELD_YES_NO = ("<a>比起<b>，是<word>一些吗？",)
OUT_OF_REACH = (
    "<x>{×|*|乘|乘以|x}<y>{等于多少|是多少|=|=？|等于几}{|？}", "<x>{÷|/|除以}<y>{等于多少|是多少|=|等于几}{|？}", "<big><plus><big>{等于多少|=|是多少}{|？}",
    "<big><minus><x>{等于多少|=|是多少}{|？}", "<x>的{平方|立方|平方根}是多少？", "{算一下|帮我算}<x>{乘以|×|除以}<y>",
)  # fmt: skip
HELD_OUT_OF_REACH = ("<x>和<y>{相乘|的积}是多少？", "用<x>除以<y>得几？", "<x>的<y>倍是多少？")


def numeral(number: int, counting: bool = False) -> str:
    """The Chinese numeral of 0 to 999; ``counting`` gives 两 for a bare two before a measure word."""
    if number == 2 and counting:
        return "两"
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    if not hundreds and tens == 1:
        return "十" + (DIGITS[ones] if ones else "")
    text = DIGITS[hundreds] + "百" if hundreds else ""
    if tens:
        text += DIGITS[tens] + "十"
    elif hundreds and ones:
        text += "零"
    return text + (DIGITS[ones] if ones or not text else "")


def is_held(first: int, operator: str, second: int) -> bool:
    """Whether a pair of numbers is kept for evaluation: one in ten, both orders of a sum, and no one-digit pairs."""
    if max(first, second) <= 10:
        return False
    low, high = (min(first, second), max(first, second)) if operator == "+" else (first, second)
    return reserved(f"{low}{operator}{high}")


def draw_pair(rng: random.Random, operator: str, held_out: bool) -> tuple[int, int, int]:
    """(first, second, result): within a hundred; in training now and then a sum to 200 or a difference below zero."""
    beyond = not held_out and rng.random() < 0.07
    while True:
        top = 20 if rng.random() < 0.25 and not held_out else 100
        first, second = rng.randint(0, top), rng.randint(0, top)
        if operator == "-" and not beyond:
            first, second = max(first, second), min(first, second)
        result = first + second if operator == "+" else first - second
        if (0 <= result <= 100 or beyond) and is_held(first, operator, second) == held_out:
            return first, second, result


def write(number: int, rng: random.Random, numerals: bool, counting: bool = False) -> str:
    """A number as numeral, digits, or digits with a space about them."""
    if numerals:
        return numeral(number, counting)
    return str(number) if rng.random() < 0.85 else f" {number} "


def slots(rng: random.Random, first: int, second: int, counting: bool = False) -> dict:
    numerals = rng.random() < 0.25
    return {
        "a": write(first, rng, numerals, counting).lstrip(), "b": write(second, rng, numerals, counting),
        "plus": rng.choice(("+", "+", "＋", " + ")), "minus": rng.choice(("-", "-", "－", " - ", "−")),
    }  # fmt: skip


def equation(rng: random.Random, held_out: bool) -> Sample:
    """A bare sum or difference; in training sometimes followed by a second step on the result."""
    operator = rng.choice("+-")
    first, second, result = draw_pair(rng, operator, held_out)
    templates = {"+": (ADD, HELD_ADD), "-": (SUBTRACT, HELD_SUBTRACT)}[operator][held_out]
    question = ask(rng, pick(templates, rng, slots(rng, first, second)).strip(), held_out)
    answer = f"{first}{operator}{second}={result}。"
    if rng.random() > 0.12 or not 0 <= result <= 100:
        return dialogue(SKILL, question, answer, numbers=(first, operator, second, result))
    return next_step(rng, held_out, [question, answer], result)


def next_step(rng: random.Random, held_out: bool, turns: list[str], start: int) -> Sample:
    """A follow-up to an answered sum (再加5呢？): the last result is the first operand."""
    steps = [(operator, number) for operator in "+-" for number in range(1, 31)]
    steps = [
        (operator, number, start + number if operator == "+" else start - number)
        for operator, number in steps
        if is_held(start, operator, number) == held_out
    ]
    steps = [step for step in steps if 0 <= step[2] <= 100]
    if not steps:
        return dialogue(SKILL, *turns, numbers=_parse(turns[-1]))
    operator, number, result = rng.choice(steps)
    verb = "{加|加上}" if operator == "+" else "{减|减去}"
    template = ("在这个结果上" + verb + "<n>是多少？") if held_out else ("{再|然后再|接着|}" + verb + "<n>{呢|是多少|等于几}？")
    question = expand(template, rng, {"n": str(number)})
    return dialogue(SKILL, *turns, question, f"{start}{operator}{number}={result}。", numbers=(start, operator, number, result))


def story(rng: random.Random, held_out: bool) -> Sample:
    """A small word problem, answered by its equation and a sentence."""
    operator = rng.choice("+-")
    first, second, result = draw_pair(rng, operator, held_out)
    while result < 0 or result > 100 or not first or not second:
        first, second, result = draw_pair(rng, operator, held_out)
    stories = {"+": (ADD_STORIES, HELD_ADD_STORIES), "-": (SUBTRACT_STORIES, HELD_SUBTRACT_STORIES)}[operator][held_out]
    question, answer = rng.choice(stories)
    thing, (who, other) = rng.choice(THINGS), rng.sample(WHO, 2)
    lists = slots(rng, first, second, counting=True) | {
        "m": thing[0], "thing": thing[1:], "who": who, "other": other, "c": str(result),
        "place": rng.choice(PLACES),
    }  # fmt: skip
    answer = f"{first}{operator}{second}={result}，{expand(answer, rng, lists)}。"
    return dialogue(SKILL, ask(rng, expand(question, rng, lists), held_out), answer, numbers=(first, operator, second, result))


def comparison(rng: random.Random, held_out: bool) -> Sample:
    """Which of two numbers is larger or smaller, or whether one is."""
    while True:
        first, second = rng.randint(0, 100), rng.randint(0, 100)
        if first != second and reserved(f"{min(first, second)}?{max(first, second)}") == held_out:
            break
    larger, word = rng.random() < 0.6, "大"
    if not larger:
        word = "小"
    winner = max(first, second) if larger else min(first, second)
    loser = first + second - winner
    statement = f"{winner}比{loser}{word}。"
    lists = slots(rng, first, second) | {"word": word, "更": rng.choice(("", "更")), "b0": rng.choice(("和", "、", "跟")) + str(second)}
    if rng.random() < 0.7:
        question = pick((BIGGER, HELD_BIGGER)[held_out], rng, lists)
        return dialogue(SKILL, ask(rng, question, held_out), statement, compare=statement)
    answer = f"{'对' if winner == first else '不'}，{statement}"
    question = pick((YES_NO, HELD_YES_NO)[held_out], rng, lists)
    return dialogue(SKILL, ask(rng, question, held_out), answer, compare=answer)


def out_of_reach(rng: random.Random, held_out: bool) -> Sample:
    """Other operations and large numbers: said not to be known."""
    lists = {
        "x": str(rng.randint(2, 99)), "y": str(rng.randint(2, 99)), "big": lambda rng: str(rng.randint(1000, 99999)),
        "plus": rng.choice("+加"), "minus": rng.choice("-减"),
    }  # fmt: skip
    question = pick((OUT_OF_REACH, HELD_OUT_OF_REACH)[held_out], rng, lists)
    return dialogue(SKILL, ask(rng, question, held_out), BEYOND, beyond=True)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about numbers with its answer."""
    kinds = (equation, story, comparison, out_of_reach)
    return rng.choices(kinds, (62, 20, 12, 6))[0](rng, held_out)


def _parse(text: str) -> tuple[int, str, int, int]:
    first, operator, second, result = re.match(r"(\d+)([+-])(\d+)=(-?\d+)", text).groups()
    return int(first), operator, int(second), int(result)


def check(sample: Sample, answer: str) -> bool:
    """Whether the result is right, and the operands too where the answer states an equation; no other number may stand there."""
    text = plain(answer).replace("−", "-")
    if "beyond" in sample.facts:
        return "不会" in text and "=" not in text
    if "compare" in sample.facts:
        return text.rstrip("。.") == plain(sample.facts["compare"]).rstrip("。.")
    first, operator, second, result = sample.facts["numbers"]
    equation = re.compile(r"(\d+)([+-])(\d+)(?:=|等于)(-?\d+)")
    stated = [(int(a), sign, int(b), int(c)) for a, sign, b, c in equation.findall(text)]
    others = [int(number) for number in re.findall(r"-?\d+", equation.sub("", text))]
    if stated:
        return set(stated) == {(first, operator, second, result)} and set(others) <= {result}
    return bool(others) and others[-1] == result and set(others) <= {first, second, result}
