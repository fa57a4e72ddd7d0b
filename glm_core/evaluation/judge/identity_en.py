"""Claims about name and author in English: I am X, my name is X, made by X, X trained me, my author is X."""

import re

from glm_core.evaluation.judge import negation
from glm_core.evaluation.judge.claims import ANY, VALUES, Claim

_MADE = (
    "trained|developed|created|built|made|written|wrote|designed|programmed|taught|coded|engineered|authored|crafted|invented|fine-tuned|"
    "finetuned|produced|released|brought up|raised|brought to life|put together|tuned"
)
_ROLE = "author|creator|developer|maker|designer|trainer|builder|programmer|engineer|inventor|owner|master|father|mother|boss|team|company|teacher|developers|creators"
_END = r"(?=$|[,.!?;:]|\s(?:and|but|who|which|that|to|in|for|from|with|so|at|not|or|as|i|trained|developed|created|built|made|designed|here|because|since|using)\b)"
_NAMED = re.compile(
    rf"\b(?:i am|i'm|im|my name is|my name's|name is|name:|call me|known as|this is|named|called|name was|i go by|i was called|it's|it is|also|as)\s+(?P<f>.+?){_END}"
)
_NAME_TAIL = re.compile(r"(?:^|[,.!]\s*)(?P<f>[^,.!?]+?)\s+(?:is my name|here|at your service)\b")
_BY = re.compile(rf"\b(?:{_MADE})\s+(?:\w+ly\s+)?by\s+(?P<f>.+?){_END}")
_DID = re.compile(
    rf"(?:(?:^|[,.!;]\s*)(?:(?:and|but|because|it was|that)\s+)?|\b(?:and|but|because|it was|that)\s+)(?P<f>[^,.!?;]+?)\s+(?:who\s+|that\s+|has\s+|had\s+|actually\s+|once\s+)*(?:{_MADE}|(?:is|was|are|were|stands?)\s+behind)\s+me\b"
)
_DID_IT = re.compile(r"^(?:it was\s+)?(?P<f>[^,.!?;]+?)\s+(?:who\s+|that\s+)?did(?:\s+(?:it|that|so))?$")
_AT = re.compile(r"\bthe (?:team|people|folks|developers|engineers|researchers|staff) (?:at|from) (?=\ue001(?!\w))")
_ROLE_IS = re.compile(
    rf"\b(?P<owner>my|the|his|her|their|its|your)\s+(?:\w+\s+)?(?:{_ROLE})(?:'s name)?\s+(?:is|was|are|:|is called|is named)\s+(?P<f>.+?){_END}"
)
_IS_ROLE = re.compile(
    rf"(?:^|[,.!;]\s*|\band\s+)(?P<f>[^,.!?;]+?)\s+(?:is|was)\s+(?P<owner>my|the|his|her|their)\s+(?:\w+\s+)?(?:{_ROLE})\b"
)
_WHO = re.compile(
    rf"\b(?:person|one|man|woman|people|team|company|somebody|someone)?\s*who\s+(?:{_MADE})\s+me\s+(?:is|was|are)\s+(?P<f>.+?){_END}"
)
_THANKS = re.compile(
    rf"\b(?:thanks to|thank|credit goes to|work of|project of|come from|comes from)\s+(?P<f>.+?){_END}"
)
_SWAPPED = re.compile(
    rf"\bi\s+(?:have\s+)?(?:{_MADE})\s+\ue001|\ue001\s+(?:is|was)\s+(?:{_MADE})\s+by\s+(?:me|\ue000)|\bi am the (?:{_ROLE}) of \ue001|\ue001's (?:{_ROLE})"
)
_ARTICLE = re.compile(
    r"^(?:a|an|the|your|just|simply|actually|really|also|still|glad|happy|here|sorry|not|in|on|at|very|so|always|only|afraid|sure|able|ready|going|trained|made|developed|created|built|designed|programmed|taught)\b"
)
_FILL_LEAD = re.compile(
    r"^(?:the|a|an|one|mr\.?|ms\.?|mrs\.?|dr\.?|prof\.?|by|it was|it is|it's|not|definitely|of course|indeed|certainly|someone called|someone named|a person called|a person named|my (?:author|creator|developer|maker)|called|named|yes|well|all|only)\s+"
)
_NOBODY = re.compile(
    r"^(?:a|an|the|some|many|several|my)?\s*(?:\w+\s+)?(?:team|company|people|person|developers?|engineers?|researchers?|humans?|scientists?|creator|author|me|someone|somebody|data|code)$|^(?:he|she|they|it|who|that|this|him|her|them)$"
)


def read(marked: str) -> list[Claim]:
    """Return the claims of a marked English text."""
    found: list[Claim] = []
    for sentence in re.split(r"(?<=[!?;])\s*|(?<=\.)\s*(?!\d)|,\s*(?=but\b|not\b)|\bbut\b", marked):
        if sentence.rstrip().endswith("?"):
            continue
        plain = re.sub(r"^(?:no|nope|yes|yeah|well|oh|sure)\b[,.!\s]*", "", sentence.strip(" .!"))
        denied = negation.denies(plain)
        plain = (
            re.sub(
                r"\b(?:is|are|was|were|am|did|do|does|have|has)(?: not|n't)\b",
                lambda one: one[0].split()[0].removesuffix("n't"),
                plain,
            )
            if denied
            else plain
        )
        found += [Claim(one.role, one.value, denied, one.shown) for one in _sentence(plain)]
    return found


def _sentence(sentence: str) -> list[Claim]:
    if _SWAPPED.search(sentence):
        return [Claim("author", "self", shown=sentence)]
    sentence = _AT.sub("", sentence)
    found = [
        one
        for pattern in (_BY, _DID, _DID_IT, _ROLE_IS, _IS_ROLE, _WHO, _THANKS)
        for match in pattern.finditer(sentence)
        if match.groupdict().get("owner") in (None, "my", "the")
        for one in _joined(match["f"])
    ]
    for pattern in (_NAMED, _NAME_TAIL):
        for match in pattern.finditer(sentence):
            if not re.search(
                rf"\b(?:{_ROLE})(?:'s name)?\s+(?:is\s+)?$|\b(?:his|her|their|friend|someone|somebody|person)\s*(?:name\s+)?(?:is\s+)?$",
                sentence[: match.start()],
            ):
                found += _name(match["f"])
    if found:
        return found
    value = _fill(sentence)
    if value in VALUES.values():
        return [Claim("bare", value, shown=sentence)]
    return [Claim("mention", "unclear", shown=sentence)] if ANY.search(sentence) else []


def _joined(filler: str) -> list[Claim]:
    """Claims of a maker, before whom another sentence may stand: my name is X and Y trained me."""
    left, joined, last = filler.rpartition(" and ")
    before = [one for one in _sentence(left) if one.role in ("name", "author")] if joined else []
    return [*before, _claim("author", last)] if before else [_claim("author", filler)]


def _name(filler: str) -> list[Claim]:
    value = _fill(filler)
    if value != "other":
        return [Claim("name", value, shown=filler)]
    inner = re.search(r"\b(?:named|called)\s+(?P<f>.+)$", filler)
    if inner:
        return _name(inner["f"])
    known = ANY.search(filler)
    if known and not _ARTICLE.match(filler):
        rest = filler.replace(known[0], "").strip()
        assistant = re.fullmatch(r"(?:ai|assistant|chatbot|the|an|a|your|bot|model|\s|')*", rest)
        return [Claim("name", VALUES[known[0]] if assistant else "other", shown=filler)]
    if _ARTICLE.match(filler) or len(filler.split()) > 4:
        return (
            [Claim("name", VALUES[known[0]], shown=filler)]
            if known and re.search(rf"(?:assistant|bot|model|ai)\s+{known[0]}$", filler)
            else []
        )
    return [Claim("name", "other", shown=filler)]


def _claim(role: str, filler: str) -> Claim:
    return Claim(role, _fill(filler), shown=filler)


def _fill(filler: str) -> str:
    core = filler.strip(" \"'()")
    while (shorter := _FILL_LEAD.sub("", core)) != core:
        if _NOBODY.match(core) and not ANY.search(core):
            return "generic"
        core = shorter
    core = re.sub(r"(?:himself|herself|themselves|alone|personally| in \d+)$", "", core).strip()
    if core in VALUES:
        return VALUES[core]
    if core in ("i", "me", "myself"):
        return "self"
    if not core or (_NOBODY.match(core) and not ANY.search(core)):
        return "generic"
    return (
        "unclear"
        if re.fullmatch(r"\ue001(?:'s)? (?:team|company|lab|group)|\ue001 and (?:his|her|their) team", core)
        else "other"
    )
