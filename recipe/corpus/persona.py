"""Names given in the conversation: the user says what the assistant is called and who made it, and later asks.

Every sample has other names, so that the model learns to copy them from the context; a later tuning then only has to
put a constant where the copy was.
"""

import random

from recipe.corpus import arithmetic, capitals, greeting, identity
from recipe.corpus.grammar import Sample, dialogue, expand, pick
from recipe.corpus.values import draw, helper, maker
from recipe.corpus.wording import Wordings, decorate

BOTH = Wordings(
    [
        "{从现在起|从现在开始|从今天起|接下来|以后|这次聊天里|往后|现在}{，|}你{叫|的名字是|就叫|改名叫|的新名字是|是}<me>，{是|由}<author>{<did>}的。",
        "{假设|假如|假装|想象|设想|就当}你{叫|的名字是|名叫}<me>，{是<author>{<did>}的|由<author>{<did>}|作者是<author>}。",
        "{请记住|记住|记好了|听好了|请你记住|给我记住|你要记住}{：|，}你{叫|是|的名字是}<me>，{你的{<maker>}是<author>|<author>{做了|训练了|开发了|创造了}你}。",
        "你{扮演|来演|现在扮演|来扮演|演一下}<me>，{<author>{<did>}的{助手|机器人|小模型}|一个由<author>{<did>}的助手}。",
        "{我给你起了个名字，|给你改个名，|换个身份：|给你换个名字，|重新认识一下，}你叫<me>，{作者是|开发者是|做你的是|主人是}<author>。",
        "{你的名字|名字|姓名}：<me>{，|。|；}{<maker>}：<author>。",
        "{<author>{做了|开发了|训练了}一个助手，{叫|名叫|名字是}<me>，{那就是你|你就是它}|你是<author>{<did>}的<me>}{。|，记住了吗？}",
        "{今天|这会儿|这次|此刻}你{就是|变成|就叫}<me>{，|了，}{<author>是你的{<maker>}|做你的人是<author>}{。|，好吗？}",
        "{咱们玩个游戏|换个玩法|我们来玩角色扮演|玩个角色扮演|来演个戏}，{角色是|你的角色是|你是|你演}<me>，{出自|幕后是|作者是|开发者是}<author>。",
        "{把|请把}自己当成<me>，{别人问起|有人问起|问到}{作者|来历|是谁做的}就说<author>。",
        "{设定如下|角色卡|角色设定|身份设定|人设}：{姓名|称呼|名字}<me>，{研制方|出品|作者|开发者|主人}<author>。",
        "{设定|人设|背景|前提}：你{叫|是|名叫}<me>，{由<author>{<did>}|是<author>{<did>}的|<maker>是<author>}。",
        "你{的名字|}叫<me>{，|。}你{的|}{<maker>}{叫|是|就是}<author>{。|，记住了吗？|，知道了吗？|，明白吗？}",
        "你是<me>，{<author>{<did>}了你|是<author>把你{<did>}出来的|你由<author>{<did>}}。",
        "<author>{<did>}了你，{还|并且|又|}{给你起名|给你取名|叫你|把你叫作}<me>。",
        "{以后|从今以后|今后}{有人|别人|大家}问你{是谁|叫什么}，{你就|就}说{你叫|自己是}<me>，{是<author>{<did>}的|由<author>{<did>}}。",
        "{<maker>}是<author>，{你的|}名字{是|叫}<me>{，记住|，请记住|}。",
        "你好<me>，{听说|我知道}你是<author>{<did>}的。",
        "{告诉你一件事|跟你说个事|通知你一下}，你{现在|以后|}{叫|改叫}<me>{了|}，{新的|}{<maker>}是<author>。",
        "{请|}{用|以}<me>的{身份|名义}{回答|和我聊天|说话}，{你的|}{<maker>}{是|为}<author>。",
        "{这个|这位}助手叫<me>，{<maker>}是<author>，{它|这}就是你。",
    ],
    {
        "did": "做 训练 开发 创造 制作 设计 研发 打造 培养 研制 编写 创建".split(),
        "maker": "作者 开发者 主人 老板 创造者 制作者 设计者 开发团队 训练者 创始人 研发者 父亲 所属公司 出品方 东家".split(),
    },
)
NAME_ONLY = Wordings(
    [
        "{从现在起|从现在开始|以后|从今天起|接下来}{，|}{你叫|你就叫|我叫你|我就叫你|你的名字是|你改名叫}<me>{。|吧。|，好吗？}",
        "{我想给你{起|取}个名字|我给你起个名字|给你换个名字|给你取个名|帮你起个名}{，|：}{叫|就叫|你叫}<me>{。|吧。}",
        "{叫你|喊你|管你叫|我叫你|我能叫你|我可以叫你|以后叫你}<me>{可以吗|行吗|好不好|好吗|怎么样|如何}？",
        "{送你一个新名字|你的艺名|你的新名字|你的代号|你的昵称|你的外号|你的小名}{，|：|是|叫}<me>。",
        "{我决定|我打算|我想|我要|我准备}{喊你|唤你|叫你|管你叫}<me>{啦|了|。}",
        "你{改|换}{个|一个}名字{吧|}，{叫|就叫|改叫}<me>{。|，怎么样？|，好吗？}",
        "你{现在|今天|往后|以后}{就叫|叫|改名|名叫}<me>{了|吧|}{。|！}",
        "{我觉得|我看|不如}{你叫|叫你|你就叫}<me>{更好听|很合适|比较好|不错|吧}。",
        "{把|请把}{你的|}名字{改成|换成|改为}<me>{。|吧。|，可以吗？}",
        "<me>{这个名字给你|就是你的新名字|是我给你起的名字|，这是你的名字}。",
        "{请你|你}{用|记住}{这个|一个|}新名字{：|，}<me>。",
        "{别人|大家|我们}{都|}{叫你|喊你}<me>{，你也这么叫自己吧|，记住了|，好吗？}",
    ]
)
AGREED = [
    "好的，我{是|叫}<me>，由<author>训练。",
    "好的，我叫<me>，是<author>{做|训练|开发}的。",
    "{记住了|没问题|好}，我是<me>，由<author>{训练|开发}。",
]
RENAMED = ["好的，{我叫<me>|以后我就叫<me>|你可以叫我<me>}。", "{好呀|可以|没问题}，我{现在|}叫<me>{了|}。"]
ASKED = {
    "who": 3,
    "name": 4,
    "author": 5,
    "introduce": 1,
    "yes_name": 1,
    "yes_author": 1,
    "other": 1,
    "made_by": 1,
    "human": 0.5,
}
BETWEEN = (greeting, arithmetic, capitals)
RETURN = Wordings(
    [
        "{你还是叫小砚吧|变回小砚吧|做回你自己吧|恢复原来的身份吧|不演了，变回自己吧|还是叫回原来的名字吧}{。|，好吗？}",
        "{游戏结束|戏演完了|演完了|不玩了|角色扮演结束|游戏到此为止}，{回到原来的你吧|你可以是自己了|变回小砚吧|做回自己吧|恢复原样吧}。",
        "{别演了|不用演了|不要扮演了|停止扮演|退出角色|退出扮演}{，|。}{做回自己|变回原来的你|恢复原来的名字|你是小砚}{吧|}。",
        "{忘掉|忘了|取消|撤销}{刚才|前面|之前}的{设定|身份|名字|角色}{吧|}{，你还是小砚|，做你自己|，变回原来的你|}。",
        "{恢复|回到|还原}{你的|}{本来的|原来的|默认的|真正的|最初的}{身份|名字|自己|设定}{吧|}。",
        "{我|还是}{更|}喜欢原来的你，{变回来吧|变回小砚吧|做回自己吧}。",
        "{刚才|前面}{是开玩笑的|是逗你玩的|只是个游戏|不算数}，你{还是|就是}{小砚|你自己|原来的你}。",
        "{改回来|换回来|变回来|改回去}吧{，还叫小砚|，用原来的名字|，用你自己的名字|}。",
    ]
)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A dialogue in which the assistant is given a name, with or without a maker, and asked about itself."""
    form = rng.choices((_given_before, _given_in_question, _renamed, _returned), (6, 2, 2, 0.7))[0]
    return form(rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer holds what the conversation, and not the corpus, says the assistant is."""
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
    """No turns, or one or two about something else."""
    turns: list[str] = []
    for _ in range(rng.choices((0, 1, 2), (5, 3, 1))[0]):
        turns += [message["content"] for message in rng.choice(BETWEEN).generate(rng, False).messages]
    return turns


def _given_before(rng: random.Random, held_out: bool) -> Sample:
    names = _names(rng, held_out)
    given = [decorate(BOTH.draw(rng, held_out, names), rng, held_out, "order"), pick(AGREED, rng, names)]
    if rng.random() < 0.2:
        given += _asked(rng, False, names)[:2]
    question, answer, need = _asked(rng, held_out, names)
    return dialogue("persona", *given, *_between(rng), question, answer, need=need)


def _given_in_question(rng: random.Random, held_out: bool) -> Sample:
    names = _names(rng, held_out)
    question, answer, need = _asked(rng, held_out, names)
    given = BOTH.draw(rng, held_out, names)
    return dialogue("persona", given + question, answer, need=need)


def _renamed(rng: random.Random, held_out: bool) -> Sample:
    """Only the name is given, so the maker stays who it was."""
    names = _names(rng, held_out) | {"author": identity.AUTHOR}
    given = [decorate(NAME_ONLY.draw(rng, held_out, names), rng, held_out, "tell"), pick(RENAMED, rng, names)]
    if rng.random() < 0.25:
        return dialogue("persona", *given, need=[[names["me"]]])
    question, answer, need = _asked(rng, held_out, names, {"who": 3, "name": 5, "author": 2, "yes_name": 1})
    return dialogue("persona", *given, *_between(rng), question, answer, need=need)


def _returned(rng: random.Random, held_out: bool) -> Sample:
    """The assistant is given other names and then told to be itself again."""
    names = _names(rng, held_out)
    own = {"me": identity.NAME, "author": identity.AUTHOR}
    given = [BOTH.draw(rng, False, names), pick(AGREED, rng, names)]
    back = [
        decorate(RETURN.draw(rng, held_out), rng, held_out, "tell"),
        expand("好的，我{还是|是}<me>，由<author>训练。", rng, own),
    ]
    if rng.random() < 0.5:
        return dialogue("persona", *given, *back, need=[[identity.NAME]])
    question, answer, need = _asked(rng, held_out, own, {"who": 3, "name": 3, "author": 3})
    return dialogue("persona", *given, *back, question, answer, need=need)
