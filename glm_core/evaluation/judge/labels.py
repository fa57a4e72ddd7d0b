"""Judge short answers: an accepted word or a label must stand whole, undenied, and without a rival.

Covers words inside sentences (大的反义词是小 holds 小, 大小写 does not), results of sums, rival labels, denials.
"""

import re
from collections.abc import Sequence

from glm_core.evaluation.judge import negation, numbers, text
from glm_core.evaluation.judge.reasons import Judgement, right, unsure, wrong

_SUFFIX = re.compile(
    "(?:色|色的|的|个|位|支|只|条|本|元|块|块钱|岁|号|日|月|份|省|市|县|区|国|人|族|语|文|话|星|州|洲|级|类|点|天|年|度|分|秒|米|克|斤|升|里|次|种|件|吨|倍|层|楼|项|"
    "呀|啊|哦|呢|吧|啦|了|哟|是|味|性|的意思|左右|多|类型|类别|情感|情绪|态度)*"
)
_SUFFIX_OF_ONE = re.compile("(?:色|色的|的|级|类|呀|啊|哦|呢|吧|啦|了|哟|是)*")
_DERIVED = re.compile("[春夏秋冬][天季]|[东西南北上下左右前后里外][边方面侧部]")
"Words of two characters that say no more than their first."
_CLASSIFIES = re.compile(
    "判断|分类|选项|选择|类别|归类|意图|标签|情感|情绪|等级|级别|优先级|是否|属于|哪类|哪种|哪一类|类型|还是|吗[:：]|classify|sentiment|label|category|topic"
)
_PREFIX = re.compile("^(?:[大小老真]|第)?$")
_DENIED_AFTER = re.compile(
    r"^(?:不是|并不|,(?:不是的?|并不)(?=[,。!~]|$)|[,]?(?:不对|才怪|是错的|错了|是错误的|不正确|除外|以外|之外|吗|么|\?)|.{0,2}(?:不是|不对)(?:[,。!]|$))"
)
_FINAL = re.compile(
    rf"(?:=|等于|等于是|得|得到|是|剩下?|还有|一共|共|结果|答案|is|equals|to)[^\d{numbers.MARK}]{{0,4}}(-?\d+(?:\.\d+)?)"
)
_SUM = re.compile(
    r"(?<![\d.+\-*/×x÷加减乘])(-?\d+(?:\.\d+)?)\s*([+\-*/×x÷加减乘])\s*(?:以|上|去)?\s*(\d+(?:\.\d+)?)\s*(?:=|等于|得|is|equals)\s*(-?\d+(?:\.\d+)?)"
)
_OPTIONS = re.compile(r"(?P<a>[^\s,。?!:;、是]{1,8}?)(?:还是|或者?|\s+or\s+)(?P<b>[^\s,。?!:;、]{1,8})")
_OPTION_LIST = re.compile(
    r"[(\[【]([^()\[\]【】]{2,60})[)\]】]|(?:从|在)([^。?!]{2,60}?)(?:中|里)(?:选|挑)|(?:选项|类别|标签|分类)(?:有|是|为|:)\s*([^。?!\n]{2,60})"
)
_CALLS = re.compile(r"(?:是|属于|归为|归入|归到|判为|应为|记为)(?:一[个条种则])?$|\b(?:is|as)(?: an?)? $")
_KIND_NOUN = re.compile(
    "(?:的|类|类别|类型|领域|主题|情感|情绪|倾向|态度|问题|评论|评价|级别)*(?: (?:review|message|label|category))?"
)
_OF_ANOTHER = re.compile(
    "另|其他|别的|如果|假如|以前|曾经?|本来|原本|看似|表面|一半|有时|不[全都]|\\b(?:if|other|once|was|seems?)\\b"
)
_EXPLAINS = re.compile("因为|由于|理由|原因|说明|毕竟|because|since")
LONGEST_LABEL = 8
_FILLER = frozenset(
    "一条 一个 评论 评价 类别 分类 标签 情感 情绪 态度 倾向 属于 判断 答案 结果 应该 归类 归为 算 算是 视为 这句 句子 这句话 文本 该 条 选 选择 为 级别 优先级 等级 问题 用户 意图 类 型 类型 词 字 意思 反义词 近义词 "
    "同义词 因此 所以 我 认为 觉得 句 话 段 篇 短文 文章 新闻 消息 短信 邮件 留言 内容 领域 主题 语气 语句 说话人 说话者 作者 表达 表现 整体 总体 整句 以上 综上 最终 它 是 的 颜色 首都 省会 城市 国家 这 显然 明显 典型 review message sentence statement email tweet comment text about topic sentiment answer label category class belongs".split()
)


def is_label(reference: str) -> bool:
    """True for a reference that is one short name or label, not a sentence."""
    folded = text.fold(reference).strip("。.!?;, ")
    short = (
        len(text.skeleton(folded)) <= LONGEST_LABEL
        or len(folded.split()) <= 2
        and len(folded) <= 20
        and folded.isascii()
    )
    return bool(text.skeleton(folded)) and short and not re.search(r"[,。!?;、:\n]", folded)


def judge_words(answer: str, question: str, accept: Sequence[str]) -> Judgement:
    """Judge an answer that must hold one of the words `accept`."""
    if negation.refusal(text.fold(answer)) and not any(negation.refusal(text.fold(one)) for one in accept):
        return wrong("refused")
    outcomes = [judge_label(answer, question, one, accept) for one in accept]
    kinds = negation.refusal(text.fold(answer))
    if (
        kinds
        and any(negation.refusal(text.fold(one)) == kinds for one in accept)
        and not negation.retracts(text.fold(answer))
    ):
        return right("same_refusal")
    for outcome in ("right", "wrong", "unsure"):
        found = [one for one in outcomes if one and one.outcome == outcome]
        if found:
            return found[0]
    return wrong("no_accepted_word", wanted=" / ".join(accept[:3]))


def judge_label(answer: str, question: str, label: str, accept: Sequence[str] = ()) -> Judgement | None:
    """Judge whether `answer` gives `label`; None where the label is not in it."""
    said, wanted, asked = (numbers.to_digits(text.compact(one)) for one in (answer, label, question))
    wanted = wanted.strip("。.!?;,~ ")
    if not wanted:
        return None
    if text.skeleton(said) == text.skeleton(wanted) and negation.denials(said) == negation.denials(wanted):
        return right("same_text")
    if re.fullmatch(r"-?\d+(?:\.\d+)?", wanted):
        return _number(said, wanted, asked)
    state = _occurrences(said, wanted, asked)
    if state is None:
        return _other_label(said, wanted, asked)
    if negation.retracts(said.replace(wanted, "某")):  # 假的 gives the label 假
        return wrong("retracted")
    rivals = _rivals(said, wanted, asked, accept)
    if state == "denied":
        return wrong("denied", fact=label)
    if rivals:
        return wrong("rival", said=rivals[0], wanted=label)
    if negation.doubts(said):
        return unsure("doubtful")
    return unsure("inside_word", wanted=label) if state == "inside" else right("holds_word", wanted=label)


def _other_label(said: str, wanted: str, asked: str) -> Judgement | None:
    """Wrong where a question for a label is answered by another one; None where the answer is no label."""
    told, options = said.strip("。.!? "), _options(asked)
    part = told in (wanted.split() if wanted.isascii() else wanted)
    apart = not text.synonyms(told, wanted) and (told in options or not part)
    if is_label(wanted) and is_label(said) and apart and (_CLASSIFIES.search(asked) or told in options):
        return wrong("other_label", said=told, wanted=wanted)
    return None


def _number(said: str, wanted: str, asked: str) -> Judgement | None:
    """A number is the answer where it is the result: after = or 是, or the only new number."""
    found = re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?(?![\d]|\.\d)", re.sub(r"(?<=\d)-(?=\d)", " - ", said))
    values = [float(one) for one in found]
    if float(wanted) not in values and float(wanted) not in [abs(one) for one in values]:
        return wrong("other_number", said=found[-1], wanted=wanted) if found else None
    if negation.retracts(said) or negation.denies(_clause_of(said, wanted)):
        return wrong("denied", fact=wanted)
    if any(not _true_sum(*one.groups()) for one in _SUM.finditer(said)):
        return wrong("false_sum")
    known = {float(one) for one in re.findall(r"\d+(?:\.\d+)?", asked)}
    results = [float(one) for one in _FINAL.findall(said)]
    if results and results[-1] != float(wanted) and results[-1] not in known:
        return wrong("other_number", said=f"{results[-1]:g}", wanted=wanted)
    new = [one for one in values if one not in known]
    if not results and len(set(map(abs, new))) > 1 and values[-1] != float(wanted):
        return wrong("other_number", said=f"{new[-1]:g}", wanted=wanted)
    if negation.doubts(said):
        return unsure("doubtful")
    return right("holds_word", wanted=wanted)


def _true_sum(left: str, sign: str, other: str, result: str) -> bool:
    one, two, three = float(left), float(other), float(result)
    value = {"+": one + two, "加": one + two, "-": one - two, "减": one - two}.get(sign)
    if value is None:
        value = one / two if sign in "/÷" and two else one * two
    return abs(value - three) < 1e-6


def _clause_of(said: str, piece: str) -> str:
    return next((one.text for one in text.clauses(said) if piece in one.text), said)


def _occurrences(said: str, wanted: str, asked: str = "") -> str | None:
    """Return how `wanted` stands in `said`: "asserted", "denied", "inside" a longer word, or None for not at all."""
    states = []
    for clause in text.clauses(said) or [text.Clause(said, "")]:
        for found in re.finditer(re.escape(wanted), clause.text):
            states.append(_state(clause, found, wanted, said, asked))
    if not states:
        return "asserted" if text.skeleton(wanted) and len(text.clauses(wanted)) > 1 and wanted in said else None
    states = [one for one in states if one]
    for state in ("denied", "asserted", "inside"):
        if state in states:
            return state
    return None


def _state(clause: text.Clause, found: re.Match, wanted: str, said: str, asked: str) -> str | None:
    if not _whole_word(clause.text, found, wanted, asked):
        return None if len(wanted) == 1 or wanted[0].isdigit() else "inside"
    before, after = clause.text[: found.start()], clause.text[found.end() :]
    if clause.asks and not wanted.endswith("?") and text.skeleton(clause.text) != text.skeleton(wanted):
        return "inside"
    rest = after + clause.end + said[said.find(clause.text) + len(clause.text) + len(clause.end) :][:6]
    if negation.denies(re.split("也|又|而且?|并且", before)[-1]) or _DENIED_AFTER.match(rest):
        return "denied"
    return "asserted"


def _whole_word(clause: str, found: re.Match, wanted: str, asked: str) -> bool:
    """True where the word borders on other words, or only a harmless ending is joined to it."""
    start, end = found.span()
    if wanted[0].isascii() or wanted[-1].isascii():
        ascii_before = wanted[0].isascii() and clause[:start][-1:].isascii() and clause[:start][-1:].isalnum()
        ascii_after = wanted[-1].isascii() and clause[end:][:1].isascii() and clause[end:][:1].isalnum()
        if ascii_before or ascii_after:
            return False
    place = 0
    for word in text.words_with_marks(clause):
        stop = place + len(word)
        if place < end and start < stop and not (start <= place and stop <= end):
            before, after = word[: max(0, start - place)], word[len(word) - max(0, stop - end) :] if stop > end else ""
            suffix = (
                (_SUFFIX_OF_ONE if len(wanted) == 1 else _SUFFIX).fullmatch(after) or len(wanted) > 1 and after in asked
            )
            prefix = not before or len(wanted) > 1 and (_PREFIX.match(before) or before in asked)
            if not (suffix and prefix) and not (start == place and _DERIVED.fullmatch(word)):
                return False
        if place == end and len(word) == 1 and text.IS_CJK.match(word) and _joins(word):
            return False
        place = stop
    return True


def _joins(character: str) -> bool:
    """True for a single noun or name that makes another word of the one before it: 李白 and 杨."""
    return (
        not _SUFFIX.fullmatch(character)
        and text.is_content(character)
        and text.part_of_speech(character)[:1] in ("n", "j", "")
    )


def _rivals(said: str, wanted: str, asked: str, accept: Sequence[str]) -> list[str]:
    """Labels other than `wanted` that `said` asserts outside an explanation."""
    options = _options(asked)
    for line in text.lexicon()["labels"]:
        family = line.split()
        if wanted in family and (len(wanted) > 1 or is_label(said)):
            options += [one for one in family if len(one) > 1]
    allowed = {numbers.to_digits(text.compact(one)) for one in accept} | {wanted}
    told = _EXPLAINS.split(said)[0]
    return [
        one
        for one in dict.fromkeys(options)
        if one not in allowed
        and one not in wanted
        and wanted not in one
        and not _same(one, wanted)
        and _occurrences(told, one) == "asserted"
    ] + [one for one in dict.fromkeys(options) if one not in allowed and wanted in one and one in told]


def _same(one: str, other: str) -> bool:
    return text.synonyms(one, other)


def _options(asked: str) -> list[str]:
    """Labels between which a question lets one choose."""
    found = [re.sub(r"^.*[是属于:]", "", one) for match in _OPTIONS.finditer(asked) for one in (match["a"], match["b"])]
    found = [re.sub("^.*?([^\\s]{1,6})$", r"\1", one) for one in found]
    for match in _OPTION_LIST.finditer(asked):
        found += re.split(r"[、,/|;]|还是|或者?|和", next(filter(None, match.groups())))
    return [one.strip(" \"'") for one in found if 0 < len(one.strip(" \"'")) <= LONGEST_LABEL]


def _is_predicate(said: str, label: str) -> bool:
    """True for one clause that ends by calling its subject `label`: 说话人的情绪是愤怒."""
    parts = text.clauses(said)
    if len(parts) != 1 or parts[0].asks or _OF_ANOTHER.search(said):
        return False
    before, _, after = parts[0].text.rpartition(label)
    return bool(_CALLS.search(before) and _KIND_NOUN.fullmatch(after))


def plain_sentence(answer: str, question: str, label: str) -> bool:
    """True where the words around `label` are the question's, function words or talk about labels: nothing else is claimed."""
    said = numbers.to_digits(text.compact(_EXPLAINS.split(text.fold(answer))[0]))
    if _CLASSIFIES.search(text.compact(question)) and _is_predicate(
        said, numbers.to_digits(text.compact(label)).strip("。.!? ")
    ):
        return True
    rest = said.replace(numbers.to_digits(text.compact(label)).strip("。.!? "), " ")
    known = set(text.words(numbers.to_digits(text.compact(question)))) | _FILLER
    return all(
        word in known or not text.is_content(word) or negation.denials(word) or word in text.compact(question)
        for word in text.words(rest)
    )
