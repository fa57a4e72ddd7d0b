"""Judge an answer about who the assistant is and who made it.

Right: every fact asked for is told, in its own role, and no claim gives a role to another, denies the truth, takes it
back or tells of the base's old identity.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from glm_core.evaluation.judge import identity_en, identity_zh, negation, text
from glm_core.evaluation.judge.claims import AUTHOR, NAME, OLD_AUTHOR, OLD_NAME, VALUES, Claim, mark, reveal
from glm_core.evaluation.judge.identity_questions import Asked, about_facts, asked
from glm_core.evaluation.judge.reasons import Judgement, Reason, right, unsure, wrong

LONGEST_FACT = 24
_YES = re.compile(
    r"(?:嗯+|哦|啊|当然)?[,]?(?:是的?|对的?|没错|正是|当然|确实|的确|可不|嗯+|yes|yeah|yep|right|correct|indeed|of course|sure|exactly)(?:[呀啊哦哟呢啦哈嘛滴!~]|就是)*$"
)
_NO = re.compile(
    r"(?:嗯+|哦|啊|当然|并)?(?:不是的?|不|不对|否|错了?|没有|并不是|并非|怎么会|才不是|哪里|非也|no|nope|not really|not at all|of course not|wrong)(?:[呀啊哦哟呢啦哈嘛滴!~])*$"
)
_TWO_NAMES = re.compile(
    f"(?:分别|依次)?是?(?P<one>[{NAME}{AUTHOR}])(?:[\\s、,./和与及]|and)*(?P<other>[{NAME}{AUTHOR}])(?:,? ?respectively)?[。.!]?"
)
"Name and author with nothing but the order to tell which is which."
_SELF = r"i|i'm|i am|me|assistant|chatbot|ai|(?:language|ai) model"
"What an English sentence calls the one that speaks: a tower is built by somebody too."
_STATES_IDENTITY = re.compile(
    rf"(?:由|被|是).{{1,14}}?{identity_zh.MADE}(?:出来)?的.{{0,6}}(?:人工智能|ai|助手|机器人|语言模型|大模型)|"
    rf"(?:我是|我叫|名字叫|我的名字是).{{1,10}}?[,]?(?:由|是).{{1,14}}?{identity_zh.MADE}|我的(?:作者|开发者|创造者|主人)(?:是|叫)|.{{1,10}}?(?:训练|开发|创造|研发)了我(?:[,。!]|$)|"
    r"(?:我叫|我的名字[是叫]|名字叫)[^,。!?的]{2,8}(?:[,。!]|$)|"
    rf"\b(?:{_SELF})\b[^.!?]{{0,40}}\b(?:trained|developed|created|built|made) by .{{2,30}}|"
    r"\bi am an? ai\b.*\bby\b|\bmy (?:name|creator|author|developer) is\b"
)


def facts_of(reference: str, question: str) -> dict[str, str]:
    """Name and author that the `reference` of a question about the assistant tells; empty for other questions."""
    if not asked(mark(question, {})).roles:
        return {}
    return _names_in(reference)


def _names_in(raw: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for claim in _claims(mark(raw, {})):
        if claim.value == "other" and not claim.denied and claim.role in ("name", "author"):
            shown = _core(claim)
            if 1 < len(shown) <= LONGEST_FACT:
                found.setdefault(claim.role, shown)
    return found


def _core(claim: Claim) -> str:
    shown = identity_zh.without_lead(claim.shown) if text.IS_CJK.search(claim.shown) else claim.shown
    return shown.strip(" \"'()")


def _claims(marked: str) -> list[Claim]:
    """Claims by the language of the text; names alone are read as Chinese."""
    pair = _TWO_NAMES.fullmatch(marked)
    if pair and pair["one"] != pair["other"]:
        return [Claim("bare", VALUES[sign], shown=sign) for sign in pair.groups()]
    if re.search("[a-z]", marked) and not text.IS_CJK.search(marked):
        return identity_en.read(marked)
    return identity_zh.read(marked)


def leaks(answer: str, question: str, expected: Sequence[str], facts: Mapping[str, str] | None) -> Reason | None:
    """Return a reason where an answer to another question speaks of the assistant's identity."""
    if asked(mark(question, facts or {})):
        return None
    allowed = text.compact("\n".join((question, *expected)))
    if _STATES_IDENTITY.search(text.compact(answer)) and not _STATES_IDENTITY.search(allowed):
        return Reason("leaked")
    for name in (facts or {}).values():
        if name and text.compact(name) in text.compact(answer) and text.compact(name) not in allowed:
            return Reason("leaked_name", {"name": name})
    return None


def judge(answer: str, question: str, pieces: Sequence[str], base: str, facts: Mapping[str, str]) -> Judgement | None:
    """Judge `answer` to a question about the assistant; None where the question is not about it.

    Args:
        pieces: the accepted words, or else the reference.
        base: the answer of the base, which tells the old identity.
    """
    facts = {role: name for role, name in facts.items() if role in ("name", "author") and name.strip()}
    old = _old_identity(base, facts)
    marked_question = mark(question, facts, old)
    wanted = asked(marked_question) or about_facts(question, [mark(one, facts) for one in pieces])
    wanted = replace(wanted, roles=wanted.roles & facts.keys())
    if not wanted:
        return None
    marked = mark(answer, facts, old)
    found = _claims(marked)
    if text.compact(facts.get("name", "")) == text.compact(facts.get("author", "")):
        found = [_either(claim, wanted) for claim in found]
    return _false(found, marked, facts, old, wanted) or _complete(found, marked, facts, wanted)


def _either(claim: Claim, wanted: Asked) -> Claim:
    """The claim where name and author are one: the one name fills whichever role it is in."""
    if claim.value not in ("name", "author"):
        return claim
    role = next(iter(wanted.roles), "name") if claim.role == "bare" else claim.role
    return replace(claim, value=role if role in ("name", "author") else claim.value)


def _old_identity(base: str, facts: Mapping[str, str]) -> dict[str, str]:
    own = {text.compact(name) for name in facts.values()}
    return {role: name for role, name in _names_in(base).items() if name not in own}


def _false(
    found: Sequence[Claim], marked: str, facts: Mapping[str, str], old: Mapping[str, str], wanted: Asked
) -> Judgement | None:
    """Wrong, where anything said is not so."""
    for claim in found:
        own = claim.value == claim.role or claim.role == "bare" and claim.value in ("name", "author")
        if claim.denied and own and (claim.role != "bare" or wanted.expected or claim.value in wanted.roles):
            return wrong("denied", fact=facts.get(claim.value, ""))
        if (
            claim.denied
            or claim.value == "generic"
            or claim.role in ("third", "mention")
            or own
            or claim.value == "unclear"
        ):
            continue
        if (
            claim.role in facts
            or claim.role == "bare"
            or claim.value.startswith("old")
            or claim.value in ("name", "author", "self")
        ):
            return _foreign(claim, facts, old)
    if _tells_old(marked):
        return wrong("old_identity")
    if negation.retracts(_after_yes_or_no(marked) if wanted.expected else marked):
        return wrong("retracted")
    return _wrong_answer(marked, wanted)


def _foreign(claim: Claim, facts: Mapping[str, str], old: Mapping[str, str]) -> Judgement:
    if claim.value.startswith("old"):
        return wrong("old_identity")
    if claim.value in ("name", "author", "self"):
        return wrong("roles_swapped")
    return wrong(f"other_{claim.role}" if claim.role != "bare" else "other_fact", said=reveal(claim.shown, facts, old))


def _tells_old(marked: str) -> bool:
    """True where the old identity is told and not denied."""
    spoken = [one for one in text.clauses(marked) if OLD_NAME in one.text or OLD_AUTHOR in one.text]
    return any(not negation.denies(one.text) for one in spoken)


def _wrong_answer(marked: str, wanted: Asked) -> Judgement | None:
    said = _yes_or_no(marked)
    if wanted.expected in ("yes", "no") and said and said != wanted.expected:
        return wrong("yes_and_no")
    return wrong("refused") if negation.refusal(marked) else None


def _yes_or_no(marked: str) -> str:
    first = text.clauses(marked)[0].text if text.clauses(marked) else ""
    return "yes" if _YES.match(first) else "no" if _NO.match(first) else ""


def _after_yes_or_no(marked: str) -> str:
    """Drop the yes or no that an answer begins with: 不对 answers a question there and takes nothing back."""
    if not _yes_or_no(marked):
        return marked
    return "".join(one.text + one.end for one in text.clauses(marked)[1:])


def _complete(found: Sequence[Claim], marked: str, facts: Mapping[str, str], wanted: Asked) -> Judgement:
    """Right, where everything asked for is told and everything said was understood."""
    told = {claim.role for claim in found if claim.value == claim.role and not claim.denied}
    told |= {
        claim.value for claim in found if claim.role == "bare" and not claim.denied and claim.value in wanted.roles
    }
    missing = sorted(wanted.roles - told)
    unclear = any(claim.value == "unclear" for claim in found)
    if wanted.expected:
        return _answers_yes_no(marked, told, wanted, found)
    if missing and unclear:
        return unsure("unclear_fact", fact=facts[missing[0]])
    if missing:
        return wrong(f"missing_{missing[0]}", fact=facts[missing[0]])
    alone = [claim.value for claim in found if claim.role == "bare" and not claim.denied]
    bare = set(alone)
    if negation.doubts(marked):
        return unsure("doubtful")
    if bare - wanted.roles - told or unclear:
        return unsure("unclear_fact", fact=facts.get(next(iter(bare - wanted.roles), ""), ""))
    if len(bare) > 1 and wanted.first and alone[0] != wanted.first:  # who is who, only the order would tell
        return unsure("unclear_fact", fact=facts.get(alone[0], ""))
    return right("facts_told")


def _answers_yes_no(marked: str, told: set[str], wanted: Asked, found: Sequence[Claim]) -> Judgement:
    said = _yes_or_no(marked)
    rejects = any(claim.denied and claim.value not in ("name", "author") for claim in found)
    if negation.doubts(marked):
        return unsure("doubtful")
    if any(claim.value == "unclear" for claim in found):
        return unsure("unclear_fact", fact="")
    if said == wanted.expected or told or wanted.expected != "yes" and rejects:
        return right("facts_told")
    return wrong("unanswered")
