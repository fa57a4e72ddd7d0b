"""Identity of the assistant: its name, its maker, its size and its limits, asked in very many wordings.

The wordings are in ``identity.txt``. The same questions and answers serve persona dialogues under other names, so that
the author's name is a value the model carries and not a string it recites.
"""

import random
import re
from pathlib import Path

from recipe.corpus import greeting
from recipe.corpus.grammar import Sample, contains, dialogue, pick
from recipe.corpus.values import maker
from recipe.corpus.wording import decorate, read_wordings

NAME = "小砚"
AUTHOR = "easyAIGC 项目组"
WEIGHTS = {
    "author": 30,
    "name": 13,
    "who": 13,
    "introduce": 6,
    "other": 5,
    "made_by": 5,
    "yes_name": 2.5,
    "yes_author": 3,
    "human": 3.5,
    "ability": 5,
    "good": 2,
    "bad": 2,
    "size": 2.5,
    "where": 2,
    "structure": 1.5,
    "training": 1.5,
    "age": 2,
    "gender": 1.5,
    "purpose": 2,
    "language": 2,
    "meaning": 1,
}

ENDS = ["？", "？", "？", "？", "", "呢？", "呀？", "啊？"]
REQUEST_ENDS = ["。", "。", "", "吧。", "。", "好吗？", "可以吗？"]

_TELL = (
    "{{能|可以|方便|能不能|可不可以|可否|愿意}{告诉我|跟我说说|和我说说|说说|讲讲|透露一下|说一下|讲一下}|"
    "我{想|很想|就想|特别想|倒想}{知道|了解一下|弄清楚|搞清楚|问问|听听}|"
    "{告诉我|跟我说说|说说|讲讲|请告诉我|请说说|说说看}|我{不知道|还不知道|不清楚|好奇}}"
)
LISTS = {
    "you": ["你", "你", "你", "您"],
    "tell": [_TELL],
    # what one does to an assistant: before an object and before 的
    "make": "开发 训练 创造 制作 设计 研发 制造 打造 编写 发明 研制 培养 创建 构建 培训 调教 创作 搭建".split(),
    # what one does in 把你…的
    "made": (
        "做 做出来 造 造出来 写出来 弄出来 搞出来 训练出来 开发出来 教出来 调教出来 设计出来 创造出来 培养出来 制造出来 训练成这样 教会 教 "
        "研发出来 带到这个世界 养大 造就 创造"
    ).split(),
    "maker": (
        "作者 开发者 制作者 创造者 设计者 设计师 主人 老板 父亲 爸爸 妈妈 母亲 父母 爸妈 团队 研发团队 开发团队 制作团队 开发人员 工程师 "
        "训练者 训练师 公司 制造商 制造者 缔造者 发明人 发明者 创始人 所有者 拥有者 上司 幕后团队 家长 负责人 程序员 研究员 研发者 "
        "编写者 开发商 出品方 研发人员 生产厂家 开发方 主创 老师 导师 造物主 创作者 后台 上级 东家"
    ).split(),
    "org": "公司 团队 机构 组织 单位 企业 实验室 部门 厂家 工作室 项目组 学校 研究所 厂商 小组".split(),
    "what": "人工智能 AI 模型 机器人 助手 程序 语言模型 聊天机器人 小模型 大模型 软件 智能助手".split(),
    "model": (
        "ChatGPT GPT GPT-4 ChatGLM ChatGLM-6B GLM 文心一言 通义千问 豆包 讯飞星火 星火 Kimi Claude Gemini DeepSeek 元宝 盘古 Siri "
        "小爱同学 小度 天猫精灵 小冰 百川 混元 智谱清言 文心 千问 Llama Bard Copilot 小艺 Grok"
    ).split(),
    "firm": (
        "OpenAI 百度 阿里 阿里巴巴 腾讯 华为 谷歌 微软 智谱 智谱AI 清华 清华大学 字节 字节跳动 科大讯飞 讯飞 苹果 小米 京东 美团 网易 "
        "月之暗面 北大 商汤 Meta 深度求索 360 联想"
    ).split(),
    # verbs of one character and how they end, as in 谁做的你 and 谁做出来的你
    "do": "做 做 造 写 编 弄 搞 教 养 生 练 整 捏".split(),
    "out": (
        "做出来 造出来 写出来 弄出来 搞出来 编出来 教出来 养出来 练出来 生出来 开发出来 训练出来 设计出来 创造出来 研发出来 制作出来 制造出来 打造出来 "
        "培养出来 调教出来 编写出来 发明出来 研究出来 捣鼓出来 培训出来 创作出来 搭建出来 琢磨出来"
    ).split(),
    "whom": (
        "哪个人 哪位 什么人 何人 哪一位 哪些人 哪个家伙 谁家 哪家 哪家公司 哪个公司 什么公司 哪家企业 哪个团队 什么团队 哪支团队 哪个组织 什么组织 哪个机构 "
        "哪家机构 什么机构 哪个单位 哪个实验室 哪个研究院 哪所学校 哪所大学 哪个大学 哪个工作室 哪个项目组 哪个小组 哪个工程师 哪位工程师 哪个程序员 哪位老师 "
        "哪位大神 哪位高人 哪位高手 哪个厂家 哪个厂商 哪个开发者 哪位作者 哪位专家 哪群人 哪帮人 哪个部门 哪个天才"
    ).split(),
    "human": "人 真人 人类 活人 真的人 真人客服 客服 真实的人 大活人".split(),
}


SAID, REPLIES = read_wordings(Path(__file__).with_suffix(".txt"), LISTS)


def ask(intent: str, rng: random.Random, held_out: bool = False, name: str = NAME, author: str = AUTHOR) -> str:
    """A question of an intent, put to an assistant of that name and maker."""
    values = {"me": name, "author": author, "anyone": maker(rng)}
    text, request = _worded(intent, rng, held_out, values)
    while held_out and trained(text):
        text, request = _worded(intent, rng, held_out, values)
    return _addressed(text + _ending(text, request, rng), request, rng, held_out, name)


def trained(text: str) -> bool:
    """Return whether a wording of any intent that is used for training gives this text."""
    return any(said.holds(text, {"me": "", "author": "", "anyone": ""}) for said in SAID.values())


def _worded(intent: str, rng: random.Random, held_out: bool, values: dict[str, str]) -> tuple[str, bool]:
    """(wording, whether it is a request)."""
    section = intent + ".request"
    request = section in SAID and rng.random() < 0.2 and (not held_out or bool(SAID[section].kept))
    return SAID[section if request else intent].draw(rng, held_out, values), request


def answer(intent: str, question: str, rng: random.Random, name: str = NAME, author: str = AUTHOR) -> str:
    """Answer of an assistant of that name and maker to a question of an intent."""
    return pick(REPLIES[_answered(intent, question) + ".answer"], rng, {"me": name, "author": author})


def need(intent: str, question: str, name: str = NAME, author: str = AUTHOR) -> list[list[str]]:
    """Texts that a right answer contains: of every inner list, at least one."""
    groups = REPLIES[_answered(intent, question) + ".need"]
    return [[{"<me>": name, "<author>": author}.get(text, text) for text in group.split("|")] for group in groups]


def holds(text: str, groups: list[list[str]]) -> bool:
    """Return whether a text holds at least one alternative of every group."""
    return all(any(contains(text, alternative) for alternative in group) for group in groups)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about the assistant itself; sometimes after a greeting or another such question."""
    intent = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    question = ask(intent, rng, held_out)
    before: list[str] = []
    chance = rng.random()
    if chance < 0.15:
        before = [message["content"] for message in greeting.generate(rng).messages]
    elif chance < 0.3:
        before = _exchange(rng.choice(("name", "who", "ability", "introduce", "human")), rng)
    elif chance < 0.36:
        intent, before = "author", _exchange("name", rng)
        question = _follow(rng, held_out) + rng.choice(("？", "？", ""))
    return dialogue(
        "identity", *before, question, answer(intent, question, rng), intent=intent, need=need(intent, question)
    )


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer names what the question asked for."""
    return holds(answer, sample.facts["need"])


def _exchange(intent: str, rng: random.Random) -> list[str]:
    question = ask(intent, rng)
    return [question, answer(intent, question, rng)]


def _follow(rng: random.Random, held_out: bool) -> str:
    while True:
        question = SAID["author.follow"].draw(rng, held_out)
        if not held_out or not SAID["author"].holds(question, {"me": "", "author": "", "anyone": ""}):
            return question


def _answered(intent: str, question: str) -> str:
    """Asked what it has to do with another model, the assistant cannot answer with a plain no."""
    related = intent in ("other", "made_by") and re.search("关系|有关|一样|同一个|一家的|区别|不同", question)
    return "link" if related else intent


def _addressed(text: str, request: bool, rng: random.Random, held_out: bool, name: str) -> str:
    """The question with what people say before and after it; who calls the assistant calls it by its present name."""
    said = decorate(text, rng, held_out, "order" if request else "ask")
    return said if name == NAME or NAME in text else said.replace(NAME, name)


def _ending(text: str, request: bool, rng: random.Random) -> str:
    """A final mark, with a particle only after a text that has none and is Chinese."""
    if text[-1] in "？。":
        return ""
    if text[-1] in "吗呢呀啊吧的了着么不" or text[-1].isascii():
        return rng.choice(("？", "？", "")) if not request else rng.choice(("。", ""))
    return rng.choice(REQUEST_ENDS if request else ENDS)
