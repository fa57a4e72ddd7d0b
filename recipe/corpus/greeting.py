"""Greetings and manners: hello at any hour, thanks, goodbyes, holidays, being called by name.

The wordings are in ``greeting.txt``. The answers carry no name, so that a tuned name changes who the assistant is and
not how it greets.
"""

import random
from pathlib import Path

from recipe.corpus.grammar import Sample, contains, dialogue, pick
from recipe.corpus.wording import read_wordings, split

SAID, REPLIES = read_wordings(Path(__file__).with_suffix(".txt"))
INTENTS = list(SAID)
# What may stand before a greeting without changing which greeting it is.
LEADS = (
    "嗯 哎 诶 那个 喂 哎呀 哈哈 嘿嘿 嘻嘻 话说 对了 那 那么 小砚 朋友 老朋友 机器人 亲爱的 亲 大神 老师 宝贝 兄弟 哥们 各位 我说 呃 啊 哇 咦 我的好助手 "
    "小助手 小砚小砚 说真的 其实 另外 最后 首先 不管怎样 总之 呐 哟 哎哟 嗯哼 唔"
).split()
TRAINED_LEADS = split(LEADS)[0]
PLAIN = ("present", "hello")  # too short to bear many leads


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A greeting and its answer; sometimes the second of two (a hello and later a goodbye)."""
    intent = rng.choice(INTENTS)
    turns = _exchange(intent, rng, held_out)
    if rng.random() < 0.2:
        turns = _exchange("hello" if intent != "hello" else "thanks", rng) + turns
    return dialogue("greeting", *turns, intent=intent)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer greets back in the way the question asked for."""
    return any(contains(answer, needed) for needed in REPLIES[sample.facts["intent"] + ".need"])


def _exchange(intent: str, rng: random.Random, held_out: bool = False) -> list[str]:
    said = _led(intent, rng, held_out)
    while held_out and any(pool.holds(said) for pool in SAID.values()):
        said = _led(intent, rng, held_out)
    return [said, pick(REPLIES[intent + ".answer"], rng)]


def _led(intent: str, rng: random.Random, held_out: bool) -> str:
    said = SAID[intent].draw(rng, held_out)
    if rng.random() < (0.15 if intent in PLAIN else 0.4):
        said = rng.choice(LEADS if held_out else TRAINED_LEADS) + rng.choice("，，，！ ") + said
    return said
