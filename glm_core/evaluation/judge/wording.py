"""Phrases that say one thing brought to one form: prohibitions, needs, absences, contractions.

Takes and returns folded text without blanks beside Chinese characters (text.compact).
"""

import re

_CONTRACTIONS = [(r"\bthanks\b", "thank you"), (r"\bcan't\b", "can not"), (r"\bwon't\b", "will not"), (r"n't\b", " not"), (r"'re\b", " are"), (r"'m\b", " am"), (r"'ll\b", " will"),
                 (r"'ve\b", " have"), (r"\b(it|that|he|she|there|what|who|where|let)'s\b", r"\1 is"), (r"\bcannot\b", "can not")]  # fmt: skip


_TAIL = re.compile("(?:就行|就好|就可以|就成|便可|即可|好了|行了)(?:了|啦|哦)?(?=[,。!]|$)")
_MODALS = ((re.compile("禁止|严禁|不得(?!不)|不许|不准|不允许|不能够|不能(?!不)|不可以|不可(?!或缺|思议)|谢绝|请勿|切勿"), "不可以"),
           (re.compile("别(?=[再去用碰动加吃喝说忘担着把让给放开关买])|不许(?=再)|甭"), "不要"), (re.compile("不用(?!说)|无需|无须|不必|免(?=[安费押邮票])"), "不需要"), (re.compile("无(?=[毒味糖盐油色害痛烟酒刺碍水电])(?!色|水印|水不|电不)"), "没有"),
           (re.compile("(?<!不)(?<!才)(?:能够|可以|允许|准许)(?!是)|(?<=[^功智性动技潜本才可不只])能(?=[^量源力够])"), "可以"))  # fmt: skip
_NOT_GOOD = re.compile("不(?:太|够|怎么)?(?:好|佳)(?![意用喝吃看听玩说过像])")


def normalize(plain: str) -> str:
    """Return `plain` with every phrase in the form that stands for all its wordings."""
    plain = _NOT_GOOD.sub("差", _TAIL.sub("", plain))
    for pattern, modal in _MODALS:
        plain = pattern.sub(modal, plain)
    for short, expanded in _CONTRACTIONS:
        plain = re.sub(short, expanded, plain)
    return plain
