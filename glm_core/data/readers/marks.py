"""Marks of a model's own transcript that were left on questions and answers: <|im_end|>, </s>, <eoh>, [/INST], <|MOSS|>:

Covers marks at the two ends of a text; what stands inside code, or is spoken of, is text.
"""

import re

from glm_core.data.hygiene import placeholders

_PIPED = r"<\s?[|｜]\s?[A-Za-z][\w▁ ]{0,40}\s?[|｜]\s?>"  # <|im_end|>, <|MOSS|>, <｜end▁of▁sentence｜>
_CLOSING = (
    rf"{_PIPED}|</?s>|<(?:eo[a-z]|sop|[eb]os|pad|end_of_(?:turn|text|utterance)|endoftext|reserved_\d{{1,4}}|\|?END\|?)>"
    r"|\[(?:EOS|SEP|PAD|/?INST|/SYS|eo[a-z]|gMASK)\]|<</?SYS>>|<(?:unused|extra_id_)\d{1,3}>"
)
_SPOKEN_BY = r"human|user|assistant|system|bot|gpt|model|moss|ai|客户|客服|用户|助手"
_OPENING = (
    rf"<\|im_start\|>\s*(?:{_SPOKEN_BY})\s*?\n|<start_of_turn>\s*(?:{_SPOKEN_BY})\s*?\n"
    rf"|<\|start_header_id\|>\s*(?:{_SPOKEN_BY})\s*<\|end_header_id\|>|(?:<\|?|\[\|?)(?:{_SPOKEN_BY})(?:\|?>|\|?\])\s*[:：]"
    rf"|{_PIPED}[ \t]*[:：]?|<(?:s|bos|sop)>|\[(?:/?INST|gMASK|CLS)\]"
)
_HEAD = re.compile(rf"\s*(?:{_OPENING})[ \t]*\n*", re.IGNORECASE)
_TAIL = re.compile(rf"\s*(?:{_CLOSING})\s*\Z", re.IGNORECASE)
_ANY = re.compile(_CLOSING, re.IGNORECASE)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.DOTALL)
_SPOKEN_OF = re.compile(
    r"(?:\b(?:is|are|was|as|by|with|the|a|an|token|tokens|mark|called|named|use|uses|and|or|of|to|like|than)"
    r"|[是为叫用以和与或即如成加有到在的\"'“‘「:：=,，、(（])\s*\Z",
    re.IGNORECASE,
)
_LONGEST = 64  # characters of a mark


def stripped(text: str) -> tuple[str, list[str]]:
    """`text` without the marks at its ends, and those; as it is where nothing else would remain."""
    if "<" not in text and "[" not in text:
        return text, []
    bare, found = _without_heads(text)
    while (mark := _tail(bare)) is not None:
        found.append(bare[mark:].strip())
        bare = bare[:mark]
    return (bare.strip(), found) if found and bare.strip() else (text, [])


def inside(text: str) -> list[str]:
    """The different marks within `text`, those in code left aside."""
    if "<" not in text and "[" not in text:
        return []
    plain = _CODE.sub("", text)
    return [mark for mark in dict.fromkeys(_ANY.findall(plain)) if not _is_html(mark, plain) and not _is_blank_of(mark)]


def _without_heads(text: str) -> tuple[str, list[str]]:
    found: list[str] = []
    while (head := _HEAD.match(text)) and head.end() < len(text) and not _is_blank_of(head[0]):
        if _is_html(head[0].strip(), text) and not re.search(r"</s>\s*\Z", text):
            break
        if _explains(text[head.end() :]):
            break
        found.append(head[0].strip())
        text = text[head.end() :]
    return text, found


def _explains(rest: str) -> bool:
    """Return whether a text goes on as a sentence whose subject is the mark before it."""
    return re.match(r"(?:is|are|was|means|marks|ends|begins|and|or|tokens?)\b|[是为表的和与或、，,]", rest) is not None


def _tail(text: str) -> int | None:
    """Index of the mark that ends `text`; None where there is none, or it belongs to the sentence or to code."""
    found = _TAIL.search(text, max(0, len(text) - _LONGEST))
    if found is None or _is_blank_of(found[0]):
        return None
    before, mark = text[: found.start()], found[0].strip()
    if before.count("```") % 2 or _SPOKEN_OF.search(before[-20:]):
        return None
    return None if _is_html(mark, text) else found.start()


def _is_html(mark: str, text: str) -> bool:
    """Return whether `mark` is one of the two of <s>struck out</s>."""
    return mark.lower() in ("<s>", "</s>") and "<s>" in text.lower() and "</s>" in text.lower()


def _is_blank_of(mark: str) -> bool:
    """Return whether `mark` is the blank of a form, such as <|name|>."""
    return mark.lstrip()[:2] in ("<|", "<｜") and bool(placeholders.first_in(mark))
