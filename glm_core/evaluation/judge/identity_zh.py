"""Claims about name and author in Chinese: 我叫X, 由X训练, X做了我, 我的作者是X, and what fills them.

A filler counts as the fact only when it is the whole filler: X的老师, X和王五, 小X are others.
"""

import re

from glm_core.evaluation.judge import negation, text
from glm_core.evaluation.judge.claims import ANY, AUTHOR, NAME, VALUES, Claim

_MADE = (
    "开发设计|设计开发|训练|开发|研发|研制|创造|创建|创作|创立|设计|制作|制造|打造|编写|编程|编|构建|搭建|培养|培训|调教|教导|教会|教|推出|发布|微调|"
    "生产|出品|捣鼓|鼓捣|捏|搓|孵化|缔造|写|做|造|养|带大|弄|整|搞|调|喂|实现|塑造|建造|开创|发明|组建|抚养|带[到来](?:这个|这|人)?(?:世界|世间|世)上?|训"
)
MADE = rf"(?:{_MADE})(?:会说话|出来|出|成功|成|大|好|完成|而成|起来)?"
ROLE = (
    "(?:背后的?|幕后的?)?(?:作者|开发者|研发者|创造者|创作者|创建者|创始人|制作者|制作人|制造者|设计者|设计师|训练者|训练师|编写者|缔造者|发明者|"
    "主人|父亲|爸爸|老爸|爹|母亲|妈妈|妈|造物主|程序员|开发人员|研发人员|开发团队|研发团队|训练团队|制作团队|开发商|开发方|出品方|研发方|"
    "开发公司|研发公司|团队|公司|东家|老板|老师|母公司|亲妈|亲爹|生父|推手|大佬|功臣|恩人|工程师|机构|单位|人)"
)
_BEHIND = "(?:背后|幕后|身后)(?:的人|的团队|的公司|站着)?"
_SELF = f"(?:我们?|俺|咱|本人|在下|人家|本助手|本机器人|本ai|鄙人|小的|{NAME})"
_BE = "(?:就|便|正|才|其实|当然|确实|的确|一直|现在|永远|呢|啊|呀|嘛|也|还|又|都|自然|肯定|全名|真的|本来)*(?:是|为(?!你|您|大家|各位|用户|人)|乃|即)"
_CALLED = (
    "(?:就|便|其实|当然|一直|现在|也|还|又|都|呢|啊|真的)*"
    "(?:(?:被|可以|可)?(?:叫做|叫作|叫|名叫|名为|唤作|称作|称为|取名为?|起名叫?|命名为|改名叫?|名唤|人称))"
)
_TITLES = "老师|先生|女士|小姐|同学|博士|教授|大神|工程师|师傅|大大|本人|自己|前辈|学长|学姐|老板|同志"
_PARTICLES = re.compile(r"[呀啊哦喔哟呢啦哈嘛吧哒噢诶耶咯喽呗~!]*$")
_LEAD = re.compile(
    "^(?:你好|您好|嗨|嘿|哈喽|嗯|哦|啊|呃|好的|好|当然|是的|是呀|是啊|对的|对|没错|哈哈|其实|告诉你|老实说|说实话|说起来|那还用说|准确地?说|"
    "简单(?:来)?说|回答你|很高兴|正式|这个|那个|那|这|原来|要说|据我所知|毫无疑问|所以|因为|而且|并且|此外|另外|首先|记住|请记住|没想到吧)+"
)
_GENERIC = re.compile(
    "(?:(?:一个|一款|一名|一位|一只|一种|个|款|名|位|你的|您的|大家的|各位的|贴心的?|可爱的?|聪明的?|小小的?|中文|人工智能|智能|ai|虚拟|聊天|对话|语言|"
    "大型|小型|大|小|开源|专业的?|全新的?|私人|专属的?|机器人|机器|助手|助理|模型|程序|软件|伙伴|朋友|客服|帮手|小帮手|系统|产品|工具|角色|陪伴|生成式|"
    "预训练|真人|人类|人|新人|学生|女生|男生|的|和|与|兼|及)+)$"
)
_GENERIC_LEAD = re.compile(
    "^(?:一个|一款|一名|一位|一只|个|款|你的|您的|大家的|贴心的?|可爱的?|聪明的?|中文|人工智能|智能|ai|聊天|对话|语言|大型|小型|开源|专属的?|机器人|助手|助理|模型|"
    "程序|伙伴|客服|帮手|小帮手|系统|叫做|叫作|叫|名叫|名为|名字叫|代号)+(?=.)"
)
_FILL_LEAD = re.compile(
    f"^(?:其实|当然|就|正|便|才|也|都|一直|最初|当初|最早|当时|曾经|后来|由|是|来自|一个|一位|一名|一群|一家|名叫|叫做|叫|名为|那个|这个|那位|这位|位|"
    f"{_SELF}的?{ROLE}(?:[,:])?|因为|多亏了?|自然|肯定|必须|必然|那|嗯|哦|要说|全靠|靠|还得|得|只有|只|著名的?|伟大的?|天才|亲爱的?|可爱的?|作者|开发者|程序员|工程师|主人|应该)+(?=.)"
)
_FILL_TAIL = re.compile(
    "(?:一手|亲手|亲自|独自|独立|一个人|单独|自己|辛苦|辛辛苦苦|辛勤|用心|精心|共同|负责|主导|带头|一行一行地?|一点一点地?|一点点|慢慢|从零|从头|耐心|认真|努力|"
    "全程|日夜|熬夜|在.*|于.*|用.*|花.*|从.*|利用.*|通过.*|带着.*|所|来|去|给|帮|动手|着手|负责|一步步|一步一步|历时.*|完全|全权|首次)+$"
)
_WRAPPED = re.compile(
    "^(?:一个|一位|一名)?(?:名叫|叫做|叫|名为|名字叫)?(?P<f>.+?)的(?:人|开发者|程序员|工程师|作者|团队|公司|家伙|大神|研究者|学者|老师)$"
)
_ASSISTANTS = frozenset(
    "豆包 元宝 星火 混元 文心 通义 千问 小度 小冰 小娜 小艺 天工 海螺 清言 悟空 盘古 紫东太初".split()
)
"Other assistants that are called by a common word."
_PRONOUNS = frozenset("他 她 它 他们 她们 人家 这个人 那个人 此人 ta 对方 那位 这位 其".split())
_NOBODY = re.compile(
    "(?:一个|一群|一支|某个|某位|我的|专业的?|很多|许多|优秀的?|聪明的?|技术|研发|开发|算法|ai|人工智能|计算机|科研|厉害的?)*"
    "(?:人|人们|人类|团队|开发者|开发团队|研发团队|开发人员|工程师们?|程序员们?|公司|大家|专家|研究人员|科学家|机构|创造者|作者|主人|老师|数据|大量数据|代码|有人|某人|别人|谁)$"
)
_THIRD = re.compile("[他她它]|朋友|同学|邻居|同事|学生|孩子|徒弟|师傅|别的|其他|另一|用户|客户|你(?!好)|您")
_OTHER_ROLE = re.compile("^(?:也|就)?是.*(?:朋友|同学|邻居|同事|学生|徒弟|用户|客户|歌手|演员|明星)$")
_VERB_AFTER = re.compile(
    "很|来|为|可|能|会|要|想|专|是|在|随时|一直|负责|喜欢|陪|帮|请|有|也|就|不|今|最|擅长|愿|乐|希望|听|给|和你|和您|和大家|跟你|跟您|跟大家|以后|没|记|欢迎"
)
_AND = re.compile("(?:和|与|跟|以及|或者?|还有|兼|及|&|、|加|同)(?P<f>.+)")

_BY = re.compile(f"^(?P<pre>.*?)(?:由|被|经由|经)(?P<f>.+?){MADE}(?P<tail>.*)$")
_MAKER_IS = re.compile(
    f"^(?P<pre>.*?)(?:{_MADE})(?:出来|出|成|会)?了?(?P<o>{_SELF})(?:说话|聊天|长大|做人|学习|思考|写字|这个(?:程序|模型|助手))?的?"
    f"(?:那个|那位|这个|这位)?{ROLE}?(?:的?(?:名字|大名|姓名))?{_BE}?(?:是|叫做|叫|名叫|为|姓|:)(?P<f>.+)$"
)
_MADE_ME = re.compile(
    f"^(?P<f>.+?)(?:{_MADE})(?:出来|出了|出|成|会|过|了|的|起来|并)*(?P<o>(?!(?<=的){NAME}){_SELF})(?!的(?!$)|们)(?P<tail>.*)$"
)
_TOOK_ME = re.compile(f"^(?P<f>.+?)(?:把|将|帮|给)(?P<o>{_SELF}).*?{MADE}")
_IS_MADE = re.compile(f"^(?P<pre>{_SELF})?(?P<be>{_BE})?(?P<f>.+?){MADE}(?:出来)?的(?P<rest>.*)$")
_ROLE_IS = re.compile(
    f"^(?P<owner>.*?)的?(?P<role>{ROLE}|{_BEHIND})(?:的?(?:名字|大名|姓名|全名))?(?:{_BE}|{_CALLED}|:|姓|有)(?P<f>.+)$"
)
_IS_ROLE = re.compile(f"^(?P<f>.+?)(?:就|才|便|正|其实|当然)*是(?P<owner>.*?)的?(?P<role>{ROLE})$")
_IS_MAKER = re.compile(f"^(?P<f>.+?)(?:就|才|便|正)?是(?:那个|那位)?{MADE}了?(?P<o>{_SELF})的?(?:那个|那位)?{ROLE}?$")
_COMES_FROM = re.compile(
    f"^(?:{_SELF})?的?(?:一切|诞生|代码|出身|存在|能力|生命|本事|功劳)?(?:都|就|便|是|全)*(?:出自|来自|源自|源于|诞生于|诞生自|出身于|归功于|归于|属于)"
    "(?P<f>.+?)(?:之手|手中|手里|手下|笔下|那里|那儿|这里|家|的(?:团队|实验室|手|双手|手笔|努力|工作室|电脑|辛勤付出))?$"
)
_THANK = re.compile("^.*?(?:感谢|谢谢|谢)的?(?:人|团队)?(?:应该|应当)?(?:就|正)?是?(?P<f>.+)$")
_WORK_OF = re.compile(
    f"^{_SELF}?(?:{_BE})?(?P<f>.+?)的(?:作品|造物|产品|心血|杰作|成果|产物|项目|发明|创作|原创|结晶)$"
)
_GAVE = re.compile(f"^(?P<f>.+?)(?:给了?|赋予了?|给予了?){_SELF}(?:生命|智慧|灵魂|一切|新生|说话的能力)")
_SWAPPED = re.compile(
    f"{_SELF}(?:来|亲手|一手)?{MADE}(?:了|的|过)*{AUTHOR}|{AUTHOR}(?:就|其实)?(?:是)?(?:由|被){_SELF}|{_SELF}{_BE}{AUTHOR}的{ROLE}|"
    f"{AUTHOR}的{ROLE}{_BE}{_SELF}|{AUTHOR}是{_SELF}{MADE}"
)
_NAME_IS = re.compile(
    f"^(?P<who>.*?)(?:的?(?:名字|姓名|大名|全名|昵称|代号|小名|称呼|名))(?:{_BE}|{_CALLED}|:)(?P<rest>.+)$"
)
_I_AM = re.compile(f"^(?P<who>{_SELF})(?P<verb>{_CALLED}|{_BE})(?P<rest>.+)$")
_CALLED_ME = re.compile(f"^.*?(?:叫|称呼|喊|唤|称)(?:{_SELF})(?:为|作|做|一声|声)?(?P<rest>.+)$")
_IS_NAME = re.compile(f"^(?P<f>.+?)(?:就|才|便)?是{_SELF}的(?:名字|大名|昵称|代号|名儿|名)$")
_IS_ME = re.compile("^(?P<f>[^,]+?)[,]?(?:就|才|便|正)?是(?:我|俺|本人|在下)$")
_HERE = re.compile(
    "^(?:这里|这边|这儿)是(?P<a>.+)$|^(?P<b>.+?)(?:在此|为您服务|为你服务|在这里?|向你问好|向您问好|参上|报到)$"
)
_ALSO = re.compile(
    f"^(?P<verb>(?:也|又|还|就|或者?|其实|应该|当然|而|更|并|都|再|同时|现在|改)*(?:{_CALLED}|是|{_BE}))(?P<rest>.+)$"
)
_PLUS = re.compile("^(?:还有|以及|和|与|加上|外加|或者?|也有|同时还有)(?P<f>.+)$")
_NAMED_BY = re.compile(f"(?:给|为|帮|替){_SELF}(?:取|起)|(?:取|起)的(?:名字|名)?$")
_DENIED = ((re.compile("(?:并|才|可|也|根本)?不是|并非|绝非|不算"), "是"), (re.compile("(?:并|也)?(?:不|没)(?:有)?(?=叫)"), ""),
           (re.compile(f"(?:并|从|也|根本)?(?:没有|没|不曾|未曾|从未|未|不)(?=由|被|{_MADE}|把)"), ""))  # fmt: skip
_SPLIT = re.compile("而是|但是?|可是|然而|只不过(?:是)?")


def read(marked: str) -> list[Claim]:
    """Return the claims of a marked Chinese text in their order."""
    found: list[Claim] = []
    reader = _Reader()
    for clause in text.clauses(_SPLIT.sub(lambda one: ",是" if one[0] == "而是" else ",", marked)):
        if clause.asks:
            continue
        found += reader.clause(clause.text)
    return found


class _Reader:
    """Reads clause after clause; remembers whom the last one spoke of, for clauses without a subject."""

    def __init__(self) -> None:
        self.role = ""
        self.subject = "self"

    def clause(self, clause: str) -> list[Claim]:
        """Claims of one clause."""
        denied = negation.denies(clause)
        body = _PARTICLES.sub("", _LEAD.sub("", clause)) or clause
        said = body
        for pattern, plain in _DENIED if denied else ():
            body = pattern.sub(plain, body)
        if _SWAPPED.search(body):
            return [Claim("author", "self", denied, clause)]
        claims = self._author(body) or self._name(body) or self._carried(body) or self._bare(body)
        if denied and body == said and claims:  # the denial may be part of a name
            denied = negation.denies("".join(said.replace(one.shown, "") for one in claims[:1]))
        for one in claims:
            self.role = one.role if one.role != "bare" else self.role
        return [Claim(one.role, one.value, denied, one.shown) for one in claims]

    def _author(self, body: str) -> list[Claim]:
        for pattern in (
            _IS_MAKER,
            _MAKER_IS,
            _TOOK_ME,
            _BY,
            _MADE_ME,
            _IS_MADE,
            _GAVE,
            _WORK_OF,
            _COMES_FROM,
            _ROLE_IS,
            _IS_ROLE,
            _THANK,
        ):
            found = pattern.match(body)
            claims = self._from_author(pattern, found) if found else []
            if claims:
                return claims
        return []

    def _from_author(self, pattern: re.Pattern, found: re.Match) -> list[Claim]:
        groups = found.groupdict()
        before = groups.get("pre") or ""
        if pattern in (_ROLE_IS, _IS_ROLE):
            return self._from_role(groups)
        if pattern is _THANK and not ANY.search(groups["f"]):
            return []
        if _THIRD.search(_LEAD.sub("", before)):
            self.subject = "other"
            return [_third(found[0])]
        claims = [] if pattern is _MAKER_IS else self._before(before)
        claims.append(_author_claim(_after_subject(groups["f"]) if pattern is _IS_MADE else groups["f"]))
        if pattern is _IS_MADE and not groups["be"] and not ANY.search(groups["f"]):
            return []
        if claims[-1].value == "third":
            return [_third(groups["f"])]
        rest = (groups.get("rest") or groups.get("tail") or "").lstrip("了的")
        self.subject = "self"
        return claims + (self._rest(rest) if pattern in (_BY, _IS_MADE) else self._tail(rest))

    def _before(self, before: str) -> list[Claim]:
        """Claims before 由: 我是X由Y训练的."""
        found = _I_AM.match(before) if before else None
        return self._rest(found["rest"], found["verb"]) if found else []

    def _from_role(self, groups: dict) -> list[Claim]:
        owner = re.sub(
            f"^{_SELF}(?:的|是)?|^(?:这个|本|该)?(?:程序|模型|助手)?(?:的)?", "", _LEAD.sub("", groups["owner"] or "")
        )
        if groups["role"] == "人" and (groups["owner"] or "")[-1:] != "的":
            return []
        value = _author_claim(groups["f"])
        if owner and owner[0] == AUTHOR or value.value == "self":
            return [Claim("author", "self", shown=groups["f"])]
        if _THIRD.search(owner):
            self.subject = "other"
            return [_third(groups["f"])]
        if owner and not ANY.search(groups["f"]):
            return []
        generic = value.value in ("generic", "other") and re.match("(?:一个|个|一位|一名|一群|一家)", groups["f"])
        self.subject = "author" if generic else "self"
        self.role = "author"
        return [Claim("author", "generic", shown=value.shown)] if generic and not ANY.search(groups["f"]) else [value]

    def _name(self, body: str) -> list[Claim]:
        found = _NAME_IS.match(body)
        if found:
            if found["who"] and _THIRD.search(found["who"]):
                return [_third(body)]
            if found["who"] and not re.fullmatch(f"(?:{_SELF}|我是.*|.*人工智能.*|.*助手.*)", found["who"]):
                return []
            return self._rest(found["rest"], "叫")
        found = _IS_NAME.match(body) or _IS_ME.match(body)
        if found:
            return [_name_claim(found["f"])]
        found = _I_AM.match(body)
        if found:
            self.subject = "self"
            return self._rest(found["rest"], found["verb"])
        found = _CALLED_ME.match(body)
        if found:
            return self._rest(found["rest"], "叫")
        found = _HERE.match(body)
        return [_name_claim(found["a"] or found["b"])] if found and ANY.search(body) else []

    def _carried(self, body: str) -> list[Claim]:
        """Clauses that go on with the last subject: 也是X, 叫X, 是X, 还有X."""
        named = re.fullmatch(f"(?:他|她|ta|对方)(?:的名字)?(?:{_CALLED}|{_BE})(?P<f>.+)", body)
        if named and _fill(named["f"]) == "author":  # who made you? 他叫X
            return [Claim("bare", "author", shown=body)]
        if _THIRD.match(body) or _OTHER_ROLE.search(body):
            self.subject = "other"
            return [_third(body)]
        found = _PLUS.match(body)
        if found and self.role in ("name", "author"):
            claim = _author_claim(found["f"]) if self.role == "author" else _name_claim(found["f"])
            return [claim] if claim.value != "generic" else []
        found = _ALSO.match(body)
        if not found:
            return []
        if self.subject == "other":
            return [_third(body)]
        called = any(word in found["verb"] for word in "叫名称唤")
        if self.subject == "author" or (self.role == "author" and not called):
            return [_author_claim(found["rest"])]
        if called or self.role == "name":
            return self._rest(found["rest"], found["verb"])
        value = _author_claim(found["rest"])
        return [Claim("bare", value.value, shown=value.shown)] if value.value in VALUES.values() else []

    def _bare(self, body: str) -> list[Claim]:
        value = _author_claim(body)
        if value.value in VALUES.values() or value.value == "unclear":
            return [Claim("bare", value.value, shown=body)]
        if ANY.search(body):
            return [Claim("mention", "generic" if _NAMED_BY.search(body) else "unclear", shown=body)]
        if self.role == "" and len(body) <= 4 and text.part_of_speech(body) in ("nr", "nrt", "nt", "nrfg"):
            return [Claim("bare", "other", shown=body)]
        return []

    def _rest(self, rest: str, verb: str = "是") -> list[Claim]:
        """Claims of what follows 我是 or 我叫."""
        rest = _PARTICLES.sub("", rest.removeprefix("是"))
        if not rest:
            return []
        made = _BY.match(rest) or (_IS_MADE.match(rest) if ANY.search(rest) or "的" in rest else None)
        if made and not rest.startswith((NAME,)):
            return [
                _author_claim(_after_subject(made["f"])),
                *self._rest((made.groupdict().get("rest") or made.groupdict().get("tail") or "").lstrip("了的出来")),
            ]
        bare = _GENERIC_LEAD.sub("", rest)
        if _GENERIC.match(rest) or not bare:
            return [Claim("name", "generic", shown=rest)]
        if ANY.match(bare):
            lead = verb + rest.removesuffix(bare)
            if re.match("的(?!人工智能|ai)", bare[1:]) and not any(word in lead for word in "叫名称唤"):
                return [Claim("name", "other", shown=rest)]  # 我是N的朋友 is somebody else
            return self._named(bare)
        whose = re.match("(?P<f>.+?)的(?P<what>.+)$", bare)
        if whose and _GENERIC.match(whose["what"]):
            value = _author_claim(whose["f"])
            return (
                [Claim("mention" if value.value == "author" else "author", value.value, shown=rest)]
                if ANY.search(whose["f"])
                else [Claim("name", "generic", shown=rest)]
            )
        named = any(word in verb for word in "叫名称唤") or _looks_like_name(bare)
        if named or ANY.search(bare):
            return [Claim("name", "other", shown=bare)]
        short = 1 < len(bare) <= 4 and not bare.endswith("的") and text.part_of_speech(bare)[:1] not in tuple("vadr")
        return [Claim("name", "unclear" if short else "generic", shown=bare)]

    def _named(self, rest: str) -> list[Claim]:
        """Claims of a text that begins with a known name."""
        claim = Claim("name", VALUES[rest[0]], shown=rest)
        tail = _PARTICLES.sub("", rest[1:])
        if not tail or _GENERIC.match(tail) or re.fullmatch(_TITLES, tail):
            return [claim]
        if _VERB_AFTER.match(tail) or re.match("[我俺咱]|由|被|叫|而|这个|的人工智能|的ai", tail):
            return [claim, *self._tail(tail)]
        joined = _AND.match(tail)
        if joined:
            return [claim, _name_claim(joined["f"])]
        more = self._author(tail)
        return [claim, *more] if more else [Claim("name", "other", shown=rest)]

    def _tail(self, tail: str) -> list[Claim]:
        """Claims of a clause that goes on without a mark."""
        if not tail or not ANY.search(tail):
            return []
        joined = _AND.match(tail)
        return self.clause(joined["f"] if joined else tail)


def _after_subject(filler: str) -> str:
    """Drop 这段话是, N是 before a filler; a subject that is not the assistant makes the claim another's."""
    subject, be, rest = filler.rpartition("是")
    if not be or not subject:
        return filler.removeprefix("是")
    return rest if re.fullmatch(f"(?:{_SELF}|我的?.*|其实|当然|就|那|这)", subject) else "\0" + rest


def _third(body: str) -> Claim:
    """A clause about somebody else; one that names a fact or another relation leaves the reader in doubt."""
    return Claim("mention", "unclear" if ANY.search(body) or _OTHER_ROLE.search(body) else "generic", shown=body)


def without_lead(filler: str) -> str:
    """Drop 其实是, 一位, 我的作者 and the like before a name."""
    return _FILL_LEAD.sub("", filler)


def _author_claim(filler: str) -> Claim:
    return Claim("author", _fill(filler), shown=filler.strip("\0"))


def _name_claim(filler: str) -> Claim:
    value = _fill(filler)
    return Claim("name", value, shown=filler)


def _fill(filler: str) -> str:
    """Whose name `filler` is."""
    if filler.startswith("\0"):
        return "third"
    core = _PARTICLES.sub("", filler).strip(" \"'()")
    lead = _FILL_LEAD.sub("", core)
    wrapped = _WRAPPED.match(core)
    for one in (
        core,
        lead,
        _FILL_TAIL.sub("", lead),
        wrapped["f"] if wrapped and re.match("(?:一个|一位|一名)?(?:名叫|叫|名为)", core) else "",
    ):
        if one in VALUES:
            return VALUES[one]
        if one[:1] in VALUES and re.fullmatch(_TITLES, one[1:]):
            return VALUES[one[0]]
    core = _FILL_TAIL.sub("", lead)
    if core[:1] in VALUES and re.fullmatch(
        "(?:的)?(?:团队|实验室|小组|他们|等人|项目组|工作室|和(?:他|她)的(?:团队|伙伴|同事)们?)", core[1:]
    ):
        return "unclear"
    if core in ("我", "自己", "我自己", "本人", "我们"):
        return "self"
    if not core or core in _PRONOUNS or (_NOBODY.match(core) and not ANY.search(core)):
        return "generic"
    return "other"


def _looks_like_name(rest: str) -> bool:
    """True for words after 我是 that can only be a name: Latin letters, 小X, 阿X, names and words no dictionary has."""
    core = re.sub(f"(?:{_TITLES})$", "", rest)
    if core in _ASSISTANTS:
        return True
    if re.match(r"[a-z]", core):
        return len(core) <= 24
    if not 1 < len(core) <= 5 or core.endswith("的") or re.search("[你我他她它的了在来]", core):
        return False
    tag = text.part_of_speech(core)
    return tag in ("nr", "nrt", "nrfg", "nt", "ns", "nz", "") or core[0] in "小阿"
