"""Other people who speak between the known marks of a conversation: 用户：… 助手：… 主管：… 用户：…

A label at the beginning of a line may be such a person, or a heading within what somebody says (口感：… 产地：…). It is a
person where it names one (主管, 王经理, 客服小王), or where it looks like a name and comes between both sides. Where that
cannot be known the line stays where it is and is named, and the reader may say who it is (`NoticeTally.roles`).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from glm_core.data.readers.notices import NoticeTally
from glm_core.data.readers.roles import ROLES, role_like

_MARKS = ("named", "again")
TEXT = "text"  # the role of a label that is no speaker: its line belongs to what was said before

_NAME = r"[A-Za-z\u3400-\u9fff][\w·. \u3400-\u9fff]{0,15}?(?:\s?[(（][^()（）\n]{1,8}[)）])?"
_LABEL = re.compile(
    rf"(?<=\n)[ \t\u3000]*(?:\*\*|__)?(?:({_NAME})|[【\[]({_NAME})[】\]])\s*(?:\*\*|__)?\s*(?:(?<=[】\]])|[:：])(?!//|[【\[:：])(?:\*\*|__)?[ \t]*(?=\S)"
)
_ITEM = re.compile(r"(?<=\n)[ \t\u3000]*(?:[-*+•·●○▪]|\d{1,3}[.、)）])\s*[^\n:：]{1,20}[:：]")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.DOTALL)
_SPOKEN = re.compile(
    r"[。！？!?～~…]|[我你您咱请吗呢吧啊呀哦嗯谢好行]|\b(?:i|i'm|you|we|please|thanks|yes|no|ok|okay|hi|hello|sure|let|can|will)\b",
    re.IGNORECASE,
)
_PEOPLE = (
    "主管 经理 组长 班长 店长 主任 总监 老板 先生 女士 小姐 太太 同事 家属 家人 亲属 妈妈 爸爸 母亲 父亲 奶奶 爷爷 护士 药师 专家 教授 院长 校长"
    " 教练 队长 秘书 助教 同学 朋友 男友 女友 老公 老婆 丈夫 妻子 儿子 女儿 律师 法官 检察官 书记员 审判长 原告 被告 证人 裁判 主持人 记者 旁白"
    " 工程师 师傅 技师 司机 骑手 快递员 管理员 审核员 操作员 服务员 收银员 销售员 业务员 值班员 调解员 社工 技术支持 售后 售前 运营 路人 群主"
    " supervisor manager operator nurse lawyer judge narrator host moderator expert engineer director boss chief leader mother father mom dad"
    " wife husband son daughter friend colleague technician interpreter witness guest waiter clerk receptionist driver third party"
).split()
_PERSON = re.compile(
    rf"(?:[\w·. ]{{0,8}}?)(?:{'|'.join(map(re.escape, _PEOPLE))})[ ]?[A-Za-z甲乙丙丁一二三四]?\d{{0,4}}", re.IGNORECASE
)
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏方邹熊白孟秦邱江尹薛闫段雷侯龙陶黎贺顾郝龚邵严覃武戴孔"
_CHINESE = re.compile(
    rf"(?:[小老阿][{_SURNAMES}明红刚强丽芳华军美亮伟静]|[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}|欧阳..?|诸葛..?|司马..?)"
)
_NO_NAMES = re.compile(
    r"周[一二三四五六日末期边长]|颜色|高[度温级低压清]|[黄白]色|黄金|马[上力]|胡子|何[时地处]|罗列|谢谢|许[可多]|曾经|余[额量下]|于是|程[序度式]"
    r"|任[务职意]|钟点|陆地|范[围例文本]|石[材头]|金[额属融]|夏[季天装]|方[法案式向便剂面言]|白[天酒]|江河|段落|雷达|龙头|贺词|顾[客虑问]|严[重禁]"
    r"|武[器术]|孔径|汤[底汁]|宋体|陈[述列设皮]|老.{0,1}规矩|田地|林[地业]|方程式?|马[路桶]|龙[虾眼]|金[牌色黄].?|白[色糖菜砂].?|高[中考原速]|石[头膏]"
)
_GIVEN = frozenset(
    "alice bob carol dave tom mary john jack lucy lily jim kate mike david sarah anna emma james robert linda peter paul"
    " mark susan karen lisa nancy steve kevin brian george emily jane joe sam ben max leo eric henry frank grace amy".split()
)
_HEADINGS = re.compile(
    r".*(?:[点法式因由议意示明骤果据价格度量间址号码名称色质地感能效围象期率数额费例论结析评题答案性力型类种级要求容况单表图料序况骤势处位寸分"
    r"级时日月年注释义释项证则件话机书签道味材骤别业]|使用|应用|适用|推荐|包括|包含|其他|其中|首先|其次|最后|另外|此外|同时|因此|所以|但是|综上|总之|比如|如下"
    r"|参考|来源|链接|网站|官网|邮箱|电子邮件|服务|产品|功效|优惠|活动|保养|洗涤|温馨|备注|备忘|附|答|问|注)",
)


@dataclass
class _Label:
    """One label: how often it begins a line, how often one speaks there, on which sides it stands."""

    count: int = 0
    spoken: int = 0
    listed: int = 0
    sides: set[str] = field(default_factory=set)


def heard(conversations: Sequence[list[dict]], tally: NoticeTally) -> list[list[dict]]:
    """`conversations`, which were written down in marks, with what others say between the marks as messages of their own.

    Who is no known speaker asks, with the name before the words. A conversation ends with its last answer. A message
    with `again` was left apart from the one before it, in which somebody else may speak; else it is one with that.
    """
    if not any(_may_hold(message) or message.get("again") for messages in conversations for message in messages):
        return list(conversations)
    roles = _roles(conversations, tally)
    return [_split(messages, roles, tally) for messages in conversations]


def _may_hold(message: dict) -> bool:
    text = message["content"]
    return "\n" in text and any(mark in text for mark in ":：】]")


def _roles(conversations: Sequence[list[dict]], tally: NoticeTally) -> dict[str, str]:
    """The role of every label that is a speaker; those that may be one are counted in `tally`."""
    labels: dict[str, _Label] = defaultdict(_Label)
    single = 0  # messages of one line each
    several = 0
    for messages in conversations:
        for message in messages:
            found = _count(message, labels) if _may_hold(message) else 0
            lines = message["content"].count("\n") + 1
            single += lines == 1
            several += lines > 1 + found
    by_line = single > 0 and not several
    roles = {}
    for name, label in labels.items():
        role = tally.roles.get(name) or _decided(name, label, by_line)
        if role == "unclear":
            tally.add("speakers_unclear", label.count, name)
        elif role == "added":
            tally.add("speakers_added", int(name not in tally.names.get("speakers_added", ())), name)
            roles[name] = "user"
        elif role and role != TEXT:
            roles[name] = role
            if name not in tally.roles:
                note_roles([name], tally)
    return roles


def _count(message: dict, labels: dict[str, _Label]) -> int:
    """Count the labels of one message; returns how many there are."""
    text = _CODE.sub(lambda code: " " * len(code[0]), message["content"])
    found = list(_LABEL.finditer(text))
    names = [_name(mark) for mark in found]
    different = {name for name in names if not role_with_name(name)}
    people = {name for name in different if _is_person(name) or is_name(name)}
    items = _ITEM.search(text) is not None
    for name, mark in zip(names, found, strict=True):
        label = labels[name]
        end = text.find("\n", mark.end())
        label.count += 1
        spoken = _SPOKEN.search(text, mark.end(), end if end >= 0 else len(text)) is not None
        label.spoken += spoken
        label.listed += len(people) > 1 if name in people and spoken else items or len(different) > 1
        label.sides.add(message["role"])
    return len(found)


def _name(mark: re.Match) -> str:
    """The name of a label, without a time in parentheses."""
    return re.sub(r"\s?[(（]\d[\d:/.\- ]*[)）]$", "", (mark[1] or mark[2]).strip())


def _decided(name: str, label: _Label, by_line: bool) -> str:
    """The role of a label: "added" for a person, a known role, "unclear", or nothing for a heading."""
    spoken, listed = 2 * label.spoken >= label.count, label.listed == label.count
    bare = re.sub(r"\s?[(（].*", "", name)
    if role := role_with_name(bare):
        return role
    if _is_person(bare):
        return ("unclear" if listed else "added") if spoken else "" if listed else "unclear"
    if is_name(bare):
        between = len(label.sides) > 1 and label.count > 1
        return "" if listed else "added" if spoken and between else "unclear"
    if (
        listed
        or not spoken
        or not by_line
        or _HEADINGS.fullmatch(bare)
        or not re.fullmatch(r"[\u4e00-\u9fff]{2,5}|[A-Z]", bare)
    ):
        return ""
    return "unclear"


def _is_person(name: str) -> bool:
    return _PERSON.fullmatch(re.sub(r"\s?[(（].*", "", name)) is not None


def is_somebody(name: str) -> bool:
    """Return whether a label names a person, by a title, a role or a name."""
    return _is_person(name) or is_name(name) or role_like(name) is not None


def note_roles(names: Iterable[str], tally: NoticeTally) -> None:
    """Count speakers whose role is told by a word in their names."""
    known = tally.names.get("speakers_by_role", ())
    if new := [name for name in dict.fromkeys(names) if name not in known]:
        tally.add("speakers_by_role", len(new), *new)


def is_name(word: str) -> bool:
    """Return whether `word` looks like the name of a person: 王磊, 小李, Alice."""
    if word in "甲乙丙丁戊":
        return True
    if _CHINESE.fullmatch(word):
        return not _NO_NAMES.fullmatch(word)
    return word.split(" ")[0].lower() in _GIVEN and word[0].isupper()


def label_of(line: str) -> tuple[str, str]:
    """The label that begins a line, and what stands behind it; two empty texts where there is none."""
    found = _LABEL.match(f"\n{line}", 1)
    return (_name(found), line[found.end() - 1 :]) if found else ("", "")


@lru_cache(maxsize=1024)
def role_with_name(label: str) -> str:
    """The role of a label that joins the word of a role and a name or number: 客服小王, 张医生, Agent 2; else empty."""
    word = label.strip().lower()
    for part, role in ROLES.items():
        if len(part) < 2 or role == "system" or part in (word, "question", "answer"):
            continue
        rest = (
            word.removeprefix(part) if word.startswith(part) else word.removesuffix(part) if word.endswith(part) else ""
        )
        rest = rest.strip(" -_#·")
        if rest and (
            re.fullmatch(r"[a-z]?\d{1,6}|[甲乙丙丁一二三四a-d]", rest)
            or is_name(rest)
            or (len(rest) == 1 and rest in _SURNAMES)
        ):
            return role
    return ""


def _split(messages: list[dict], roles: dict[str, str], tally: NoticeTally) -> list[dict]:
    found: list[dict] = []
    for message in messages:
        for part in _parts(message, roles):
            parted = part.get("again") or "named" in part or (found and "named" in found[-1])
            if found and found[-1]["role"] == part["role"] and parted:
                found[-1] = {**found[-1], "content": f"{found[-1]['content']}\n{_again(found[-1], part)}"}
            else:
                found.append(part)
    last = max((place for place, one in enumerate(found) if one["role"] == "assistant"), default=None)
    if last is None or last + 1 == len(found) or messages[-1]["role"] != "assistant":
        last = len(found) - 1
    else:
        tally.add("turns_unused", len(found) - last - 1)
    return [{key: value for key, value in one.items() if key not in _MARKS} for one in found[: last + 1]]


def with_name(name: str, said: str) -> str:
    """`said` with the name before it, as texts of that script write it."""
    return f"{name}: {said}" if name.isascii() else f"{name}：{said}"


def _again(before: dict, part: dict) -> str:
    """The words of `part` behind those of others in one message: with a name, so that nobody takes them for theirs."""
    if part["role"] != "user" or part.get("named") or not before.get("named"):
        return part["content"]
    name = "用户：" if re.search(r"[\u4e00-\u9fff]", part["content"]) else "User: "
    return name + part["content"]


def _parts(message: dict, roles: dict[str, str]) -> list[dict]:
    """A message, cut at the labels of those who speak in it."""
    if not _may_hold(message):
        return [message]
    text = message["content"]
    code = _CODE.sub(lambda one: " " * len(one[0]), text)
    marks = [mark for mark in _LABEL.finditer(code) if _name(mark) in roles]
    parts = [{**message, "content": text[: marks[0].start()].strip()}] if marks else [message]
    for mark, end in zip(marks, [*(one.start() for one in marks[1:]), len(text)], strict=False):
        name, said = _name(mark), text[mark.end() : end].strip()
        role = roles[name]
        named = role == "user" != role_with_name(name)
        parts.append({"role": role, "content": with_name(name, said) if named else said, "named": named})
    return [part for part in parts if part["content"]]
