"""Adding and subtracting within a hundred: digits and numerals, many wordings, small word problems, comparisons.

The answer always begins with the equation in digits ("35+28=63。"): one form whatever the question's form is the
easiest for a small model to learn, because the result then follows the operands at a fixed distance. Sums up to 200
and differences below zero occur too, rarely and never in evaluation; larger numbers and other operations are declined.
"""

import random
import re

from recipe.corpus.grammar import Lists, Sample, dialogue, expand, plain
from recipe.corpus.pool import Pool
from recipe.corpus.wording import ask, reserved

SKILL = "arithmetic"
DIGITS = "零一二三四五六七八九"
BEYOND = "我只会算一百以内的加减法，这道题我不会。"


class Stories:
    """Small word problems, "question => how the answer goes on", split like the templates of a pool."""

    def __init__(self, *stories: str):
        self.told = dict(story.split(" => ") for story in stories)
        self.pool = Pool(*self.told)

    def draw(self, rng: random.Random, held_out: bool, lists: Lists) -> tuple[str, str]:
        """(question, end of the answer)."""
        story = rng.choice(self.pool.held if held_out else self.pool.trained)
        return expand(story, rng, lists), expand(self.told[story], rng, lists)


ADD = Pool(
    "<a><plus><b>=",
    "<a><plus><b>=？",
    "<a><plus><b>{等于|是|得}{多少|几}{呢|呀|啊|}？",
    "{算一下|算算|计算|请计算|帮我算|帮我算一下|求|算|算一算|计算一下}{：| |}<a><plus><b>{=|}",
    "<a>{加|加上}<b>{等于|是|得}{多少|几}{呢|呀|啊|}？",
    "<a>{和|跟|与}<b>{加起来|相加|加一起|加在一起}{是|等于|得}{多少|几}？",
    "<a>{与|和}<b>的和{是|等于|为}{多少|几}？",
    "<a>再加{上|}<b>{是|等于}{多少|几}？",
    "{算一下|算算|你算算|帮我算一下|帮我算算|算一算}<a>{加|加上}<b>{等于几|是多少|等于多少|}",
    "<a><plus><b>的{结果|答案|得数|和}是{多少|几|什么}？",
    "<a><plus><b>",
    "<a>加<b>",
    "{如果|}把<a>加上<b>，{结果是多少|会得到多少|得多少|是多少}？",
    "{你知道|你会算|能告诉我|知道|会算}<a>加<b>{是多少|等于几|等于多少}{吗|么}？",
    "<a>加<b>{呢|呀}？",
    "<a>{跟|和}<b>加在一块{是|等于}{多少|几}？",
    "把<a>{和|跟}<b>合{起来|在一起}，{一共|总共|}是多少？",
    "<a>加<b>，{得数|结果|答案}是{多少|几}？",
    "{说说|告诉我|请问}<a><plus><b>{等于|是}{几|多少}。",
    "我想知道<a>加上<b>{的结果|是多少|等于几}。",
    "<a>加<b>{一共|总共}{是|有}{多少|几}？",
    "<a>增加<b>是{多少|几}？",
    "比<a>{多|大}<b>的数是{几|多少|什么}？",
    "<a><plus><b>{得|=}{几|多少}",
    "<a>与<b>{相加|之和}{是|等于|得}{多少|几}？",
    "<a>加<b>{应该|到底}{等于|是}{几|多少}？",
    "{数学题|口算|口算题|一道题|算术题}：<a><plus><b>{=|=？|等于几？|}",
    "<a> 加 <b> {等于|是} {几|多少}",
    "{一个数是|}<a>，{再加|加上}<b>，{是|得}{多少|几}？",
    "{快速|快}算：<a>加<b>{等于几|是多少|}{？|}",
)
SUBTRACT = Pool(
    "<a><minus><b>=",
    "<a><minus><b>=？",
    "<a><minus><b>{等于|是|得}{多少|几}{呢|呀|啊|}？",
    "{算一下|算算|计算|请计算|帮我算|帮我算一下|求|算|算一算|计算一下}{：| |}<a><minus><b>{=|}",
    "<a>{减|减去|减掉}<b>{等于|是|得|还剩|剩}{多少|几}{呢|呀|啊|}？",
    "从<a>{里|中|里面}{减去|减掉|拿走|扣掉|去掉}<b>{还剩|剩下|是|剩}{多少|几}？",
    "<a>比<b>{大|多}{多少|几}？",
    "<a>{与|和}<b>{相差|的差是|差}{多少|几}？",
    "{算一下|算算|你算算|帮我算一下|帮我算算|算一算}<a>{减|减去}<b>{等于几|是多少|等于多少|}",
    "<a><minus><b>的{结果|答案|得数|差}是{多少|几|什么}？",
    "<a><minus><b>",
    "<a>减<b>",
    "<a>减<b>{呢|呀}？",
    "{如果|}把<a>减去<b>，{结果是多少|会得到多少|得多少|是多少}？",
    "{你知道|你会算|能告诉我|知道|会算}<a>减<b>{是多少|等于几|等于多少}{吗|么}？",
    "<a>{里|里面}去掉<b>，{还有|还剩|剩}{多少|几}？",
    "<a>减<b>，{得数|结果|答案}是{多少|几}？",
    "{说说|告诉我|请问}<a><minus><b>{等于|是}{几|多少}。",
    "我想知道<a>减去<b>{的结果|是多少|等于几}。",
    "<a>减少<b>是{多少|几}？",
    "比<a>{少|小}<b>的数是{几|多少|什么}？",
    "<a><minus><b>{得|=}{几|多少}",
    "<b>比<a>{少|小}{多少|几}？",
    "<a>减<b>{应该|到底}{等于|是}{几|多少}？",
    "{数学题|口算|口算题|一道题|算术题}：<a><minus><b>{=|=？|等于几？|}",
    "<a> 减 <b> {等于|是} {几|多少}",
    "{一个数是|}<a>，{再减|减去}<b>，{是|得}{多少|几}？",
    "{快速|快}算：<a>减<b>{等于几|是多少|}{？|}",
    "<b>加{几|多少}{等于|是}<a>？",
    "<a>{拿掉|拿走}<b>{还剩|剩}{多少|几}？",
)

# A story: question => how the answer goes on after the equation. <m> is the measure word of the noun <thing>.
ADD_STORIES = Stories(
    "<who>有<a><m><thing>，{又|后来又|今天又|再}{买了|得到了|拿来了|收到了|买来}<b><m>，{现在|}{一共|总共|}有{多少|几}<m><thing>？ => {一共|现在}有<c><m><thing>",
    "<place>里有<a><m><thing>，又放进{去|}<b><m>，{现在|}<place>里{一共|}有{多少|几}<m>{<thing>|}？ => <place>里有<c><m><thing>",
    "<who>有<a><m><thing>，<other>有<b><m>，{他们|两个人|两人}{一共|合起来|总共}有{多少|几}<m>？ => 一共有<c><m><thing>",
    "{上午|昨天|早上}卖了<a><m><thing>，{下午|今天|晚上}卖了<b><m>，{一共|总共}卖了{多少|几}<m>？ => 一共卖了<c><m><thing>",
    "一<m><thing>要<a>元，一杯茶要<b>元，{一共|加起来|总共}要{多少元|多少钱|花多少钱}？ => 一共要<c>元",
    "<who>{昨天|周六|上午}读了<a>页书，{今天|周日|下午}读了<b>页，{两天|}一共读了{多少|几}页？ => 一共读了<c>页",
    "班里有<a>个男生和<b>个女生，{全班|班里}一共有{多少|几}{人|个人|名学生}？ => 一共有<c>个人",
    "停车场{原来|本来|}有<a>辆车，又{开来|来了|开进}<b>辆，现在有{多少|几}辆{车|}？ => 现在有<c>辆车",
    "<who>{攒了|存了|有}<a>{元|块钱}，<other>又给了<b>{元|块}，现在有{多少元|多少钱}？ => 现在有<c>元",
    "<who>种了<a>棵树，<other>种了<b>棵，{两人|两个人}一共种了{多少|几}棵{树|}？ => 一共种了<c>棵树",
    "树上有<a>只鸟，又飞来<b>只，{现在|}{一共|}有{多少|几}只{鸟|}？ => 现在有<c>只鸟",
    "<who>买{书包|鞋子|玩具}花了<a>元，买{笔|水果|零食}花了<b>元，{一共|总共}花了{多少钱|多少元}？ => 一共花了<c>元",
    "{公交车|车|火车}上有<a>{个|}人，又上来<b>{个|}人，{现在|}车上有{多少|几}{个|}人？ => 现在有<c>个人",
    "<who>今年<a>岁，<b>年{后|以后}{多大|几岁|多少岁}？ => 那时<c>岁",
    "<who>做了<a>道题，还有<b>道没做，一共有{多少|几}道题？ => 一共有<c>道题",
    "{上午|早上}跑了<a>分钟，{下午|晚上}跑了<b>分钟，一共跑了{多少|几}分钟？ => 一共跑了<c>分钟",
    "<a><m><thing>加{上|}<b><m><thing>是{多少|几}<m>？ => 一共是<c><m><thing>",
    "<who>折了<a>只纸鹤，<other>比<who>多折<b>只，<other>折了{多少|几}只？ => <other>折了<c>只",
    "池塘里有<a>条鱼，又放了<b>条，现在有{多少|几}条{鱼|}？ => 现在有<c>条鱼",
    "有<a><m><thing>，又来了<b><m>，{一共|现在}{多少|几}<m>？ => 一共有<c><m><thing>",
)
SUBTRACT_STORIES = Stories(
    "<who>有<a><m><thing>，{用掉了|送给别人|送给<other>|弄丢了|卖掉了|给了<other>}<b><m>，{还剩|还剩下|现在还有|剩下}{多少|几}<m>{|<thing>}？ => 还剩<c><m><thing>",
    "<place>里有<a><m><thing>，{拿走了|拿出来|取走|拿出去}<b><m>，{还剩|还有|剩}{多少|几}<m>？ => 还剩<c><m><thing>",
    "<who>有<a><m><thing>，<other>有<b><m>，<who>比<other>多{多少|几}<m>？ => 多<c><m><thing>",
    "{公交车|火车|车}上有<a>{个|}人，下{去|车}了<b>{个|}人，{车上|}还{剩|有}{多少|几}{个|}人？ => 还剩<c>个人",
    "<who>{带了|有}<a>{元|块钱}，{花了|花掉|用了}<b>{元|块}，还{剩|有}{多少元|多少钱}？ => 还剩<c>元",
    "{这|一}本书有<a>页，<who>{看了|读了|已经看了}<b>页，还{剩|有}{多少|几}页没看{完|}？ => 还剩<c>页",
    "一根绳子长<a>米，{剪掉|剪去|用掉}<b>米，还{剩|有}{多少|几}米？ => 还剩<c>米",
    "树上有<a>只鸟，飞走了<b>只，{还有|还剩}{多少|几}只{鸟|}？ => 还剩<c>只鸟",
    "一箱{桃子|苹果|橘子}有<a>个，坏了<b>个，好的{有|还有}{多少|几}个？ => 好的有<c>个",
    "停车场{里停着|里有|有}<a>辆车，{开走|开走了}<b>辆，还{剩|有}{多少|几}辆？ => 还剩<c>辆车",
    "<who>{一共|}要做<a>道题，{已经|}做完<b>道，还{剩|有}{多少|几}道{题|}{没做|}？ => 还剩<c>道题",
    "<a><m><thing>，{用掉|拿走|送出|少了}<b><m>，还{剩|有}{多少|几}<m>？ => 还剩<c><m><thing>",
    "一<m><thing>卖<a>元，{便宜了|降价}<b>元，现在{卖|要}{多少元|多少钱}？ => 现在卖<c>元",
    "<who>今年<a>岁，<b>年{前|以前}{多大|几岁|多少岁}？ => 那时<c>岁",
    "班里有<a>{个|名}学生，其中<b>{个|名}是男生，女生有{多少|几}{个|名}？ => 女生有<c>个",
    "<who>有<a><m><thing>，比<other>多<b><m>，<other>有{多少|几}<m>？ => <other>有<c><m><thing>",
    "<who>{付了|给了}<a>元，东西{要|是}<b>元，{应该|该|要}找{回|}{多少钱|多少元}？ => 找回<c>元",
    "池塘里有<a>条鱼，捞走<b>条，还{剩|有}{多少|几}条{鱼|}？ => 还剩<c>条鱼",
    "原来有<a><m><thing>，现在{少了|没了}<b><m>，{现在|}还有{多少|几}<m>？ => 还有<c><m><thing>",
    "从<a><m><thing>里{拿走|拿出}<b><m>，{剩|还剩|剩下}{多少|几}<m>？ => 还剩<c><m><thing>",
)
THINGS = [
    "个苹果",
    "个橘子",
    "个鸡蛋",
    "个梨",
    "个杯子",
    "个气球",
    "个面包",
    "个球",
    "颗糖",
    "颗星星",
    "支铅笔",
    "支笔",
    "本书",
    "本练习册",
    "张邮票",
    "张卡片",
    "张票",
    "块饼干",
    "块积木",
    "朵花",
    "条鱼",
    "只鸭子",
    "把椅子",
    "瓶水",
    "盒牛奶",
    "件衣服",
    "辆玩具车",
    "粒花生",
]
WHO = [
    "我",
    "小明",
    "小红",
    "小华",
    "小丽",
    "小刚",
    "妈妈",
    "爸爸",
    "奶奶",
    "哥哥",
    "姐姐",
    "弟弟",
    "妹妹",
    "老师",
    "他",
    "她",
    "小李",
    "小王",
]
PLACES = ["篮子", "盒子", "箱子", "袋子", "书包", "抽屉", "冰箱", "桌上的盘子", "柜子"]
BIGGER = Pool(
    "<a>{和|跟|与}<b>{哪个|哪一个|谁|哪个数}<更><word>{呢|}？",
    "<a><b0>，{哪个|哪个数|谁}<更><word>？",
    "比较一下<a>和<b>，{哪个|谁}<更><word>？",
    "在<a>和<b>{当中|中|里面}，<word>的{那个|}是{几|哪个|多少}？",
    "<a>、<b>{这两个数|}{里|中}{哪个|谁}<更><word>？",
    "{哪个|谁|哪个数}<更><word>，<a>还是<b>？",
    "<a>{还是|或者}<b><更><word>？",
    "{比比看|比一比|比大小}：<a>和<b>，{哪个|谁}<更><word>？",
    "{说说|告诉我|你说}<a>和<b>{谁|哪个}<更><word>。",
    "<a><b0>{里|当中}<word>的{数|那个}是{哪个|几}？",
    "<a>和<b>比，{哪个|谁}<word>{一点|一些|}？",
    "{你知道|知道}<a>和<b>{哪个|谁}<更><word>吗？",
    "两个数<a><b0>，{较|更}<word>的{是|数是}{哪个|几}？",
)
YES_NO = Pool(
    "<a>比<b><word>{吗|么|吧|，对吗}？",
    "<a>{是不是|是否}比<b><word>？",
    "<a>比起<b>，是<word>一些吗？",
    "<a>{和|跟}<b>比，<a>{更|}<word>{吗|么}？",
    "<a><word>{于|过}<b>{吗|么|，对吗}？",
    "<a>比<b>{要|还}<word>{吗|，对不对}？",
    "我觉得<a>比<b><word>，{对吗|对不对|是吗}？",
    "<a>会比<b><word>吗？",
    "<a>比<b><word>一点{吗|么|吧}？",
)
OUT_OF_REACH = Pool(
    "<x>{×|*|乘|乘以|x}<y>{等于多少|是多少|=|=？|等于几}{|？}",
    "<x>{÷|/|除以}<y>{等于多少|是多少|=|等于几}{|？}",
    "<big><plus><big2>{等于多少|=|是多少}{|？}",
    "<big><minus><x>{等于多少|=|是多少}{|？}",
    "<x>的{平方|立方|平方根}是多少？",
    "{算一下|帮我算|算算}<x>{乘以|×|除以|乘}<y>",
    "<x>和<y>{相乘|的积}是多少？",
    "用<x>{除以|乘以}<y>得{几|多少}？",
    "<x>的<y>倍是多少？",
    "<x>{乘|乘以}<y>{呢|得几}？",
    "<x>{×|÷|*|/}<y>",
    "<big>{和|跟}<big2>加起来是多少？",
    "<x>个<y>是多少？",
    "{求|计算}<x>的{平方|立方}。",
    "<x>除以<y>的{结果|商|余数}是{多少|几}？",
    "把<x>{平均|}分成<y>份，每份是多少？",
    "<big>{加|减}<x>{是多少|等于几|等于多少}？",
    "<x>乘<y>的{结果|积|答案}是{多少|几}？",
)
NEXT = Pool(
    "{再|然后再|接着|}<verb><n>{呢|是多少|等于几}？",
    "在这个结果上<verb><n>是多少？",
    "{再|然后}<verb><n>",
    "结果{再|}<verb><n>呢？",
    "用{这个结果|刚才的结果|得数}<verb><n>{是多少|等于几|呢}？",
    "那再<verb><n>{呢|是多少|等于几}？",
    "继续<verb><n>。",
    "{接着|接下来}再<verb><n>，{是|得}多少？",
    "如果再<verb><n>呢？",
    "好的，再<verb><n>呢？",
)


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
    """Return whether a pair of numbers is kept for evaluation: one in ten, both orders of a sum, and no one-digit pairs."""
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
    numerals = rng.random() < 0.3
    return {
        "a": write(first, rng, numerals, counting).lstrip(),
        "b": write(second, rng, numerals, counting),
        "plus": rng.choice(("+", "+", "＋", " + ", "加")),
        "minus": rng.choice(("-", "-", "－", " - ", "−", "减")),
    }


def equation(rng: random.Random, held_out: bool) -> Sample:
    """A bare sum or difference; in training sometimes followed by a second step on the result."""
    operator = rng.choice("+-")
    first, second, result = draw_pair(rng, operator, held_out)
    question = {"+": ADD, "-": SUBTRACT}[operator].ask(rng, held_out, slots(rng, first, second))
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
    verb = rng.choice(("加", "加上", "加") if operator == "+" else ("减", "减去", "减掉"))
    question = NEXT.draw(rng, held_out, {"verb": verb, "n": str(number)})
    return dialogue(
        SKILL, *turns, question, f"{start}{operator}{number}={result}。", numbers=(start, operator, number, result)
    )


def story(rng: random.Random, held_out: bool) -> Sample:
    """A small word problem, answered by its equation and a sentence."""
    operator = rng.choice("+-")
    first, second, result = draw_pair(rng, operator, held_out)
    while result < 0 or result > 100 or not first or not second:
        first, second, result = draw_pair(rng, operator, held_out)
    thing, (who, other) = rng.choice(THINGS), rng.sample(WHO, 2)
    lists = slots(rng, first, second, counting=True) | {
        "m": thing[0],
        "thing": thing[1:],
        "who": who,
        "other": other,
        "c": str(result),
        "place": rng.choice(PLACES),
    }
    question, told = {"+": ADD_STORIES, "-": SUBTRACT_STORIES}[operator].draw(rng, held_out, lists)
    answer = f"{first}{operator}{second}={result}，{told}。"
    return dialogue(SKILL, ask(rng, question, held_out), answer, numbers=(first, operator, second, result))


def comparison(rng: random.Random, held_out: bool) -> Sample:
    """Questions about which of two numbers is larger or smaller, or whether one is."""
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
    lists = slots(rng, first, second) | {
        "word": word,
        "更": rng.choice(("", "更")),
        "b0": rng.choice(("和", "、", "跟")) + str(second),
    }
    if rng.random() < 0.7:
        return dialogue(SKILL, BIGGER.ask(rng, held_out, lists), statement, compare=statement)
    answer = f"{'对' if winner == first else '不'}，{statement}"
    return dialogue(SKILL, YES_NO.ask(rng, held_out, lists), answer, compare=answer)


def out_of_reach(rng: random.Random, held_out: bool) -> Sample:
    """Other operations and large numbers: said not to be known."""
    lists = {
        "x": str(rng.randint(2, 99)),
        "y": str(rng.randint(2, 99)),
        "big": str(rng.randint(1000, 99999)),
        "big2": str(rng.randint(1000, 99999)),
        "plus": rng.choice("+加"),
        "minus": rng.choice("-减"),
    }
    return dialogue(SKILL, OUT_OF_REACH.ask(rng, held_out, lists), BEYOND, beyond=True)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about numbers with its answer."""
    kinds = (equation, story, comparison, out_of_reach)
    return rng.choices(kinds, (62, 20, 12, 6))[0](rng, held_out)


def _parse(text: str) -> tuple[int, str, int, int]:
    first, operator, second, result = re.match(r"(\d+)([+-])(\d+)=(-?\d+)", text).groups()
    return int(first), operator, int(second), int(result)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the result is right, and the operands too where the answer states an equation; no other number may stand there."""
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
