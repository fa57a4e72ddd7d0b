"""Placeholders that a form should have filled: {{name}}, ${name}, <NAME>, 【公司名】, xxx, 请填写……"""

import re
from collections.abc import Mapping

_ENGLISH = r"(?:\w{1,20}[ _])?name|author|company|user|bot|assistant|phone|e?mail"
_NAMES = (
    r"(?:你的|您的|我的)?(?:姓名|名字|名称|昵称|作者|公司|公司全称|助手|机器人)"
    r"|(?:你的|您的)?(?:公司|作者|助手|机器人|品牌|产品|店铺?|学校|单位|组织|团队|客户|客服|用户|项目|活动)(?:名称|姓名|名字|名)"
)
_FIELDS = r"联系电话|联系方式|电话(?:号码)?|手机号码?|邮箱(?:地址)?|网址|地址|日期|时间|金额|订单号|城市|年份"
_OPEN, _CLOSE = r"[<\[{【＜｛]", r"[>\]}】＞｝]"
_PATTERN = re.compile(
    r"\{\{\s*[\w. ]{1,40}\s*\}\}"  # {{name}}
    r"|\$\{\s*\w{1,40}\s*\}"  # ${name}
    r"|<(?!(?:UNK|PAD|MASK|SEP|CLS|BOS|EOS|NUM|URL|BR|P|B|I|DIV|TABLE|TR|TD|TH|UL|LI|OL|HTML|BODY|HEAD|SPAN)>)[A-Z][A-Z_ ]{1,30}>"  # <NAME>
    rf"|{_OPEN}\s*(?:{_NAMES})\s*{_CLOSE}"  # 【公司名】, {姓名}
    rf"|[\[{{<＜｛]\s*(?:{_FIELDS})\s*[\]}}>＞｝]|(?<=[^\n])【\s*(?:{_FIELDS})\s*】"  # 请拨打【电话】; a heading begins a line
    r"|\[(?!(?:UNK|PAD|MASK|SEP|CLS|BOS|EOS|NUM|URL|INST)\])[A-Z][A-Z_]{2,30}\]"  # [NAME]
    r"|%[A-Z][A-Z_]{2,30}%|__[A-Z][A-Z_]{1,30}?__"  # %NAME%, __NAME__
    r"|(?<![A-Za-z0-9_])(?:[A-Z]+_)?(?:NAME|AUTHOR)(?![A-Za-z0-9_])"  # NAME, BOT_NAME
    r"|(?<![A-Za-z0-9_])(?:YOUR|BOT|COMPANY|USER|MODEL|ORG)_[A-Z]+(?![A-Za-z0-9_])"
    r"|(?<![A-Za-z0-9])(?:[xX]{3,}|[×○◯]{2,})(?![A-Za-z0-9])"  # xxx, ○○
    r"|(?<=[一-鿿])(?:xx|XX)(?![A-Za-z0-9])|(?<![A-Za-z0-9])(?:xx|XX)(?=[一-鿿])"  # XX公司
    r"|<\|(?:\w{1,20}_)?(?:name|author|company)\|>|@@\w{1,20}@@|(?<=[^\sA-Za-z0-9_])_{3,}(?![A-Za-z0-9_])|＿{2,}"  # <|name|>, 我叫____
    r"|某某(?:公司|品牌|大学|学校|店|先生|女士)"
    r"|[\[【（(](?:请|请在)?(?:此处|在此|在此处)?(?:填写|填入|输入)[^\]】）)\n]{0,20}[\]】）)]"  # （此处填写店名）
)
_ANY_CASE = re.compile(
    rf"(?<![{{$]){_OPEN}\s*(?:your[ _])?(?:{_ENGLISH})\s*{_CLOSE}|\[\s*insert [^\]\n]{{1,30}}\]", re.IGNORECASE
)
_WORTH_A_LOOK = re.compile(r"[{<\[【%_＜｛填○◯＿@]|NAME|AUTHOR|某某|xx|XX|××|输入")
_STUB = re.compile(
    r"\s*(TODO|TBD|FIXME|N/A|待补充|待填写|待完善|待定|同上|见上|ditto|same as above|see above)\s*[.。!！]?\s*",
    re.IGNORECASE,
)
_STUB_LENGTH = 20
_LOST = re.compile(r"<unk>|\[unk\]|\ufffd", re.IGNORECASE)


def first_in(text: str) -> str:
    """Return the first placeholder in `text`; empty where there is none."""
    if len(text) < _STUB_LENGTH and (found := _STUB.fullmatch(text)):
        return found[1]
    if not _WORTH_A_LOOK.search(text):
        return ""
    found = _PATTERN.search(text) or _ANY_CASE.search(text)
    return found[0] if found else ""


def lost_in(text: str) -> list[str]:
    """Return the different marks of `text` that stand where a word was lost: <UNK>, a broken character."""
    return list(dict.fromkeys(_LOST.findall(text))) if "<" in text or "[" in text or "\ufffd" in text else []


def all_in(text: str) -> list[str]:
    """Return the different placeholders of `text`, in its order."""
    if len(text) < _STUB_LENGTH and (stub := _STUB.fullmatch(text)):
        return [stub[1]]
    if not _WORTH_A_LOOK.search(text):
        return []
    found = {match.start(): match[0] for pattern in (_ANY_CASE, _PATTERN) for match in pattern.finditer(text)}
    return list(dict.fromkeys(found[place] for place in sorted(found)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put `values` (placeholder -> text) in place of the placeholders of `text`; others stay."""

    def replace(match: re.Match) -> str:
        return values.get(match[0]) or match[0]

    if stub := _STUB.fullmatch(text):
        return values.get(stub[1]) or text
    return _PATTERN.sub(replace, _ANY_CASE.sub(replace, text)) if any(one in text for one in values) else text
