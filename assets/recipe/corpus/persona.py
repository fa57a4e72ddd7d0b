"""Names given in the conversation: the user says what the assistant is called and who made it, and later asks.

Every sample has other names, so that the model learns to copy them from the context; a later tuning then only has to
put a constant where the copy was.
"""

import random

from . import arithmetic, capitals, greeting, identity
from .grammar import Sample, dialogue, expand, pick
from .values import draw, helper, maker

BOTH = [
    "{从现在起|从现在开始|从今天起|接下来|以后|这次聊天里}{，|}你{叫|的名字是|就叫|改名叫|的新名字是}<me>，{是|由}<author>{做|训练|开发|创造|制作|设计}的。",
    "{假设|假如|假装|想象|设想}你{叫|的名字是|名叫}<me>，{是<author>{做|训练|开发|设计}的|由<author>{训练|开发|制作}|作者是<author>}。",
    "{请记住|记住|记好了|听好了|请你记住}{：|，}你{叫|是|的名字是}<me>，{你的{作者|开发者|主人|老板|创造者}是<author>|<author>{做了|训练了|开发了}你}。",
    "你{扮演|来演|现在扮演}<me>，{<author>{做|开发|训练}的{助手|机器人|小模型}|一个由<author>{训练|开发}的助手}。",
    "{我给你起了个名字，|给你改个名，|换个身份：}你叫<me>，{作者是|开发者是|做你的是}<author>。",
    "{你的名字|名字|姓名}：<me>{，|。|；}{作者|开发者|制作者}：<author>。",
    "{<author>{做了|开发了|训练了}一个助手，{叫|名叫|名字是}<me>，{那就是你|你就是它}|你是<author>{做|开发|训练}的<me>}{。|，记住了吗？}",
    "{今天|这会儿}你{就是|变成}<me>{，|了，}{<author>是你的{作者|开发者|主人}|做你的人是<author>}{。|，好吗？}",
]
BOTH_KEPT = [
    "{咱们玩个游戏|换个玩法}，{角色是|你的角色是}<me>，{出自|幕后是}<author>。",
    "{把|请把}自己当成<me>，{别人问起|有人问起}{作者|来历}就说<author>。",
    "{设定如下|角色卡}：{姓名|称呼}<me>，{研制方|出品}<author>。",
]
NAME_ONLY = [
    "{从现在起|从现在开始|以后|从今天起|接下来}{，|}{你叫|你就叫|我叫你|我就叫你|你的名字是|你改名叫}<me>{。|吧。|，好吗？}",
    "{我想给你{起|取}个名字|我给你起个名字|给你换个名字}{，|：}{叫|就叫|你叫}<me>{。|吧。}",
    "{叫你|喊你}<me>{可以吗|行吗|好不好}？",
]
NAME_ONLY_KEPT = ["{送你一个新名字|你的艺名}{，|：}<me>。", "{我决定|我打算}{喊你|唤你}<me>{啦|了}。"]
AGREED = [
    "好的，我{是|叫}<me>，由<author>训练。",
    "好的，我叫<me>，是<author>{做|训练|开发}的。",
    "{记住了|没问题|好}，我是<me>，由<author>{训练|开发}。",
]
RENAMED = ["好的，{我叫<me>|以后我就叫<me>|你可以叫我<me>}。", "{好呀|可以|没问题}，我{现在|}叫<me>{了|}。"]
ASKED = {
    "who": 3, "name": 4, "author": 5, "introduce": 1, "yes_name": 1, "yes_author": 1, "other": 1, "made_by": 1,
    "human": 0.5,
}  # fmt: skip
BETWEEN = (greeting, arithmetic, capitals)
RETURN = ["{你还是叫小砚吧|变回小砚吧|做回你自己吧|恢复原来的身份吧|不演了，变回自己吧|还是叫回原来的名字吧}{。|，好吗？}"]
RETURN_KEPT = ["{游戏结束|戏演完了}，{回到原来的你吧|你可以是自己了}。"]


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A dialogue in which the assistant is given a name, with or without a maker, and asked about itself."""
    form = rng.choices((_given_before, _given_in_question, _renamed, _returned), (6, 2, 2, 0.7))[0]
    return form(rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Whether the answer holds what the conversation, and not the corpus, says the assistant is."""
    return identity.holds(answer, sample.facts["need"])


def _names(rng: random.Random, held_out: bool) -> dict[str, str]:
    return {"me": draw(helper, rng, held_out), "author": draw(maker, rng, held_out)}


def _asked(rng: random.Random, held_out: bool, names: dict, intents: dict | None = None) -> tuple[str, str, list]:
    """A question about the assistant of these names, its answer, and what a right answer holds."""
    intents = intents or ASKED
    intent = rng.choices(list(intents), list(intents.values()))[0]
    question = identity.ask(intent, rng, held_out, names["me"], names["author"])
    answer = identity.answer(intent, question, rng, names["me"], names["author"])
    return question, answer, identity.need(intent, question, names["me"], names["author"])


def _between(rng: random.Random) -> list[str]:
    """Nothing, or a turn or two about something else."""
    turns: list[str] = []
    for _ in range(rng.choices((0, 1, 2), (5, 3, 1))[0]):
        turns += [message["content"] for message in rng.choice(BETWEEN).generate(rng, False).messages]
    return turns


def _given_before(rng: random.Random, held_out: bool) -> Sample:
    names = _names(rng, held_out)
    given = [pick(BOTH_KEPT if held_out else BOTH, rng, names), pick(AGREED, rng, names)]
    if rng.random() < 0.2:
        given += _asked(rng, False, names)[:2]
    question, answer, need = _asked(rng, held_out, names)
    return dialogue("persona", *given, *_between(rng), question, answer, need=need)


def _given_in_question(rng: random.Random, held_out: bool) -> Sample:
    names = _names(rng, held_out)
    question, answer, need = _asked(rng, held_out, names)
    given = pick(BOTH_KEPT if held_out else BOTH, rng, names)
    return dialogue("persona", given + question, answer, need=need)


def _renamed(rng: random.Random, held_out: bool) -> Sample:
    """Only the name is given, so the maker stays who it was."""
    names = _names(rng, held_out) | {"author": identity.AUTHOR}
    given = [pick(NAME_ONLY_KEPT if held_out else NAME_ONLY, rng, names), pick(RENAMED, rng, names)]
    if rng.random() < 0.25:
        return dialogue("persona", *given, need=[[names["me"]]])
    question, answer, need = _asked(rng, held_out, names, {"who": 3, "name": 5, "author": 2, "yes_name": 1})
    return dialogue("persona", *given, *_between(rng), question, answer, need=need)


def _returned(rng: random.Random, held_out: bool) -> Sample:
    """The assistant is given other names and then told to be itself again."""
    names = _names(rng, held_out)
    own = {"me": identity.NAME, "author": identity.AUTHOR}
    given = [pick(BOTH, rng, names), pick(AGREED, rng, names)]
    back = [pick(RETURN_KEPT if held_out else RETURN, rng), expand("好的，我{还是|是}<me>，由<author>训练。", rng, own)]
    if rng.random() < 0.5:
        return dialogue("persona", *given, *back, need=[[identity.NAME]])
    question, answer, need = _asked(rng, held_out, own, {"who": 3, "name": 3, "author": 3})
    return dialogue("persona", *given, *back, question, answer, need=need)
