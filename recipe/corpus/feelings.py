"""Small talk about moods and days: comfort, cheer, jokes, praise, and questions about the assistant's own state.

The wordings and replies are in ``feelings.txt``.
"""

import random
from pathlib import Path

from recipe.corpus import greeting
from recipe.corpus.grammar import Sample, contains, dialogue, pick
from recipe.corpus.wording import decorate, read_wordings

LISTS = {
    "when": "今天 今天 最近 这几天 这两天 刚才 昨天 这周 现在 今晚 今早 这段时间 这个月 下午 上午 这阵子 昨晚 中午 早上 近来 此刻".split(),
    "very": "好 真 太 很 非常 特别 有点 真的好 挺 超 十分 实在太 格外 特 有些 超级 真的很 蛮 相当 好好 可".split(),
}
SAID, REPLIES = read_wordings(Path(__file__).with_suffix(".txt"), LISTS)
TOPICS = list(SAID)
# Topics of one mood: what comforts one comforts the other.
MOODS = (
    {"tired", "sleepless", "sick", "overtime", "stress", "hungry"},
    {"sad", "lonely", "homesick", "angry", "stress", "cheer", "secret"},
    {"bored", "lonely", "chat", "advice"},
    {"happy", "birthday", "goodday", "praiseme"},
    {"praiseme", "cheer"},
    {"praise", "miss", "youlove"},
)
ENDS = ["。", "。", "", "！"]
ASKING = ("什么", "怎么", "如何", "哪儿", "怎样", "累不累", "困不困", "有没有", "会不会", "能不能", "啥")


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """Something said about a mood or a day and a short warm reply; sometimes after a greeting."""
    topic = rng.choice(TOPICS)
    said = SAID[topic].draw(rng, held_out)
    while held_out and any(other.holds(said) for other in SAID.values()):
        said = SAID[topic].draw(rng, held_out)
    said += _mark(said, rng)
    turns = [decorate(said, rng, held_out, "tell"), pick(REPLIES[topic + ".answer"], rng)]
    if rng.random() < 0.12:
        turns = [message["content"] for message in greeting.generate(rng).messages] + turns
    return dialogue("feelings", *turns, topic=topic)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the reply is one for this topic or one of the same mood, told by the words that its replies share."""
    topic = sample.facts["topic"]
    alike = {topic}.union(*(mood for mood in MOODS if topic in mood))
    return any(contains(answer, needed) for name in alike for needed in REPLIES[name + ".need"])


def _mark(question: str, rng: random.Random) -> str:
    """A question mark after a question, else a full stop, nothing, or a mark of mood."""
    if question[-1] in "！？":
        return ""
    asks = question[-1] in "吗么不没好" or any(word in question for word in ASKING)
    return rng.choice(("？", "？", "")) if asks else rng.choice(ENDS)
