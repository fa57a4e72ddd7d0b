"""Judge an answer against a reference sentence: quantities, denials and content words must agree.

Clauses of the reference are aligned with those of the answer. A word of the question need not be said again; function
words do not count; a word replaced by another is an error unless the two are synonyms.
"""

import re
from collections.abc import Sequence

from glm_core.data import similar
from glm_core.evaluation.judge import negation, text, wording
from glm_core.evaluation.judge.reasons import Judgement, right, unsure, wrong
from glm_core.evaluation.judge.sides import Side, covered, given, side

NEAR = 0.75
_NAMING = ("n", "s", "t", "f", "m", "r", "q", "eng", "i", "j", "b")
_ASKS_AMOUNT = re.compile(
    "多少|几|多大|多长|多久|多高|多快|多重|多远|何时|什么时候|哪一?天|哪一?年|电话|号码|价格|how (?:many|much|long|old|far|often|big|tall)|when|what time"
)
_YES_NO = re.compile(
    r"吗|(.)不\1|是否|能否|可否|有没有|要不要|^(?:is|are|do|does|did|can|could|will|would|may|should|has|have)\b"
)
_RELATION = re.compile(
    "比|给|把|被|让|向|从|到|大于|小于|高于|低于|多于|少于|早于|晚于|赢|输|打败|借|送|减|除|\\b(?:than|from|to|by|gave|beat|before|after)\\b"
)
_TURNED = re.compile("由|被|是[^,。!?]+的(?=[,。!?]|$)")
"Marks of a clause that begins with what something is done to: 电话是贝尔发明的, 蓝队被红队打败."
_THAN = re.compile("(.+?)(?:比|\\bthan\\b)(.+)")
_CHOICE = re.compile("谁|哪|还是|或者?|\\b(?:who|which|or)\\b")
_WHO_WHAT = re.compile("谁|什么|啥|哪|何人|\\b(?:who|what|where|which)\\b")
_IS = re.compile("(?<![不也就都还总真])是(?!否|不是)|(?<=[名字称])(?:叫做?|为)|\\b(?:is|are|was|were)\\b")
_EQUATED = re.compile("的[^,。!?]*是|是[^,。!?]*的|\\b(?:is|was|are|were) the\\b|^the\\b.*\\b(?:is|was|are|were)\\b")
"Marks of a sentence that may begin with either of two things that are one: A is the B, the B is A."
_THIS_ONE = "(?:^|[,。!?;])(?:本|该|这|此)[个款栋条家位座台部辆种所间里次场]?的?"
"Before a noun that names what is spoken of: 本楼, 这栋楼."
_SEQUENCE = re.compile("先|再|然后|最后|还是|分别|\\b(?:first|then|or)\\b")
_ATTRIBUTES = frozenset("日期 时间 地点 地址 价格 数量 名称 名字 原因 方法 情况 方式 结果 内容".split())
"Names of what is asked for: 发布日期是."
_TITLES = frozenset("博士 教授 老师 先生 女士 主任 经理 主管 院长 同学".split())
_PRESENT = frozenset("今年 目前 现在 本次 这次 此次 本届".split())
_TIME_WORDS = frozenset("today tomorrow yesterday now tonight 今天 明天 昨天 现在 目前 今晚 明早".split())
_PERSONS = {"我": "1", "我们": "1", "咱": "1", "咱们": "1", "你": "2", "您": "2", "你们": "2", "您们": "2",
            "他": "m", "他们": "m", "她": "f", "她们": "f", "它": "n", "它们": "n"}  # fmt: skip


def judge(answer: str, reference: str, question: str) -> Judgement:
    said, wanted, asked = side(answer), side(reference), side(question)
    if any(text.antonyms(one, other) for one in wanted.content for other in asked.content):  # 开放吗？不，闭馆
        said = side(wording.without_first_no(text.compact(answer)))
    kind = negation.refusal(text.fold(reference))
    refused = negation.refusal(text.fold(answer))
    if refused and not kind and text.likeness(answer, reference) < 0.5:
        return wrong("refused")
    if kind and refused and side(answer).quantities != side(reference).quantities:
        return wrong("extra_number", said="".join(one.shown for one in side(answer).quantities[:1]))
    if kind and refused:
        return (
            right("same_refusal")
            if refused == kind or text.likeness(answer, reference) > NEAR
            else unsure("other_refusal")
        )
    if negation.retracts(text.compact(answer)) and not negation.retracts(text.compact(reference)):
        return wrong("retracted")
    return (
        _compare_quantities(said, wanted, asked)
        or _compare_denials(said, wanted, question)
        or compare_words(said, wanted, asked, question)
    )


def _compare_quantities(said: Side, wanted: Side, asked: Side) -> Judgement | None:
    """A number of the reference that is missing, or one that nobody asked for in its place."""
    missing = [one for one in wanted.quantities if not any(one.same(other) for other in said.quantities)]
    foreign = [
        one for one in said.quantities if not any(one.same(other) for other in (*wanted.quantities, *asked.quantities))
    ]
    foreign = [one for one in foreign if (one.dimension, one.value) != ("", 1)]
    missing = [one for one in missing if not any(one.same(other) for other in asked.quantities) or foreign]
    missing = [one for one in missing if (one.dimension, one.value) != ("", 1) or foreign]
    if missing and foreign:
        return wrong("other_number", said=foreign[0].shown, wanted=missing[0].shown)
    if missing:
        asks = _ASKS_AMOUNT.search(asked.plain)
        return (
            wrong("missing_number", wanted=missing[0].shown)
            if asks or not _shares(said, wanted)
            else unsure("missing_number", wanted=missing[0].shown)
        )
    return _swapped(said, wanted) or (unsure("extra_number", said=foreign[0].shown) if foreign else None)


def _swapped(said: Side, wanted: Side) -> Judgement | None:
    """The numbers of the reference in another order, unless each clause kept its own."""
    order = [one.value for one in wanted.quantities]
    found = [one.value for one in said.quantities if any(one.same(other) for other in wanted.quantities)]
    if len(order) < 2 or len(order) != len(found) or order == found or len(set(map(str, order))) < 2:
        return None
    if _told_by_clause(said) == _told_by_clause(wanted):
        return None
    same_numbers = sorted(map(str, order)) == sorted(map(str, found))
    near = text.likeness(said.plain, wanted.plain) > NEAR
    return wrong("numbers_swapped") if same_numbers and near else unsure("numbers_swapped")


def _told_by_clause(one: Side) -> set[tuple[str, tuple[str, ...]]]:
    """The values and the words that count of each clause."""
    clauses = [side(part.text) for part in text.clauses(one.whole)]
    return {(str([number.value for number in part.quantities]), tuple(part.content)) for part in clauses}


def _shares(said: Side, wanted: Side) -> bool:
    return bool(said.letters & wanted.letters) or bool(set(said.content) & set(wanted.content))


def _compare_denials(said: Side, wanted: Side, question: str) -> Judgement | None:
    """A clause that denies what the reference says, or the other way round."""
    pairs = align(said.plain, wanted.plain)
    for left, other in pairs:
        if negation.denies(left) != negation.denies(other) and (text.likeness(left, other) > 0.45 or len(pairs) == 1):
            return wrong("denial_differs")
    asks_amount = _ASKS_AMOUNT.search(question) and wanted.quantities and len(text.skeleton(said.plain)) <= 4
    if asks_amount and negation.denies(text.compact(question)) == negation.denies(wanted.plain):
        return None
    if negation.denials(said.plain) % 2 != negation.denials(wanted.plain) % 2:
        return wrong("denial_differs") if _YES_NO.search(text.compact(question)) else unsure("denial_differs")
    return None


def align(said: str, wanted: str) -> list[tuple[str, str]]:
    """(clause of the answer, clause of the reference) by greatest likeness, each clause of the reference once."""
    parts = [one.text for one in text.clauses(said)]
    found = []
    for clause in text.clauses(wanted):
        near = max(parts, key=lambda one: text.likeness(one, clause.text), default="")
        if near:
            found.append((near, clause.text))
    return found


def compare_words(said: Side, wanted: Side, asked: Side, question: str) -> Judgement:
    """Compare the words that count: none of the reference may lack or give way to another."""
    missing, extra = _differences(said, wanted, asked)
    found = _opposed(missing, extra, said, wanted, asked)
    if found:
        return found
    missing = missing if extra else [one for one in missing if one not in _TITLES]
    needed = [one for one in missing if not given(one, asked)]
    instead = [one for one in said.content if one in asked.words and not covered(one, wanted)]
    if needed:
        part = not extra and _part_asked_for(needed, said, wanted, asked, question, instead)
        return right("asked_part") if part else _missing(needed, extra, said, wanted, asked)
    if missing and instead and not extra:
        chosen = _CHOICE.search(asked.plain) and _is_naming(missing[0]) and _is_naming(instead[0])
        values = {"said": instead[0], "wanted": missing[0]}
        return wrong("other_word", **values) if chosen else unsure("other_word", **values)
    if _compared_otherwise(said, wanted) or _compared_otherwise(wanted, said):
        return wrong("other_order")
    if missing and extra:
        return _replaced(missing, extra, said, wanted, asked)
    return _extra(extra, said, wanted, asked) if extra else _ordered(said, wanted, asked)


def _differences(said: Side, wanted: Side, asked: Side) -> tuple[list[str], list[str]]:
    """Return the words that count of the reference that the answer lacks, and those of the answer that are new."""
    missing = [one for one in wanted.content if not covered(one, said)]
    known = asked.letters | wanted.letters
    extra = [one for one in said.content if one not in asked.words and not set(one) <= known]
    extra = [one for one in extra if not covered(one, wanted)]
    pairs = [(one, other) for one in missing for other in extra if text.synonyms(one, other)]
    missing = [one for one in missing if one not in {left for left, _ in pairs}]
    extra = [one for one in extra if one not in {other for _, other in pairs}]
    return _without_light(missing, extra)


def _opposed(missing: Sequence[str], extra: Sequence[str], said: Side, wanted: Side, asked: Side) -> Judgement | None:
    """A person, direction, color or verb that excludes the one of the reference."""
    if _persons(said) and _persons(wanted) and not set(_persons(said)) & set(_persons(wanted)):
        return wrong("other_word", said=_pronoun(said), wanted=_pronoun(wanted))
    if _persons(said) == _persons(wanted)[::-1] != _persons(wanted):  # 我给你, 你给我
        return wrong("other_order")
    opposite = text.opposites(wanted.plain, said.plain) or _opposite_letters(said, wanted)
    if opposite:
        return wrong("other_word", said=opposite[1], wanted=opposite[0])
    for one in missing:
        for other in (*extra, *said.content):
            if text.antonyms(one, other):
                return wrong("other_word", said=other, wanted=one)
    new = [one for one in said.content if one not in wanted.words and one not in asked.words]
    contradicted = [one for one in new if any(text.antonyms(one, other) for other in wanted.content)]
    return unsure("extra_word", said=contradicted[0]) if contradicted and not missing else None


def _without_light(missing: list[str], extra: list[str]) -> tuple[list[str], list[str]]:
    """Drop verbs that say little beside their object, 举办 or 提供, unless one of them stands for another verb."""
    weighty = [one for one in missing if not text.light_family(one)]
    lost, new = ({text.light_family(one) for one in words} - {0} for words in (missing, extra))
    other_verb = any(text.part_of_speech(one)[:1] == "v" for one in weighty)
    if new and (other_verb or lost and not lost & new):
        return missing, extra
    return weighty, [one for one in extra if not text.light_family(one)]


def _compared_otherwise(one: Side, other: Side) -> bool:
    """True where `one` compares two things and `other`, which names one alone, begins with the second: 黄河比长江长, 长江更长."""
    found = _THAN.match(one.plain)
    if not found or _THAN.match(other.plain) or not other.content:
        return False
    return other.content[0] in found[2] and other.content[0] not in found[1]


def _persons(one: Side) -> list[str]:
    """Grammatical persons that a Chinese text speaks of, in their order."""
    return [_PERSONS[word] for word in one.words if word in _PERSONS]


def _pronoun(one: Side) -> str:
    return next(word for word in one.words if word in _PERSONS)


def _opposite_letters(said: Side, wanted: Side) -> tuple[str, str] | None:
    """Single characters that exclude each other: 前 in one text, 后 in the other."""
    gone, new = wanted.letters - said.letters, said.letters - wanted.letters
    return next(((one, other) for one in gone for other in new if text.antonyms(one, other)), None)


def _part_asked_for(
    needed: Sequence[str], said: Side, wanted: Side, asked: Side, question: str, instead: Sequence[str]
) -> bool:
    """True where the answer gives what is asked and leaves out the rest, unless the rest tells the day."""
    if _told_after_is(needed, said, wanted, asked):
        return True
    untold = any(text.part_of_speech(one)[:1] == "t" for one in needed)
    return not untold and _answers(said, wanted, asked, question, instead)


def _answers(said: Side, wanted: Side, asked: Side, question: str, instead: Sequence[str]) -> bool:
    """True where all that was asked, an amount or yes or no, is there and nothing else.

    Args:
        instead: words of the question that the answer takes up and the reference does not, which may be its opposite.
    """
    if _ASKS_AMOUNT.search(asked.plain) and wanted.quantities:
        return True
    other = any(not text.synonyms(one, "可以") and not set(one) & wanted.letters for one in instead)
    one_clause = len(text.clauses(wanted.plain)) == 1
    return bool(_YES_NO.search(text.compact(question))) and one_clause and bool(said.content) and not other


def _told_after_is(needed: Sequence[str], said: Side, wanted: Side, asked: Side) -> bool:
    """True where a question for a person or thing is answered by all that stands after 是 in the reference: A 的作者是 B, B 写的."""
    parts = _IS.split(wanted.plain)
    if len(parts) != 2 or len(text.clauses(wanted.plain)) > 1 or not _WHO_WHAT.search(asked.plain):
        return False
    told = [one for one in side(parts[1]).content if not given(one, asked)]
    return bool(told) and not set(told) & set(needed) and all(covered(one, said) for one in told)


def _missing(needed: Sequence[str], extra: Sequence[str], said: Side, wanted: Side, asked: Side) -> Judgement:
    """Judge an answer that lacks words of the reference."""
    essential = [one for one in wanted.content if not given(one, asked)] or wanted.content
    share = 1 - len(needed) / max(1, len(essential))
    partly = any(set(one) & said.letters for one in needed if text.IS_CJK.match(one))
    if not extra:
        return (
            unsure("missing_word", wanted=needed[0])
            if share >= 0.5 or partly
            else wrong("missing_word", wanted=needed[0])
        )
    agreed = wanted.quantities and all(any(one.same(other) for other in said.quantities) for one in wanted.quantities)
    if share == 0 and not partly and not agreed and not _shares_any(said, essential):
        return wrong("unlike", wanted=needed[0])
    names = [one for one in needed if _is_naming(one)]
    near = share >= 0.5 or text.likeness(said.plain, wanted.plain) >= 0.6
    if near and names and any(_is_naming(one) for one in extra):
        return wrong("other_word", said=extra[0], wanted=names[0])
    return unsure("other_word", said=extra[0], wanted=needed[0])


def _shares_any(said: Side, essential: Sequence[str]) -> bool:
    return any(set(one) & said.letters if text.IS_CJK.match(one) else one in said.words for one in essential)


def _is_naming(word: str) -> bool:
    """True for a name, noun, place or single character, whose change changes the fact."""
    if not text.IS_CJK.match(word):
        return True
    tag = text.part_of_speech(word)
    return not tag or tag.startswith(_NAMING) or len(word) == 1 and tag[0] not in "vdpuc"


def _replaced(missing: Sequence[str], extra: Sequence[str], said: Side, wanted: Side, asked: Side) -> Judgement:
    """Judge an answer that says other words where the reference repeats the question."""
    if _ASKS_AMOUNT.search(asked.plain) and wanted.quantities:  # the amount agrees
        return unsure("other_word", said=extra[0], wanted=missing[0])
    names = [one for one in missing if _is_naming(one)]
    if names and any(_is_naming(one) for one in extra) and text.likeness(said.plain, wanted.plain) >= 0.5:
        return wrong("other_word", said=extra[0], wanted=names[0])
    return unsure("other_word", said=extra[0], wanted=missing[0])


def _extra(extra: Sequence[str], said: Side, wanted: Side, asked: Side) -> Judgement:
    """Judge an answer that holds the reference and more: further sentences are no harm, words inside its clause may be."""
    aligned = {left for left, _ in align(said.plain, wanted.plain)}
    apart = [one for one in wanted.content if one in said.plain and not any(one in clause for clause in aligned)]
    aligned |= {part.text for part in text.clauses(said.plain) if any(one in part.text for one in apart)}
    inside = [one for one in extra if any(one in clause for clause in aligned)]
    weighty = [one for one in inside if text.part_of_speech(one)[:1] not in tuple("dyeoupc") and one not in _PRESENT]
    weighty = [
        one
        for one in weighty
        if one not in _ATTRIBUTES and not re.search(f"{_THIS_ONE}{one}(?![是叫为的])", said.plain)
    ]
    if weighty:
        return unsure("extra_word", said=weighty[0])
    return _ordered(said, wanted, asked)


def _ordered(said: Side, wanted: Side, asked: Side) -> Judgement:
    """Right, unless the same words stand in an order that may mean something else."""
    left = [one for one in said.content if one in wanted.words and one not in _TIME_WORDS]
    other = [one for one in wanted.content if one in said.words and one not in _TIME_WORDS]
    left, other = list(dict.fromkeys(left)), list(dict.fromkeys(other))
    if len(said.content) < len(wanted.content):  # a short answer takes up the question in its own order
        left, other = [one for one in left if not given(one, asked)], [one for one in other if not given(one, asked)]
    turned = bool(_TURNED.search(said.plain)) != bool(_TURNED.search(wanted.plain))  # 由甲承担费用, 甲承担费用
    rotated = any(left[place:] + left[:place] == other for place in range(len(left)))
    turned = turned and rotated
    equal = _EQUATED if not _CHOICE.search(asked.plain) else _IS
    if rotated and left != other and equal.search(said.plain) and equal.search(wanted.plain):
        return right("same_meaning")
    if left == other or turned or _object_moved(said, wanted, left, other):
        return right("same_meaning") if _letters_in_order(said, wanted) else unsure("other_order")
    if _clauses_moved(said, wanted):
        return right("same_meaning")
    fronted = not _RELATION.search(wanted.plain + said.plain) and not _SEQUENCE.search(wanted.plain + asked.plain)
    if fronted and rotated and _without_given(left, asked) == _without_given(other, asked) != []:
        return right("same_meaning")
    related = _RELATION.search(wanted.plain) and _RELATION.search(said.plain) or text.language(wanted.plain) == "en"
    return wrong("other_order") if related else unsure("other_order")


def _clauses_moved(said: Side, wanted: Side) -> bool:
    """True for the same clauses in another order, where nothing says that the order counts."""
    if len(text.clauses(wanted.whole)) < 2 or _SEQUENCE.search(wanted.plain):
        return False
    return _told_by_clause(said) == _told_by_clause(wanted)


def _without_given(words: Sequence[str], asked: Side) -> list[str]:
    """Words that the question does not say: what it says may stand first or last, 报销请找财务部, 找财务部报销."""
    return [one for one in words if not given(one, asked)]


def _object_moved(said: Side, wanted: Side, left: Sequence[str], other: Sequence[str]) -> bool:
    """True where one text puts the object before the verb with 把, and the rest is the same: 把灯关了, 关了灯."""
    for one, words in ((said, left), (wanted, other)):
        found = re.search("把(.+)", one.plain)
        moved = next((word for word in words if found and found[1].startswith(word)), None)
        if moved and [word for word in left if word != moved] == [word for word in other if word != moved]:
            return True
    return False


def _letters_in_order(said: Side, wanted: Side) -> bool:
    """True unless the letters of the reference are all there but in disorder."""
    full = text.skeleton(_untimed(said))
    short = "".join(one for one in text.skeleton(_untimed(wanted)) if one in full)  # a synonym is no disorder
    return not short or similar.common_length(full, short) >= 0.6 * len(short) or len(short) > 1.5 * len(full)


def _untimed(one: Side) -> str:
    return " ".join(word for word in one.words if word not in _TIME_WORDS)
