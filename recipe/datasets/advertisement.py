"""Advertisements written from clothing attributes, for the fine-tuning set of the project.

Attribute strings are drawn as in the corpus (``recipe.corpus.attributes``); every value has properties of its own
(牛仔布 is 硬挺耐穿), so that there is something to learn beyond copying. A tenth of the values and of the combinations is
kept for the development set. No existing advertisement is used.
"""

import random

from recipe.corpus.attributes import COUNTERS, NOUNS, VALUES, words
from recipe.corpus.grammar import expand
from recipe.corpus.wording import reserved

SHORTEST, LONGEST = 30, 80  # characters of an advertisement

PROPERTIES = dict(
    entry.split(":")
    for entry in """
白色:干净清爽,百搭耐看 黑色:经典显瘦,沉稳大气 蓝色:清澈宁静,很显气质 粉色:温柔甜美,衬得气色好 红色:热情亮眼,喜庆大方 灰色:低调高级,沉静耐看 绿色:清新自然,充满生机 黄色:明亮活泼,元气满满 紫色:神秘优雅,别具一格 卡其色:温和百搭,秋意十足
杏色:柔和温润,不挑肤色 藏蓝色:稳重知性,耐看不俗 墨绿色:复古高级,显得肤白 米白色:温柔干净,清雅脱俗 酒红色:浓郁复古,气场十足 驼色:温暖大气,质感满分 姜黄色:暖意融融,抢眼时髦 银色:闪亮前卫,自带光芒 金色:华丽耀眼,贵气十足 浅蓝色:清爽如天空,舒心减龄
深蓝色:沉静内敛,成熟稳重 军绿色:帅气利落,野性十足 焦糖色:香甜温暖,秋冬必备 薄荷绿色:清凉怡人,一身夏意 黑白:经典撞色,永不过时 浅灰色:淡雅柔和,轻松好搭 咖啡色:醇厚温暖,低调耐看 天蓝色:明净开阔,让人心情变好 奶茶色:温柔甜润,慵懒迷人 雾霾蓝:安静高级,冷淡有格调
棉:柔软透气,亲肤舒适 牛仔布:硬挺耐穿,百搭不过时 蕾丝:精致浪漫,女人味十足 雪纺:轻盈飘逸,清凉不闷 羊毛:保暖厚实,柔软蓬松 蚕丝:丝滑亲肤,光泽柔和 针织:柔软有弹性,贴身不紧绷 亚麻:透气凉爽,自然质朴 棉麻:朴素透气,越穿越舒服 网纱:朦胧轻盈,仙气飘飘 丝绒:光泽华贵,触感细腻 羊绒:细腻轻暖,像云朵一样
涤纶:挺括抗皱,好打理 天丝:垂坠顺滑,清凉舒适 绸缎:顺滑有光泽,尽显华贵 混纺:耐磨透气,不易变形 斜纹:纹理细密,结实耐穿 灯芯绒:复古温暖,手感厚实 皮革:帅气有型,防风耐磨 莫代尔:柔滑吸汗,如第二层肌肤 摇粒绒:蓬松保暖,轻便舒适 冰丝:凉爽顺滑,夏天必备 真丝:轻薄丝滑,高贵优雅 帆布:厚实耐磨,随性自在
简约:干净利落,耐看百搭 性感:妩媚迷人,撩动人心 休闲:轻松自在,毫无拘束 复古:韵味悠长,像老电影 清新:自然甜美,如沐春风 潮:个性张扬,走在前沿 青春:活力满满,减龄十足 街头:酷劲十足,随性不羁 文艺:安静淡雅,书卷气浓 知性:优雅大方,成熟得体 运动:活力十足,动静皆宜 淑女:温婉端庄,气质出众
高贵:典雅华丽,气场全开 英伦:绅士优雅,格调满满 通勤:得体干练,上班也好看 工装:硬朗帅气,耐看实穿 职场:干练自信,专业得体 欧美:大气时髦,个性鲜明 宫廷:华丽精致,像公主一样 嘻哈:自由不羁,节奏感强 中国风:古典雅致,韵味十足 韩版:温柔时髦,减龄显嫩 民族风:色彩浓郁,别有风情 日系:清爽温和,治愈人心
朋克:叛逆酷感,与众不同 居家:舒适随意,放松身心 森系:自然灵动,仙气十足 学院:乖巧减龄,书香满满 法式:慵懒浪漫,随性优雅 极简:少即是多,高级耐看 甜美:可爱俏皮,少女心满满 度假:轻松惬意,适合海边
条纹:拉长身形,简洁经典 印花:生动别致,不怕单调 撞色:抢眼个性,层次分明 刺绣:精致细腻,匠心十足 格子:复古经典,学院味浓 碎花:清新浪漫,像春日花园 波点:俏皮可爱,复古减龄 卡通:童趣十足,活泼可爱 字母:简洁个性,潮味十足 纯色:简单纯粹,百搭不挑人 蝴蝶结:甜美俏皮,少女感满满 几何:线条感强,现代时髦
渐变:柔和过渡,梦幻迷人 迷彩:硬朗帅气,野性十足 豹纹:狂野性感,气场强大 千鸟格:优雅复古,格调满满 植物:自然清新,生机盎然 线条:流畅利落,修饰身形 文字:个性鲜明,表达态度 拼色:层次丰富,视觉抢眼 抽象:前卫独特,艺术感强 动物:灵动可爱,充满野趣 扎染:随性独特,每件都不同 水墨:意境悠远,古韵十足 星星:闪烁梦幻,浪漫可爱 雏菊:清新可人,点亮夏天
显瘦:修饰身形,藏肉有一手 宽松:遮肉舒适,不挑身材 立体剪裁:贴合身形,挺括有型 修身:勾勒曲线,尽显身材 直筒:利落大方,遮住小缺点 合身:恰到好处,行动自如 廓形:有型有款,气场十足 茧型:圆润包容,温柔有型
翻领:干练利落,修饰脸型 圆领:简单大方,舒适自在 v领:露出锁骨,拉长颈部 立领:挺拔精神,挡风保暖 高领:保暖修颈,优雅大方 一字领:露出香肩,性感迷人 方领:展现锁骨,复古优雅 娃娃领:乖巧减龄,甜美可爱 西装领:干练帅气,气质出众 小立领:精致优雅,含蓄大方 海军领:青春洋溢,学院味浓 半高领:不勒脖子,温暖得体 polo领:运动休闲,精神利落 荷叶领:层层荡漾,柔美灵动
喇叭袖:灵动飘逸,遮住手臂 灯笼袖:蓬松复古,俏皮可爱 泡泡袖:甜美减龄,修饰肩线 落肩袖:慵懒随性,遮住宽肩 蝙蝠袖:宽松遮肉,随性洒脱 插肩袖:活动自如,肩线流畅 荷叶袖:层次柔美,浪漫轻盈 衬衫袖:干练利落,简洁大方 花瓣袖:娇俏柔美,像花一样 公主袖:甜美梦幻,少女心满满 收口:利落干净,保暖不钻风 堆堆袖:慵懒时髦,随意好看
长袖:防晒又保暖 短袖:清凉又利落 七分袖:露出手腕更显瘦 无袖:清凉自在,露出手臂线条 五分袖:遮住手臂,舒适得体 九分袖:露出手腕,轻盈不累赘
短款:拉高腰线,显高显瘦 中长款:遮臀显瘦,大方得体 常规:不长不短,怎么穿都好看 超短款:俏皮活泼,腿长一米八 长款:气场十足,保暖又显高 及膝:优雅得体,遮住大腿
系带:松紧随心,更添风情 拉链:穿脱方便,利落有型 套头:简单方便,轻松随性 单排扣:经典优雅,简洁大方 双排扣:复古英气,气场十足 一粒扣:简洁干练,修饰腰身 暗扣:低调精致,整洁大方 无扣:随性洒脱,轻松披上 牛角扣:学院味浓,温暖可爱 盘扣:古典雅致,匠心十足
拼接:层次丰富,个性十足 连帽:休闲减龄,还能挡风 口袋:实用方便,装饰感强 纽扣:精致小巧,点亮细节 抽绳:松紧可调,随性时髦 荷叶边:灵动柔美,浪漫满满 收腰:勾勒腰线,显瘦显高 勾花镂空:精巧通透,若隐若现 不规则:打破常规,个性鲜明 绑带:别致俏皮,更添风情 腰带:束出细腰,比例更好 木耳边:精致俏皮,甜美可爱 露肩:性感迷人,展现肩线 亮片:闪耀夺目,派对焦点
破洞:不羁个性,街头味十足 钉珠:精致华丽,细节闪光 波浪:起伏灵动,柔美动人 松紧带:伸缩自如,舒适不勒 流苏:摇曳生姿,风情万种 褶皱:层次立体,蓬松遮肉 毛边:随性不羁,复古有型 罗纹:弹性贴合,不易变形 吊带:清凉性感,展现肩颈 飘带:随风摇曳,飘逸动人 链条:酷感十足,细节吸睛 珍珠:温润优雅,点亮全身 抽褶:立体有型,遮住小肚子
九分裤:露出脚踝,显高显瘦 短裤:清凉活泼,腿长尽显 长裤:修饰腿型,保暖实穿 七分裤:凉爽轻便,不挑腿型 五分裤:运动休闲,清凉自在 连体裤:一件成型,利落帅气 阔腿裤:遮肉显瘦,走路带风 直筒裤:修饰腿型,利落百搭 哈伦裤:宽松随性,藏住胯部 背带裤:减龄可爱,元气满满 铅笔裤:紧致贴身,腿型修长 灯笼裤:飘逸民族,舒适自在 喇叭裤:复古摩登,拉长双腿 工装裤:帅气硬朗,口袋实用 小脚裤:收紧脚口,干净利落
高腰:拉长双腿,比例逆天 松紧腰:舒适不勒,吃饱也不怕 自然腰:自在贴合,不紧不松 中腰:舒适得体,日常好穿 低腰:个性时髦,露出腰线 宽松腰:活动自如,轻松无束 小脚:利落收口,显得腿细 开叉:行走生风,若隐若现 微喇裤:修饰小腿,复古时髦 翻折:随性有型,细节满分 卷边:俏皮随性,露出脚踝 束脚:运动利落,防风保暖
a字:遮住胯部,显瘦显高 百褶:灵动活泼,学院味浓 大裙摆:摇曳生姿,仙气飘飘 直筒裙:简洁利落,遮肉显瘦 鱼尾裙:优雅性感,尽显曲线 包臀裙:凸显身材,女人味十足 网纱裙:朦胧梦幻,仙气十足 蓬蓬裙:甜美可爱,像公主一样 小黑裙:经典优雅,永不过时 衬衫裙:干练随性,一衣多穿 公主裙:甜美梦幻,满足少女心 伞裙:撑开如伞,俏皮遮肉 牛仔裙:帅气减龄,耐穿百搭 一步裙:干练优雅,适合上班 仙女裙:飘逸轻盈,美如画中
连衣裙:一件搞定全身搭配 半身裙:怎么搭都好看 长裙:飘逸优雅,遮住腿型 短裙:活泼俏皮,秀出长腿 中长裙:优雅得体,遮住小腿 超短裙:俏皮吸睛,腿长尽显 不过膝:活泼不失端庄 花边:精致甜美,细节动人 垂坠:顺滑流畅,自带高级感 层叠:蓬松立体,仙气十足 压褶:立体有型,摇曳生姿 弧形:圆润柔和,修饰腿型
""".split()
)
DEFAULTS = {
    "颜色": "衬托肤色,温柔耐看",
    "材质": "手感舒适,穿着安心",
    "风格": "独具魅力,百看不厌",
    "图案": "生动别致,吸引目光",
    "版型": "舒适有型,穿着自在",
    "领": "修饰脸型,精致耐看",
    "袖": "修饰手臂,行动自如",
    "门襟": "穿脱方便,细节精致",
    "款式": "别出心裁,更显用心",
    "长": "长短合宜,恰到好处",
    "腰": "贴合腰身,舒适自在",
    "裤": "修饰腿型,利落有型",
    "裙": "摇曳动人,风情十足",
    "样式": "时髦百搭,实穿耐看",
}
CLAUSES = {
    "材质": ("选用<p>的<v>", "<v>的质地<p>", "精选<v>，<p>", "<v>材质摸起来<p>"),
    "颜色": ("<v><p>", "<p>的<v>让人眼前一亮", "一身<v>，<p>", "选用<p>的<v>"),
    "风格": ("<v>风格<p>", "<v>的气息扑面而来，<p>", "走<v>路线，<p>", "充满<v>味道，<p>"),
    "图案": ("<v>图案<p>", "<v>元素点缀其间，<p>", "饰以<p>的<v>", "加上<v>，<p>"),
    "版型": ("<v>的版型<p>", "采用<v>版型，<p>"),
    "领": ("<v>设计<p>", "<v><p>", "配上<v>，<p>"),
    "袖": ("<v>设计<p>", "<v><p>", "搭配<v>，<p>"),
    "门襟": ("<v>门襟<p>", "<v>的设计<p>"),
    "款式": ("<v>设计<p>", "<v>细节<p>", "融入<v>，<p>", "加入<v>元素，<p>"),
    "长": ("<v>的长度<p>", "<v>设计<p>"),
    "腰": ("<v>设计<p>", "<v>剪裁<p>"),
    "裤": ("<v>设计<p>", "<v>的样子<p>"),
    "裙": ("<v>设计<p>", "<v>的轮廓<p>"),
}
SHAPES = ("衣样式", "裤型", "裤长", "裙型", "裙长")  # whose values can stand for the garment itself
OPENINGS = (
    "这{款|{c}}<noun>{让人一眼心动|真是衣橱必备|穿上就舍不得脱|值得拥有|很有心思|美得不动声色}，",
    "{喜欢这{c}<noun>的理由有很多|谁能拒绝这样一{c}<noun>|这个季节就要一{c}<noun>}，",
    "这{款|{c}}<noun>",
    "一{c}<noun>，",
    "来看这{c}<noun>，",
)
CLOSINGS = (
    "",
    "",
    "",
    "怎么搭都好看",
    "{上班|约会|出游|逛街}穿都合适",
    "穿上它，你就是{街头|人群里}的风景",
    "穿出你的好气质",
    "{一年四季|日常}都能穿",
    "让你美得轻松",
    "回头率满分",
    "随便一穿就很出彩",
    "闺蜜看了都要链接",
)


def lookup(table: dict, name: str):
    """The entry of an attribute's name, or of the word that it contains (衣领型 is a 领)."""
    return table.get(name) or next(entry for key, entry in table.items() if key in name)


def clause(name: str, value: str, rng: random.Random) -> str:
    """Half a sentence that contains the value and one of its properties."""
    properties = PROPERTIES.get(value) or lookup(DEFAULTS, name)
    template, single = rng.choice(lookup(CLAUSES, name)), rng.choice(properties.split(","))
    both = properties.replace(",", rng.choice(("，", "，", "又")))
    chosen = single if "<p>的" in template else rng.choice((single, single, both))
    return expand(template, rng, {"v": value, "p": chosen})


def choose(rng: random.Random, held_out: bool) -> tuple[str, list[tuple[str, str]]]:
    """(type, three to six attributes); training takes no kept value, development at least one."""
    kind = rng.choice(list(COUNTERS))
    names = rng.sample(list(VALUES[kind]), rng.choice((3, 4, 4, 5, 5, 6)))
    pairs = []
    for name in [name for name in VALUES[kind] if name in names]:
        values = [value for value in words(VALUES[kind][name]) if held_out or not reserved("advert " + value)]
        pairs.append((name, rng.choice(values)))
    return kind, pairs


def compose(kind: str, pairs: list[tuple[str, str]], rng: random.Random) -> str:
    """An advertisement that contains every value; what kind of garment it is opens it where that is known."""
    counter = COUNTERS[kind]
    shapes = [dict(pairs).get(name) for name in SHAPES]
    shape = next((value for value in shapes if value and (value[-1] in "裙裤" or kind == "上衣")), None)
    noun = shape or NOUNS.get(kind, kind)
    opening = expand(rng.choice(OPENINGS).replace("{c}", counter), rng, {"noun": noun})
    clauses = [clause(name, value, rng) for name, value in pairs if value != shape]
    rng.shuffle(clauses)
    text = opening + "，".join(clauses)
    closing = expand(rng.choice(CLOSINGS), rng)
    return text + (rng.choice(("，", "。")) + closing if closing else "") + rng.choice("。。。！")


def pair(rng: random.Random, held_out: bool) -> dict[str, str]:
    """One row: {"content", "summary"}."""
    while True:
        kind, pairs = choose(rng, held_out)
        content = "*".join(f"{name}#{value}" for name, value in [("类型", kind), *pairs])
        unseen = any(reserved("advert " + value) for _, value in pairs)
        if (unseen if held_out else not reserved(content)) and len({value for _, value in pairs}) == len(pairs):
            summary = compose(kind, pairs, rng)
            if SHORTEST <= len(summary) <= LONGEST:
                return {"content": content, "summary": summary}


def rows(count: int, seed: int, held_out: bool) -> list[dict[str, str]]:
    """``count`` rows of different attributes, the same for the same seed."""
    rng, found = random.Random(f"advertisement {seed} {held_out}"), {}
    while len(found) < count:
        row = pair(rng, held_out)
        found.setdefault(row["content"], row)
    return list(found.values())
