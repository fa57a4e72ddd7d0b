"""Small talk about moods and days: comfort, cheer, jokes, praise, and questions about the assistant's own state.

The wordings and replies are in ``feelings.txt``.
"""

import random
from pathlib import Path

from . import greeting
from .grammar import Sample, contains, dialogue, pick, sections

WORDINGS = sections(Path(__file__).with_suffix(".txt"))
TOPICS = [name for name in WORDINGS if "." not in name]
LISTS = {
    "when": "今天 今天 最近 这几天 这两天 刚才 昨天 这周 现在 今晚 今早 这段时间 这个月 下午 上午".split(),
    "very": "好 真 太 很 非常 特别 有点 真的好 挺 超 十分 实在太 格外 特".split(),
}
LEADS = ["", "", "", "", "", "{唉|哎|哎呀|嗯|诶|哈哈|跟你说|告诉你|你知道吗}，", "{小砚|朋友|助手}，", "{你好|嗨}，"]
ENDS = ["。", "。", "", "！"]


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """Something said about a mood or a day and a short warm reply; sometimes after a greeting."""
    topic = rng.choice(TOPICS)
    question = pick(LEADS, rng) + pick(WORDINGS[topic + ".kept" * held_out], rng, LISTS)
    turns = [question + _mark(question, rng), pick(WORDINGS[topic + ".answer"], rng)]
    if rng.random() < 0.12:
        turns = [message["content"] for message in greeting.generate(rng).messages] + turns
    return dialogue("feelings", *turns, topic=topic)


def check(sample: Sample, answer: str) -> bool:
    """Whether the reply is one for this topic, told by the words that all its replies share."""
    return any(contains(answer, needed) for needed in WORDINGS[sample.facts["topic"] + ".need"])


def _mark(question: str, rng: random.Random) -> str:
    """A question mark after a question, else a full stop, nothing, or a mark of mood."""
    if question[-1] in "！？":
        return ""
    asks = question[-1] in "吗么好" or any(word in question for word in ("什么", "怎么", "如何", "哪儿", "怎样", "累不累", "困不困"))
    return rng.choice(("？", "？", "")) if asks else rng.choice(ENDS)
