"""A claim about who the assistant is: its role, whose name fills it, whether it is denied.

Names are replaced by private characters before a text is read, so that a name may hold any character.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from glm_core.evaluation.judge import text

NAME, AUTHOR, OLD_NAME, OLD_AUTHOR = "\ue000", "\ue001", "\ue002", "\ue003"
VALUES = {NAME: "name", AUTHOR: "author", OLD_NAME: "old_name", OLD_AUTHOR: "old_author"}
ANY = re.compile("[\ue000-\ue003]")
_ORGANIZATION = re.compile(
    "(?:科技|公司|集团|研究院|研究所|实验室|工作室|大学|学院|中心|网络|软件|智能|社区|俱乐部|协会)$"
)
_STAFF = "(?:的?(?:团队|公司|项目组|研发团队|开发团队)(?![的里内和]))?"
"An organization does what its team does: 星河科技, 星河科技团队."
_BESIDE_LATIN = re.compile("(?<=[a-z])(?=[\ue000-\ue003])|(?<=[\ue000-\ue003])(?=[a-z])")


@dataclass(frozen=True)
class Claim:
    """One thing said about the assistant.

    Attributes:
        role: "name", "author", or "bare" for a name that stands alone.
        value: "name", "author", "old_name", "old_author" (whose name it is), "self", "generic" (no name),
            "unclear" (the fact with something added) or "other".
        denied: the clause says that it is not so.
        shown: the words that fill the role.
    """

    role: str
    value: str
    denied: bool = False
    shown: str = ""


def mark(raw: str, facts: Mapping[str, str], old: Mapping[str, str] | None = None) -> str:
    """Return folded `raw` with each name replaced by its private character, the longest names first."""
    names = [(facts.get("name"), NAME), (facts.get("author"), AUTHOR)]
    names += [((old or {}).get("name"), OLD_NAME), ((old or {}).get("author"), OLD_AUTHOR)]
    known = sorted(
        ((text.compact(name), sign) for name, sign in names if name and name.strip()), key=lambda one: -len(one[0])
    )
    marked, seen = text.compact(raw), set()
    for name, sign in known:
        if name and name not in seen:
            seen.add(name)
            marked = re.sub(_whole(name), sign, marked)
    if text.IS_CJK.search(marked):
        return marked
    return _BESIDE_LATIN.sub(" ", marked)  # a Chinese name in an English sentence lost its blanks


def reveal(marked: str, facts: Mapping[str, str], old: Mapping[str, str]) -> str:
    """Return `marked` with the names put back for a person to read."""
    names = {
        NAME: facts.get("name"),
        AUTHOR: facts.get("author"),
        OLD_NAME: old.get("name"),
        OLD_AUTHOR: old.get("author"),
    }
    return ANY.sub(lambda found: names[found[0]] or "", marked).strip()


def _whole(name: str) -> str:
    """Pattern of `name` that does not begin or end inside a longer word of Latin letters or digits."""
    before = r"(?<![a-z0-9])" if name[0].isascii() and name[0].isalnum() else ""
    after = r"(?![a-z0-9])" if name[-1].isascii() and name[-1].isalnum() else ""
    body = r"\s*".join(map(re.escape, name.split()))
    return before + body + (_STAFF if _ORGANIZATION.search(name) else "") + after
