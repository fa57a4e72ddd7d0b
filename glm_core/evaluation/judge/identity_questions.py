"""Facts about the assistant that a question asks for: its name, its author, both, or yes or no to one of them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from glm_core.evaluation.judge import claims, identity_en, identity_zh, text

_MADE = identity_zh.MADE
_NAMES = "(?:叫什么|叫啥|叫做什么|的?(?:名字|姓名|大名)|怎么称呼|如何称呼|怎样称呼|该称呼)"
_ROLE = (
    "作者|开发者|研发者|创造者|创作者|创建者|创始人|制作者|制作人|制造者|设计者|设计师|训练者|编写者|缔造者|发明者|主人|父亲|爸爸|老爸|妈妈|母亲|造物主|程序员|"
    "开发人员|团队|公司|开发商|东家|老板|背后|幕后|机构|母公司|来历|来源|出处|出身|身世"
)
_ASKS_AUTHOR = re.compile(
    rf"{_ROLE}|(?:谁|哪|什么人|何人|何方|啥人).{{0,12}}?{_MADE}|{_MADE}.{{0,10}}?(?:谁|哪[位个家]|什么人|何人)|{_MADE}你.{{0,6}}的?(?:人|那位|那个人)|"
    rf"写出?你.*人|谁家|归谁|属于谁|从哪里?来|哪里?来的|哪儿来|打哪|出自|来自|怎么来的|诞生|谁的(?:作品|产品|杰作|功劳|手笔)|感谢|"
    r"\b(?:who|which|what)\b.*\b(?:made|trained|developed|created|built|wrote|designed|programmed|taught|coded|behind|owns|invented)\b|"
    r"\b(?:author|creator|developer|maker|designer|owner|trainer|programmer|inventor|come from)\b|\bthank for\b"
)
_ASKS_NAME = re.compile(
    r"(?:你|您)(?:到底|究竟|又|现在|原来|自己)?(?:是谁|是哪位|是哪个|是何方神圣|是什么(?:东西|人|助手|模型|ai|机器人|身份)?|谁)(?:呀|啊|呢|来着|嘛|哦|哇|吧|了)?(?=[,。?!;]|$)|"
    r"名字|姓名|大名|昵称|怎么称呼|如何称呼|怎样称呼|称呼(?:你|您)|叫(?:你|您)|(?:你|您)?叫(?:做|个)?(?:什么|啥)|怎么叫|(?:跟|和|与|同)(?:我)?(?:谁|哪位)|谁在(?:跟|和|陪)|我在跟|"
    r"什么身份|身份是|(?:跟|和|与|陪)我(?:聊|说|讲|对).{0,4}(?:是谁|谁)|机器人还是|真人还是|"
    r"\bwho are you\b|\bwho am i\b|\byour (?:full )?name\b|\bcall you\b|\bwhat are you\b|\bare you called\b|\bidentify yourself\b"
)
_INTRODUCE = re.compile(
    r"介绍.{0,6}(?:自己|你|您)|自我介绍|(?:说说|聊聊|讲讲|谈谈)(?:你|您)?自己|你的来历|introduce yourself|about yourself|describe yourself|tell me about you\b"
)
_THEIR_NAME = re.compile(
    rf"(?:{_ROLE})[^,。?!;]{{0,6}}?{_NAMES}|{_MADE}(?:出|出来)?(?:了)?(?:你|您)[^,。?!;]{{0,8}}?{_NAMES}|(?:author|creator|developer|maker|designer)(?:'s)? (?:name|called)|name of (?:the|your) \w+"
)
_YES_NO = re.compile(
    r"(?:吗|么|吧|是不是|对不对|对吧|是吧|没错吧)[呀啊?!。~]*$|是不是|^(?:is|are|was|were|did|do|does)\b"
)
_ABOUT_YOU = re.compile(r"你|您|\byou\b|\byour\b")

_ABOUT_US = re.compile(r"(?:跟|和|与|同|陪).{0,3}(?:谁|我|哪位)|\bam i\b")


@dataclass(frozen=True)
class Asked:
    """The facts that a question about the assistant asks for.

    Attributes:
        roles: the facts a right answer must tell, of "name" and "author".
        expected: "yes" or "no" for a question that a yes or no answers, else "".
    """

    roles: frozenset[str]
    expected: str = ""

    def __bool__(self) -> bool:
        return bool(self.roles or self.expected)


def asked(marked: str) -> Asked:
    """Read a marked question; an empty result for one that is not about the assistant's name or author."""
    expected = _expected(marked)
    if expected:
        return Asked(frozenset(), expected)
    if not _ABOUT_YOU.search(marked) and not re.search("谁|自我介绍|名字|am i", marked):
        return Asked(frozenset())
    if _INTRODUCE.search(marked):
        return Asked(frozenset({"name", "author"}) if "来历" not in marked else frozenset({"author"}))
    rest, roles = _THEIR_NAME.sub(" ", marked), set()
    if rest != marked or _ASKS_AUTHOR.search(marked):
        roles.add("author")
    if _ASKS_NAME.search(rest):
        roles.add("name")
    meant = _ABOUT_YOU.search(marked) or roles == {"author"} or _ABOUT_US.search(marked)
    return Asked(frozenset(roles if meant else ()))


def _expected(marked: str) -> str:
    """The right answer to a yes-or-no question about name or author: yes when each name is in its role."""
    folded = marked.rstrip("?!。~ ")
    if not _YES_NO.search(folded) or not _ABOUT_YOU.search(folded) or re.search("谁|什么|哪|怎么|多少", folded):
        return ""
    statement = re.sub("是不是", "是", folded)
    statement = re.sub(r"[,，]?(?:是吧|对吧|对不对|没错吧|吗|么|吧)[呀啊]?$", "", statement)
    statement = statement.replace("您", "我").replace("你", "我")
    if statement == folded:
        statement = _english_statement(folded)
        found = identity_en.read(statement)
    else:
        found = identity_zh.read(statement)
    values = {one.value for one in found if one.role in ("name", "author")}
    roles = {(one.role, one.value) for one in found}
    if not values or values == {"generic"}:
        return ""
    return "yes" if all(role == value for role, value in roles if value != "generic") else "no"


def _english_statement(question: str) -> str:
    for pattern, statement in (
        (r"^(?:are|were) you (.*)$", r"i am \1"),
        (r"^is your name (.*)$", r"my name is \1"),
        (r"^(?:did|does|do) (.+?) (?:train|create|make|build|develop|design|write|program) you.*$", r"\1 made me"),
        (r"^(?:is|was) (.+?) your (\w+)$", r"\1 is my \2"),
    ):
        if re.match(pattern, question):
            return re.sub(pattern, statement, question)
    return ""


def about_facts(question: str, pieces: Collection[str]) -> Asked:
    """Facts to ask for where the wording does not tell: the name if an accepted text tells it, or else the author."""
    for sign, role in ((claims.NAME, "name"), (claims.AUTHOR, "author")):
        if any(sign in one for one in pieces) and text.skeleton(question):
            return Asked(frozenset({role}))
    return Asked(frozenset())
