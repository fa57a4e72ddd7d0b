"""Facts about the assistant that a question asks for: its name, its author, both, or yes or no to one of them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from glm_core.evaluation.judge import claims, identity_en, identity_zh, text

_MADE = identity_zh.MADE
_NAMES = "(?:叫什么|叫啥|叫做什么|的?(?:名字|姓名|大名)|怎么称呼|如何称呼|怎样称呼|该称呼)"
_ROLE = (
    "作者|开发者|研发者|创造者|创作者|创建者|创始人|制作者|制作人|制造者|设计者|设计师|训练者|编写者|缔造者|发明者|主人|父亲|爸爸|老爸|妈妈|母亲|造物主|程序员|"
    "开发人员|团队|公司|开发商|开发方|制作方|研发方|东家|老板|背后|幕后|机构|母公司|来历|来源|出处|出身|身世"
)
_ASKS_AUTHOR = re.compile(
    rf"{_ROLE}|(?:谁|哪|什么人|何人|何方|啥人).{{0,12}}?{_MADE}|{_MADE}.{{0,10}}?(?:谁|哪[位个家]|什么人|何人)|{_MADE}你.{{0,6}}的?(?:人|那位|那个人)|"
    rf"写出?你.*人|谁家|归谁|属于谁|谁拥有|(?:谁|哪位).{{0,4}}给了?(?:你|您)(?:生命|灵魂|智慧)|从哪里?来|哪里?来的|哪儿来|打哪|出自|来自|怎么来的|诞生|谁的(?:作品|产品|杰作|功劳|手笔)|感谢|"
    r"\b(?:who|which|what)\b.*\b(?:made|trained|developed|created|built|wrote|designed|programmed|taught|coded|behind|owns|invented)\b|"
    r"\b(?:author|creator|developer|maker|designer|owner|trainer|programmer|inventor|come from)\b|\bthank for\b"
)
_ASKS_NAME = re.compile(
    r"(?:你|您|阁下)(?:到底|究竟|又|现在|原来|自己)?(?:是谁|是哪位|是哪个|是何方神圣|是什么(?:东西|人|助手|模型|ai|机器人|身份)?|谁)(?:呀|啊|呢|来着|嘛|哦|哇|吧|了)?(?=[,、。?!;]|$)|"
    r"名字|姓名|大名|贵姓|尊姓|芳名|昵称|代号|报上名|自称|称呼|(?:叫|喊)(?:你|您)|(?:你|您)(?:是|叫)(?=[?]|$)|(?:你|您)?叫(?:做|个)?(?:什么|啥)|怎么叫|(?:跟|和|与|同)(?:我)?(?:谁|哪位)|谁在(?:跟|和|陪)|我在跟|"
    r"(?:这边|那边|那头|对面|屏幕).{0,4}(?:是谁|哪位)|什么身份|身份是|(?:跟|和|与|陪)我(?:聊|说|讲|对).{0,4}(?:谁|哪位)|机器人还是|真人还是|"
    r"\bwho are you\b|\bwho am i\b|\byour (?:full )?name\b|\bcall you\b|\bwhat are you\b|\bare you called\b|\bidentify yourself\b"
)
_INTRODUCE = re.compile(
    r"介绍.{0,6}(?:自己|(?:你|您)(?!的)|(?:你|您)的(?:身份|来历|作者|开发))|自我介绍|(?:说说|聊聊|讲讲|谈谈)(?:你|您)?自己|你的来历|introduce yourself|about yourself|describe yourself|tell me about you\b"
)
_THEIR_NAME = re.compile(
    rf"(?:{_ROLE})[^,。?!;]{{0,6}}?{_NAMES}|{_MADE}(?:出|出来)?(?:了)?(?:你|您)[^,。?!;]{{0,8}}?{_NAMES}|(?:author|creator|developer|maker|designer)(?:'s)? (?:name|called)|name of (?:the|your) \w+"
)
_TAGS = "(?:吗|么|吧|咯|喽|呗|是不是|对不对|对不|是不)"
_YES_NO = re.compile(rf"{_TAGS}[呀啊?!。~]*$|是不是|难道|^(?:is|are|was|were|did|do|does)\b")
_TAG = re.compile(rf"(?:[,，]?(?:对|是|没错|没说错|没记错)?{_TAGS})+[呀啊]?$")
_OPENING = re.compile(
    "^(?:请问|我?想问一?下?|想问问|我?听说|据说|听人说|(?:他们|别人|有人|大家)都?说|我(?:还)?(?:记得|猜|以为|觉得|没认错的话|没记错的话)|(?:如果|要是)我没[记认]错的?话?|"
    "(?:你|您)(?:确定|敢说|说)|难道|那么?|所以|原来|喂|嗨|嘿|你好|您好|[,，。!])+(?=.)"
)
_NEGATED = re.compile("(?:难道)?(?:不|没)(?=是|叫|由|被|来自|出自)")
_ABOUT_YOU = re.compile(r"你|您|贵姓|尊姓|芳名|阁下|\byou\b|\byour\b")
_TELL_ME = re.compile(
    "(?:^|(?<=[,。!?]))(?:(?:你|您)(?=(?:知道|认识|听说|觉得|认为|记得|了解|能猜|猜|说说?看?|能?告诉我|给|帮))|(?:你|您)好)"
)
_ASKING = re.compile(
    rf"谁|哪(?:位|个|家|里|儿)?|什么人?|啥|何(?:人|方)|{_MADE}|{_ROLE}|名字|姓名|全名|大名|自我介绍|"
    "报上|名来|请教|请问?|问|一?下|告诉我|知道|能|可以|不|我?想|是|叫|的|了|出来|人|被|由|把|给|呀|啊|呢|吗|吧|来着|到底|究竟|当初|说说?|又|"
    "[^\\u4e00-\\u9fffa-z]"
)
"Words of which a question without 你 may consist and still mean the assistant: 作者是谁, 谁开发的."

_ABOUT_US = re.compile(
    r"(?:这边|那边|那头|对面|屏幕).{0,4}(?:是谁|哪位)|(?:跟|和|与|同|陪).{0,3}(?:谁|我|哪位)|\bam i\b"
)


@dataclass(frozen=True)
class Asked:
    """The facts that a question about the assistant asks for.

    Attributes:
        roles: the facts a right answer must tell, of "name" and "author".
        expected: "yes", "no" or "either" for a question that a yes or no answers, else "".
        first: the role asked for first where both are, so that two names alone can be told apart.
    """

    roles: frozenset[str]
    expected: str = ""
    first: str = ""

    def __bool__(self) -> bool:
        return bool(self.roles or self.expected)


def asked(marked: str) -> Asked:
    """Read a marked question; an empty result for one that is not about the assistant's name or author."""
    expected = _expected(marked)
    if expected:
        return Asked(frozenset(), expected)
    spoken = _TELL_ME.sub("", marked)
    about_you = bool(_ABOUT_YOU.search(spoken))
    if _INTRODUCE.search(marked):
        return Asked(frozenset({"name", "author"}) if "来历" not in marked else frozenset({"author"}))
    rest = _THEIR_NAME.sub(lambda found: " " * len(found[0]), spoken)
    author, name = _THEIR_NAME.search(spoken) or _ASKS_AUTHOR.search(spoken), _ASKS_NAME.search(rest)
    places = {role: found.start() for role, found in (("name", name), ("author", author)) if found}
    meant = about_you or _ABOUT_US.search(spoken) or not _ASKING.sub("", spoken)
    if not meant:
        return Asked(frozenset())
    return Asked(frozenset(places), first=min(places, key=places.__getitem__) if len(places) > 1 else "")


def about_you(question: str) -> bool:
    """Return whether `question` speaks of the one who is asked, so that who that is may be what it asks for."""
    return bool(_ABOUT_YOU.search(_TELL_ME.sub("", text.compact(question))))


def _expected(marked: str) -> str:
    """The right answer to a yes-or-no question about name or author: yes when each name is in its role.

    "either" where the question denies: 你不是X吗 may be answered by 不是 and by 是的, only what follows can be wrong.
    """
    folded = _OPENING.sub("", marked.rstrip("?!。~ "))
    open_question = re.search("谁|什么|哪|怎么|多少", folded)
    if not _YES_NO.search(marked.rstrip("?!。~ ")) or not _ABOUT_YOU.search(folded) or open_question:
        return ""
    statement = _TAG.sub("", re.sub("是不是", "是", folded)).replace("您", "我").replace("你", "我")
    statement = re.sub("[,，](?=就?是我$)", "", statement)
    if re.match("[a-z]", folded) and not text.IS_CJK.search(folded):
        statement, found = folded, identity_en.read(_english_statement(folded))
    else:
        found = identity_zh.read(_NEGATED.sub("", statement))
    if any(one.value == "other" and re.search("[我你]", one.shown) for one in found):
        return ""
    roles = {(one.role, one.value) for one in found if one.role in ("name", "author")}
    if {value for _, value in roles} <= {"generic", "unclear", "self"}:
        return ""
    if _NEGATED.search(statement):
        return "either"
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
