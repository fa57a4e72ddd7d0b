"""Shared parts of the skills: openers and closers, reading of compact tables, and the judgement of named things.

No facts and no question wordings of a skill live here.
"""

import random
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from recipe.corpus.grammar import Lists, expand, pattern, pick, plain, sections

# What people type before and after what they really say; one in eight (by a hash) is kept for evaluation.
# Words for anything: questions, requests, and things told.
NEUTRAL = (
    "话说 对了 哎 诶 那个 嗯 喂 嗨 嘿 哈喽 你好 您好 你好呀 你好啊 哎呀 哦对了 嗯嗯 好的 好 好吧 行 那 那么 然后 还有 另外 其实 说真的 说实话 "
    "老实说 讲真 小砚 小砚小砚 小砚你好 你好小砚 小砚同学 嗨小砚 朋友 老朋友 助手 小助手 机器人 亲 亲爱的 大神 老师 同学 宝贝 兄弟 哥们 各位 "
    "早上好 上午好 中午好 下午好 晚上好 早 在吗 在不在 在么 有人吗 有人在吗 又是我 我又来了 我来了 好久不见 打扰了 打扰一下 不好意思 不好意思打扰一下 "
    "抱歉打扰 抱歉打扰一下 刚想起来 刚才想到 突然想到 忽然想起来 忽然想到 哈哈 嘻嘻 嘿嘿 呃 额 唔 啊 哇 咦 欸 嗯哼 等等 等一下 稍等 好了 "
    "换个话题 说点别的 聊点别的 言归正传 不说这个了 先不说那个 最后 首先 接下来 谢谢 谢谢你 多谢 辛苦了 不错 真厉害 真棒 明白了 知道了 懂了 原来如此 "
    "没事 没关系 算了 hi hello hey 告诉你 跟你说 你听我说 听我说 是这样的 是这样 情况是这样的 我跟你讲 我说 怎么说呢 老样子 那好"
).split()
# Words before a question only.
ASKING = (
    "请问 请问一下 请问下 想请问 想请问一下 我想请问 问一下 问下 问问 想问 想问一下 想问下 想问问 想问问你 我想问 我想问一下 我想问问 我想问你 "
    "我问一下 我问你 问你一下 问你 问你个问题 问你个事 问个问题 问个事 问个事儿 问一个问题 请教一下 请教 想请教 想请教一下 请教个问题 我有个问题 "
    "我有一个问题 有个问题 有个问题想问 有个问题想请教 有个小问题 有一事不明 有一事请教 有件事想问 我有个疑问 有个疑问 有点疑惑 有点好奇 我很好奇 "
    "好奇 好奇问一句 好奇问一下 随便问问 随口一问 随便问一句 冒昧问一句 冒昧问一下 冒昧地问 弱弱问一句 弱弱地问一下 斗胆问一句 顺便问一下 顺便问一句 "
    "顺便问问 再问一下 再问一句 再问个问题 还想问 还想问一下 最后问一句 最后一个问题 下一个问题 另一个问题 第一个问题 麻烦问一下 麻烦问下 麻烦请问 "
    "劳驾问一下 劳驾 敢问 求问 求助 求解 求教 跪求 在线求助 一直想问 一直想知道 早就想问了 想知道 我想知道 想了解一下 我想了解一下 我想了解 很想知道 "
    "特别想知道 能不能告诉我 能告诉我 可以告诉我 可不可以告诉我 能否告诉我 请告诉我 告诉我 跟我说说 说说 说说看 你说 你说说 你说说看 你知道 你知不知道 "
    "你知道吗 你猜 你觉得 考考你 考你一下 考你一个 来考考你 测试一下 测验一下 帮我看看 帮忙看看 帮我想想 帮我查查 帮我看一下 给我讲讲 给我说说 "
    "孩子问我 同学问我 朋友问我 有人问我 我朋友想知道 我家孩子想问 老师问 作业里问 谁能告诉我 有谁知道 我忘了 我忘记了 我不知道 我不清楚 我不太懂 "
    "搞不懂 不太明白 听说你很懂 你懂得多 回答我 请回答 快说 快告诉我 问题来了 问题是 提问 问"
).split()
# Words before a request only.
ORDERING = (
    "请 请你 麻烦你 麻烦 麻烦您 劳烦 拜托 拜托你 拜托了 帮个忙 帮帮忙 帮我个忙 帮我一下 求你 求求你 有个请求 我有个请求 我有个要求 来 来吧 现在 快 "
    "请帮忙 能帮我个忙吗 可以帮我吗 有件事拜托你 有件事麻烦你 劳驾你 听好了 听着 注意 任务来了 做个任务 试试 试一下 试试看 你来试试"
).split()
# Openers that may also run on into a sentence without a comma.
RUNNING = frozenset(
    "请问 请问一下 请问下 想请问 想请问一下 我想请问 问一下 问下 想问 想问一下 想问下 想问问 想问问你 我想问 我想问一下 我想问问 我想问你 我问你 问你 请教一下 "
    "想请教一下 麻烦问一下 麻烦问下 顺便问一下 再问一下 还想问 还想问一下 敢问 求问 一直想知道 想知道 我想知道 很想知道 特别想知道 能不能告诉我 能告诉我 "
    "可以告诉我 可不可以告诉我 能否告诉我 请告诉我 告诉我 跟我说说 说说 你说 你说说 你知道 你知不知道 你猜 你觉得 我忘了 我不知道 我不清楚 请 请你 麻烦你 "
    "麻烦您 那 那么 小砚 谁能告诉我 有谁知道 帮我看看 帮忙看看 帮我想想 话说 其实".split()
)
CLOSERS = {
    "ask": (
        "谢谢 谢谢你 谢谢啦 谢谢了 多谢 感谢 非常感谢 先谢了 先谢谢了 谢了 麻烦了 麻烦你了 麻烦啦 拜托了 急 挺急的 有点急 很急 在线等 急等 等你回答 等你回复 "
        "求解答 求回答 求告知 求助 你知道吗 知道吗 你知道不 能告诉我吗 可以告诉我吗 能说说吗 告诉我吧 说说看 说说吧 快说 快告诉我 我忘了 我不记得了 想不起来了 "
        "我想知道 我很好奇 有点好奇 好奇 随便问问 就是问问 哈哈 嘿嘿 小砚 朋友 请回答 请简单说说 简单说就行 一句话就行 不用太长 辛苦了 来着"
    ).split(),
    "order": (
        "谢谢 谢谢你 谢谢啦 多谢 感谢 先谢了 谢了 麻烦了 麻烦你了 拜托 拜托了 拜托啦 辛苦了 急 有点急 在线等 快点 好吗 好不好 可以吗 行吗 行不行 可以不 "
        "会吗 能做到吗 试试看 哈哈 小砚 等你"
    ).split(),
    "tell": "哈哈 嘿嘿 唉 呜呜 真的 真的呀 小砚 哎 跟你说一声 你说呢 哈 嘻嘻".split(),
}
_ASKS = re.compile("[？?]|吗|呢|么$|什么|谁|哪|几|多少|怎|如何|啥|是不是|有没有|为何|何")


def decorate(text: str, rng: random.Random, held_out: bool = False, kind: str = "") -> str:
    """A wording, in half of the cases with something people type before or after it.

    ``kind`` is "ask", "order" or "tell" (a statement, a greeting); without it, what does not ask is an order.
    Held-out texts also get openers and closers that are never used for training.
    """
    kind = kind or ("ask" if _ASKS.search(text) else "order")
    chance = rng.random()
    if chance < 0.44:
        text = opener(rng, kind, held_out) + text
    if chance < 0.04 or chance > 0.9:
        text = _closed(text, rng, kind, held_out)
    return text


def opener(rng: random.Random, kind: str = "ask", held_out: bool = False) -> str:
    """One or two openers for a text of a kind, with the mark that joins them to it."""
    special = {"ask": ASKING, "order": ORDERING, "tell": ()}[kind]
    first = _either(NEUTRAL, rng, held_out)
    if not special or rng.random() < 0.4:
        return first + _joint(first, rng)
    second = _either(special, rng, held_out)
    joined = second + _joint(second, rng)
    return first + rng.choice("，，，！。 ") + joined if rng.random() < 0.15 else joined


def split(values: Sequence[str], share: int = 8) -> tuple[list[str], list[str]]:
    """(for training, kept for evaluation), by a hash that never changes."""
    sides: tuple[list[str], list[str]] = ([], [])
    for value in values:
        sides[reserved(value, share)].append(value)
    return sides


def _either(values: Sequence[str], rng: random.Random, held_out: bool) -> str:
    """A word for training; for evaluation any word, kept or not."""
    return rng.choice(values) if held_out else _trained(rng, values)


def _trained(rng: random.Random, values: Sequence[str]) -> str:
    while True:
        value = rng.choice(values)
        if not reserved(value, 8):
            return value


def _joint(word: str, rng: random.Random) -> str:
    if word in RUNNING and rng.random() < 0.55:
        return ""
    if word.endswith("吗"):
        return rng.choice("？？，")
    return rng.choice(("，", "，", "，", "，", " ", "：" if word in ASKING else "！", "。"))


def _closed(text: str, rng: random.Random, kind: str, held_out: bool) -> str:
    closer = _either(CLOSERS[kind], rng, held_out)
    mark = "" if text[-1] in "？。！?!" else rng.choice("，， ")
    end = "？" if closer[-1] in "吗不" or closer.endswith("不行") else rng.choice(("。", "", "", "！"))
    if text[-1] in "。" or (text[-1] in "？" and rng.random() < 0.3):
        text, mark = text[:-1], "，"
    return text + mark + closer + end


def ask(rng: random.Random, question: str, held_out: bool = False) -> str:
    """A question as people type it: often with words before or after it, sometimes without its question mark."""
    if question.endswith("？") and rng.random() < 0.3:
        question = question[:-1] + rng.choice(("", "", "?", " ？"))
    return decorate(question, rng, held_out)


def table(text: str) -> list[tuple[str, ...]]:
    """Rows separated by ``|`` or line breaks, fields by spaces."""
    return [tuple(row.split()) for row in re.split(r"[|\n]", text) if row.strip()]


def words(text: str) -> list[str]:
    """Distinct words separated by white space, in order."""
    return list(dict.fromkeys(text.split()))


def reserved(key: str, share: int = 10) -> bool:
    """Return whether a combination of values is kept for evaluation: one in ``share``, by a hash that never changes."""
    return zlib.crc32(key.encode()) % share == 0


def named(text: str, vocabulary: Iterable[str]) -> set[str]:
    """The words of ``vocabulary`` that occur in ``text``; where two overlap, the longer one counts."""
    by_length = sorted({plain(word) for word in vocabulary}, key=len, reverse=True)
    return set(re.findall("|".join(map(re.escape, by_length)), plain(text)))


def names_only(answer: str, wanted: Iterable[str], vocabulary: Iterable[str], given: str = "") -> bool:
    """Return whether ``answer`` names all of ``wanted`` and nothing else of ``vocabulary``, apart from what ``given`` names."""
    vocabulary = set(vocabulary) | set(wanted)
    wanted = {plain(word) for word in wanted}
    found = named(answer, vocabulary)
    return wanted <= found and found - wanted <= named(given, vocabulary)


def names_one(answer: str, allowed: Iterable[str], vocabulary: Iterable[str], given: str = "") -> bool:
    """Return whether ``answer`` names at least one of ``allowed`` and nothing of ``vocabulary`` that is not allowed or given."""
    vocabulary = set(vocabulary) | set(allowed)
    allowed = {plain(word) for word in allowed}
    found = named(answer, vocabulary)
    return bool(found & allowed) and found <= allowed | named(given, vocabulary)


_END = re.compile(r"[呀啊呢哦啦吧]?[。？！，?! ]*$")


class Wordings:
    """Templates of one section of a file, of which about one in eight is kept for evaluation.

    The first template is always trained, because it is the plainest. ``lists`` are the fillers that are the same for
    every draw; slots whose values change from draw to draw are filled after the comparison of wordings.
    """

    def __init__(self, templates: Sequence[str], lists: Lists | None = None):
        """Split ``templates``.

        Raises:
            ValueError: there are no templates.
        """
        if not templates:
            raise ValueError("wordings need at least one template")
        self.lists = dict(lists or {})
        self.trained, self.kept = split(templates[1:])
        if not self.kept and len(templates) > 2:
            self.kept = [min(self.trained, key=lambda template: zlib.crc32(template.encode()))]
            self.trained.remove(self.kept[0])
        self.trained.insert(0, templates[0])
        self._patterns: dict[frozenset[str], re.Pattern] = {}

    def draw(self, rng: random.Random, held_out: bool = False, values: Lists | None = None) -> str:
        """A wording with ``values`` filled in; with ``held_out`` one that no trained template can produce.

        Where nothing is kept, the wording is a trained one, and the values alone have to be new.

        Raises:
            ValueError: trained templates produce whatever the kept ones do.
        """
        values = values or {}
        open_slots = {name: f"<{name}>" for name in values}
        if held_out and self.kept:
            text = self._unseen(rng, open_slots)
        else:
            text = pick(self.trained, rng, self.lists | open_slots)
        return expand(text, rng, values)

    def holds(self, text: str, values: Lists | None = None) -> bool:
        """Return whether a trained template can produce ``text``, up to its final particle and marks."""
        found = self._pattern(values or {})
        return bool(found.fullmatch(text) or found.fullmatch(_END.sub("", text)))

    def _unseen(self, rng: random.Random, open_slots: dict[str, str]) -> str:
        for _ in range(300):
            text = pick(self.kept, rng, self.lists | open_slots)
            if not self.holds(text, open_slots):
                return text
        raise ValueError(f"trained templates cover {self.kept}")

    def _pattern(self, values: Lists) -> re.Pattern:
        slots = frozenset(values)
        if slots not in self._patterns:
            lists = self.lists | {name: f"<{name}>" for name in slots}
            self._patterns[slots] = re.compile(f"(?:{pattern(self.trained, lists)}){_END.pattern}")
        return self._patterns[slots]


def read_wordings(file: Path, lists: Lists | None = None) -> tuple[dict[str, Wordings], dict[str, list[str]]]:
    """(wordings, other sections) of a file: a section named ``.answer``, ``.need``, ``.ack`` or ``.missing`` is other."""
    found = sections(file)
    other = {
        name: lines for name, lines in found.items() if name.rpartition(".")[2] in ("answer", "need", "ack", "missing")
    }
    return {name: Wordings(lines, lists) for name, lines in found.items() if name not in other}, other
