"""Denials, doubts, retractions and refusals, told from the words that only look like them.

Covers Chinese and English. Everything takes folded text.
"""

import re
from functools import lru_cache

_HARMLESS = re.compile(
    r"不好意思|不客气|不用客气|不用谢|不谢|不错|没错|不假|不含糊|不过|不仅仅?(?:如此|是)?|不但|不只是?|不光是?|不管|不论|无论|不同|不少|不断|"
    r"不久|不时|不愧|不一会儿?|差不多|对不起|不得不|忍不住|不由得|不要紧|不是别人|不是旁人|不是别的|没问题|没事|没关系|没准|"
    r"毫无疑问|毫不犹豫|无疑|不用说|不用怀疑|不必怀疑|不瞒(?:你|您)说|还不是|可不是嘛?|岂不是|谁不知道|不妨|不禁|不二|了不起|"
    r"没想到|要不是|恨不得|不约而同|不可或缺|不知不觉|从不缺|不止|无比|(.)不\1|(.)没\2|是不是|能不能|会不会|可不可以|"
    r"not only|no problem|no doubt|without doubt|without a doubt|none other than|no one else but|not just|why not"
)
_DENIAL = re.compile(
    r"不(?!锈钢|倒翁|动产|等式)|没有?|无法|无需|无须|无效|无关|无权|毫无|并无|绝非|并非|非(?:也|紧急|法)|从未|尚未|未(?!来|知|婚|成年)|"
    r"勿|(?<![特区个分级类性告送差识鉴辨])别(?![的人处名致墅扭具无称针家样国论类说]|说明)|甭|拒绝|谢绝|禁止|严禁|切忌|莫(?!非|名)|"
    r"\b(?:not|never|no|none|nobody|nothing|cannot|neither|nor|without|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|can't|"
    r"couldn't|won't|wouldn't|shouldn't|haven't|hasn't|hadn't|mustn't|ain't)\b"
)
_RETRACTION = re.compile(
    r"(?<=[^,。!?;~\s…—])[,。!?;~\s…—]+(?:啊|哦|噢|呃|额|嗯)?[,\s]*不(?:是的?)?[,，](?:其实|准确地?说|而|正确的?)?(?:应该|应当)?[是叫]|"
    r"(?:^|[,。!?;~\s…—])(?:啊|哦|噢|呃|额|嗯|哎呀?|唉)?[,\s]*(?:不对|不是的?[,，]?应该|说错了?|搞错了?|弄错了?|记错了?|错了|打错了|口误|更正|纠正一下|等等|等一下|抱歉[,，]?(?:说|搞|弄|记)错)|"
    r"(?:开玩笑|骗你|逗你|瞎说|胡说|瞎编|编的|乱讲|假的|才怪|才不是|个屁|是谎话|谎言|不是真的|其实不是|其实并不|"
    r"以上(?:都|全|均)?(?:是假|不对|有误)|"
    r"(?:上面|前面|刚才|刚刚|之前|方才)(?:我)?(?:说|讲|写|答|回答|那|这|一|的)[^,。!?;]{0,6}?(?:不对|有误|不算|错|不准)|当我没说|"
    r"(?:忽略|无视|别管)(?:掉|它|我|上|前|刚|以上|之前|这句|那句)*(?:[^,。!?;]{0,6}话|[,。!?;]|$)|我(?:说|记|搞|弄)错)|"
    r"\b(?:just kidding|i was kidding|i lied|that's a lie|that is a lie|scratch that|i take that back|correction|actually,? no|wait,? no|sorry,? no|(?<=\w)[,.!?;] no, (?:it|that|he|she|they)(?:'s| is| are| was| should)|i mean|not really|i was wrong|that was wrong|that is wrong|that's wrong|that was incorrect|that is incorrect|that's incorrect|never ?mind|(?:disregard|ignore) (?:that|what i|my last|my previous))\b"
)
_DOUBT = re.compile(
    r"可能|也许|大概是|或许|好像|似乎|据说|听说|貌似|我猜|猜测|应该是(?=吧)|不太?确定|不敢肯定|说不准|没准|我想是|(?:是|由|叫(?!我))[^,。]*吧[?。!]?$|"
    r"\b(?:maybe|perhaps|possibly|probably|might be|i think|i guess|not sure|supposedly|allegedly|they say|it seems)\b"
)
_REFUSAL = re.compile(
    r"(?:不|没法|无法|没办法|不能|不便|不方便|不可以|难以)(?:够)?(?:直接|对外|向[您你外]|随意|随便|擅自|为[您你])*(?:回答|告诉|透露|提供|说明?|讨论|帮(?:到|助|忙|您|你)|给出|公开|泄露|奉告|满足|处理|协助|谈论)|(?:帮|答|说|做|办)不(?:了|到|上)|无可奉告|保密|"
    r"\b(?:can't|cannot|can not|unable to|not able to|won't)\s+(?:\w+\s+)?(?:answer|help|tell|provide|say|share|discuss|assist|disclose|reveal)"
)
_IGNORANCE = re.compile(
    r"不知道|不清楚|不晓得|不了解|不明白|不懂|不会(?=[,。!]|$)|没学过|没听说过|不认识|不记得|没有(?:相关)?(?:信息|资料|数据)|"
    r"\b(?:don't know|do not know|no idea|not know|don't understand|have no information|not sure)\b"
)


@lru_cache(4096)
def denials(text: str) -> int:
    """Count the denials in folded `text`; two in a row cancel each other, so the parity tells."""
    return len(_DENIAL.findall(_HARMLESS.sub("", text)))


def denies(text: str) -> bool:
    """True where folded `text` denies something, taken as a whole."""
    return denials(text) % 2 == 1


def retracts(text: str) -> bool:
    """True where folded `text` takes back what it said."""
    return _RETRACTION.search(text) is not None


def doubts(text: str) -> bool:
    """True where folded `text` says that it may be wrong."""
    return _DOUBT.search(text) is not None


def refusal(text: str) -> str:
    """Return "refuses", "does_not_know" or "" for folded `text`."""
    if _REFUSAL.search(text):
        return "refuses"
    return "does_not_know" if _IGNORANCE.search(text) else ""
