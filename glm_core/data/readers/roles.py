"""Who speaks in a conversation: names of roles in published data sets, words for customers and agents, names of people.

Covers names alone; turns of a conversation are `chats`.
"""

import re
from collections.abc import Sequence

from glm_core.data.readers.notices import NoticeTally

_SAID_BY = {
    "user": "human user 用戶 客戶 顧客 買家 お客様 고객 cliente kunde клиент 用户 客户 顾客 患者 病人 学生 买家 来访者 提问者 咨询者 访客 家长 人类 人 客人 customer client patient"
    " student buyer prompter question q 问",
    "assistant": "賣家 醫生 老師 オペレーター 상담원 agente berater оператор gpt assistant chatgpt bot model 助手 客服 医生 大夫 老师 店员 卖家 商家 咨询师 顾问 机器人 助理 专员 模型"
    " agent doctor teacher seller support ai moss chatbot answer a 答 gpt-4 gpt4 claude llm",
    "system": "system developer 系统",
}
_TOOLS = frozenset("tool function observation ipython tool_response function_response 工具 观察".split())
_MOST = 40  # names of a file from whom a reader may choose
ROLES = {word: role for role, words in _SAID_BY.items() for word in words.split()}
_PARTS = sorted((word for word in ROLES if len(word) > 1 and not word.isascii()), key=len, reverse=True)


def role_of(name: object) -> str | None:
    """The role that a speaker's name stands for; None for a name that nobody knows."""
    word = name.strip().strip("<>|[]").lower() if isinstance(name, str) else ""
    return "tool" if word in _TOOLS else ROLES.get(word)


def role_like(name: object) -> str | None:
    """As `role_of`, for names that have the word of a role at one end: 客服小王, 小王(客服), Agent 2."""
    if not isinstance(name, str) or name.strip().lower() in ROLES:
        return role_of(name)
    word = name.strip().lower()
    bare = re.sub(r"[\s\d_\-()（）\[\]【】<>|.,:：#]+", " ", word).strip()
    ends = [one for one in (*bare.split(" ")[:1], *bare.split(" ")[-1:]) if len(one) > 1]
    if found := next((ROLES[one] for one in ends if one in ROLES), None):
        return found
    return next((ROLES[part] for part in _PARTS if bare.startswith(part) or bare.endswith(part)), None)


def cast(names: Sequence[str], tally: NoticeTally, assistant: str = "") -> dict[str, str]:
    """Name -> role of those who speak, in the order in which they begin; {} where nobody can tell who answers.

    Args:
        assistant: the name that a reader chose.
    """
    if len(tally.speakers) < _MOST:
        tally.speakers = list(dict.fromkeys([*tally.speakers, *names]))
    given = {name: role for name in names if (role := tally.roles.get(name)) in ("user", "assistant")}
    assistant = assistant or tally.assistant
    if assistant in names:
        return {name: "assistant" if name == assistant else "user" for name in names} | given
    letters = all(len(name) == 1 for name in names) and {name.lower() for name in names} != {"q", "a"}
    roles = {name: given.get(name) or (None if letters else role_like(name)) for name in names}
    answering = [name for name in names if roles[name] == "assistant"]
    if answering and len(answering) < len(names):
        _note_added([name for name in names if roles[name] is None], len(names), tally)
        return {name: role or "user" for name, role in roles.items()}
    if len(names) != 2:
        return {}
    asking = next((name for name in names if roles[name] == "user" and not answering), names[0])
    other = next(name for name in names if name != asking)
    tally.add("speakers", 2, *(() if len(tally.speakers) >= _MOST else (asking, other)))
    return {asking: "user", other: "assistant"}


def _note_added(unknown: Sequence[str], speakers: int, tally: NoticeTally) -> None:
    """Count the names that stand for no known role, where more than two speak."""
    known = tally.names.get("speakers_added", ())
    if speakers > 2 and (new := [name for name in unknown if name not in known]):
        tally.add("speakers_added", len(new), *new)
