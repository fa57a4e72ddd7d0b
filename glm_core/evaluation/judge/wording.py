"""Phrases that say one thing brought to one form: prohibitions, needs, absences, English contractions and modals.

Takes and returns folded text without blanks beside Chinese characters (text.compact).
"""

import re

from glm_core.evaluation.judge import negation, text

_TAIL = re.compile("一下(?!子|[来去])|(?:就行|就好|就可以|就成|便可|即可|好了|行了)(?:了|啦|哦)?(?=[,。!]|$)")
_CHINESE = ((re.compile("不(?:用|需要?)?收费|不要钱|不收钱|无偿|(?:不(?:用|需要?|必)?|无[需须])(?:付费|付钱|花钱|交钱|收取?费用)"), "免费"),
            (re.compile("(?:没有?|不(?:带|具备|具有))([\u4e00-\u9fff]{2,4}?)的?功能"), r"不\1"), (re.compile("([\u4e00-\u9fff])(?<![受少免忘错对])不了(?=[,。!?]|$|[的吗呢啦])"), r"不可以\1"),
            (re.compile("禁止|严禁|不得(?!不)|不许|不准|不允许|不能够|不能(?!不)|不可以|不可(?!或缺|思议)|谢绝|请您?(?:勿|不要|别)|切勿|没办法|无法"), "不可以"),
            (re.compile("别(?=[再去用碰动加吃喝说忘担着把让给放开关买])|不许(?=再)|甭"), "不要"), (re.compile("不用(?!说)|无需|无须|不必|免(?=[安押邮票运密])"), "不需要"),
            (re.compile("无(?=[毒味糖盐油色害痛烟酒刺碍水电])(?!色|水印|水不|电不)|不含有?|不添加|[0零](?=[糖脂卡]|添加)"), "没有"),
            (re.compile("(?<!不)(?<!才)(?:能够|可以|允许|准许)(?!是)|(?<![功智性动技潜本才可不只])能(?=[^量源力够])"), "可以"),
            (re.compile("(?:切断|断开|拔掉)电源"), "断电"), (re.compile("(?:接通|插上)电源"), "通电"),
            (re.compile("(?:星期|礼拜)(?=[一二三四五六日天])"), "周"), (re.compile("周天"), "周日"),
            (re.compile("([左右])(?:侧|面|手边)|([东西南北])[侧面]|([前后上下])[侧面](?!积|条|包)"), r"\1\2\3边"),
            (re.compile("避免(?!了)|切忌"), "不要"), (re.compile("([这那])[栋款台本部辆间家位条张种座件篇则只棵所](?=[一-鿿])"), r"\1个"),
            (re.compile("[产选取采出源]自(?!动|己|由|然|身|习|行|主)"), "来自"))  # fmt: skip
_NOT_GOOD = re.compile("不(?:太|够|怎么)?(?:好|佳)(?![意用喝吃看听玩说过像])")
_ENGLISH = ((r"\bthanks\b", "thank you"), (r"\bcan't\b|\bcannot\b", "can not"), (r"\bwon't\b", "will not"), (r"n't\b", " not"), (r"'re\b", " are"), (r"'m\b", " am"), (r"'ll\b", " will"),
            (r"'ve\b", " have"), (r"\b(it|that|he|she|there|what|who|where|let)'s\b", r"\1 is"), (r"\b(i|you|he|she|we|they)'d\b", r"\1 would"),
            (r"\bwould like(?: to)?\b", "want to"), (r"\b(?:at )?what time\b", "when"), (r"\bunable to\b", "can not"), (r"\b(?:is|are|am|be) able to\b", "can"),
            (r"\b(?:(?:is|are|am) (?:not (?:allowed|permitted)|forbidden|prohibited|banned)(?: to)?|must not|may not)\b", "can not"), (r"\b(?:is|are|am) (?:allowed|permitted)(?: to)?\b", "can"),
            (r"\bno ((?:\w+ ){1,2})(?:is|are) (?:needed|required|necessary)\b", r"not need \1"), (r"\b((?:\w+ ){1,3})(?:is|are) (not )?(?:needed|required|necessary)\b", r"\2need \1"), (r"\bneed one\b", "need"),
            (r"\b(?:no need|need not|not (?:have|needed|required|necessary))(?: to| for)?\b", "not need"),
            (r"\b(?:is|are) (?:needed|required|necessary)\b", "need"), (r"\b(?:there (?:is|are) )?no (?:fees?|charges?|costs?)\b", "free"), (r"\b(?:free of charge|for free|at no (?:extra )?(?:cost|charge)|without (?:any )?charge|no charge|costs? nothing)\b", "free"),
            (r"\b(this|that|it) is an? ((?:very|really|so|quite) )?([a-z]+) ([a-z]+)(?=[.!]|$)", r"\1 \4 is \2\3"),
            (r"\b(?:a lot|lots|plenty) of\b", "many"), (r"\b(?:you|one) (?=(?:do |does )?(?:can|must|not need|need|should)\b)", ""), (r"\bun(?=(?:safe|available|necessary|healthy|suitable|common|likely|fair|friendly|locked)\b)", "not "))  # fmt: skip
_FIRST_NO = re.compile(
    "^(?:嗯|哦)?(?:不|不是|不行|没有|不会|不可以|不需要|否|no|nope|sorry)(?:的|哦|呢|呀|啊)*[,。!;]\\s*"
)


def normalize(plain: str) -> str:
    """Return `plain` with every phrase in the form that stands for all its wordings."""
    plain = _NOT_GOOD.sub("差", _TAIL.sub("", plain))
    for pattern, form in _CHINESE:
        plain = pattern.sub(form, plain)
    for phrase, expanded in _ENGLISH if text.LATIN_WORD.search(plain) else ():
        plain = re.sub(phrase, expanded, plain)
    plain = _absent(plain)
    rest = without_first_no(plain)
    return rest if negation.denies(rest) else plain


def _absent(plain: str) -> str:
    """Write 没有 for the word 无: 无电梯."""
    return "".join("没有" if one == "无" else one for one in text.words_with_marks(plain)) if "无" in plain else plain


def without_first_no(plain: str) -> str:
    """Drop the no that answers the question before a clause that says the same: 不，不能带; one denial counts once."""
    return _FIRST_NO.sub("", plain) or plain


def no_then_yes(answer: str, question: str) -> bool:
    """True where a no stands before the yes to the same question: 能带吗？不，可以带。"""
    plain = normalize(text.compact(answer))
    rest, asked = without_first_no(plain), normalize(text.compact(question))
    if rest == plain or negation.denies(rest):
        return False
    return all(word in asked for word in text.words(rest) if text.is_content(word))
