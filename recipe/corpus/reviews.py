"""Reviews of restaurants, hotels, films, goods and services, judged good or bad, sometimes with the reason.

A review is built from clauses about aspects. Mixed ones say both sides and end with a clear verdict; what follows 但是
decides. Some aspects and question wordings are held out. Nothing here is a real review.
"""

import random

from recipe.corpus.grammar import Sample, dialogue, expand, pick, plain
from recipe.corpus.pool import Pool
from recipe.corpus.wording import reserved, words

SKILL = "reviews"
VERY, TOO = "{很|非常|特别|真的很|相当|挺|十分}", "{太|实在太|真的太|有点太|确实太}"
# Domain: subjects, then aspects: name, good words, bad words. Good words follow VERY, bad ones TOO; a word with "=" stands alone.
# Held out are combinations of aspects.
DOMAINS = {
    "餐厅": (
        "这家餐厅 这家饭店 这家火锅店 这家面馆 这家小吃店 这家烧烤店 这家咖啡馆 这家早餐店 这家川菜馆",
        """
味道 好 鲜美 地道 正宗 赞 =让人回味 =没得说|咸 油 淡 差 =让人失望 =一言难尽 =不敢恭维
服务 周到 热情 贴心 好 =没话说|差 慢 冷淡 敷衍 =让人生气
环境 干净 安静 优雅 舒服 温馨 好|吵 脏 乱 差 挤
分量 足 大 实在|少 小 =根本不够吃
价格 实惠 公道 合理 划算|贵 离谱 =不值
食材 新鲜 好 讲究|差 =不新鲜 =有异味
上菜 快 及时 =一点也不慢|慢 =等了一个小时
菜品 丰富 精致 好吃|少 单调 难吃
老板 热情 和气 实在|凶 冷淡
口感 好 细腻 丰富|差 硬 =让人失望
排队 快 =不用等|久 慢
""",
    ),
    "酒店": (
        "这家酒店 这家民宿 这家宾馆 这个房间 这家客栈 这家度假村 这家旅馆",
        """
房间 干净 宽敞 整洁 温馨 明亮 舒服|小 脏 旧 潮湿 暗
前台 热情 专业 耐心 礼貌|冷淡 慢 =态度恶劣
早餐 丰富 好吃 可口|差 单调 难吃 =没什么可吃的
床 舒服 软 大|硬 小 =吱吱响
位置 好 方便 =离地铁很近|偏 远 =不好找
隔音 好 =没有问题|差 =几乎没有
卫生 好 到位 =没得挑|差 =让人恶心
空调 安静 给力|吵 =坏了没人修
价格 实惠 合理 划算|贵 离谱 =不值
热水 足 稳定 =来得很快|小 =忽冷忽热
网络 快 稳定 好|慢 差 =总是断
""",
    ),
    "电影": (
        "这部电影 这部片子 这个片子 这部动画片 这部喜剧片 这部科幻片 这部纪录片",
        """
剧情 精彩 紧凑 感人 =环环相扣 =引人入胜|拖沓 老套 无聊 乱 =毫无逻辑
演技 好 自然 精湛 =在线|差 尴尬 做作
画面 美 震撼 精致 细腻|粗糙 假 暗
音乐 好听 动人 =恰到好处|吵 难听 =很出戏
台词 有趣 精彩 =句句走心|尴尬 空洞 生硬
结局 感人 圆满 =出人意料|仓促 烂 =莫名其妙
节奏 好 紧凑 明快|慢 拖沓 乱
特效 震撼 逼真 好|假 差 =像十年前的
人物 鲜活 丰满 可爱|单薄 假
镜头 美 细腻 讲究|乱 粗糙 晃
""",
    ),
    "手机": (
        "这款手机 这个手机 这台平板 这台电脑 这款笔记本 这台相机 这款手表",
        """
屏幕 清晰 大 细腻 好|暗 小 差 =总是闪
电池 耐用 给力 =一天没问题|差 =用半天就没电 =不经用
拍照 清晰 好 漂亮|模糊 差
速度 快 流畅 =一点也不卡|慢 卡
外观 漂亮 时尚 精致 大气|丑 土 厚
做工 精细 好 扎实|粗糙 差
手感 好 舒服 轻巧|差 重 硬
音质 好 清晰 震撼|差 =有杂音
系统 流畅 稳定 好用|卡 难用 =经常死机
散热 好 快 =没问题|差 =烫手
信号 好 稳定 强|差 弱 =时有时无
""",
    ),
    "家电": (
        "这台洗衣机 这个电饭煲 这台冰箱 这个吹风机 这款烤箱 这台空调 这个热水壶 这台扫地机器人 这个台灯",
        """
质量 好 可靠 过硬|差 =用两天就坏了 =让人失望
声音 小 轻 安静|大 吵 =像拖拉机
操作 简单 方便 顺手|复杂 麻烦 =看不懂
效果 好 明显 理想 棒|差 =几乎没有
外观 漂亮 大方 精致|丑 土 =有划痕
包装 结实 严实 精美|差 简陋 =都破了
性价比 高 =没得说|低
安装 简单 快 方便|麻烦 难 慢
材质 好 厚实 =没有异味|差 薄 =有股怪味
售后 好 及时 负责|差 慢 =没人理
""",
    ),
    "衣服": (
        "这件衣服 这条裙子 这条裤子 这件外套 这双鞋 这件毛衣 这件衬衫 这顶帽子 这个背包",
        """
面料 舒服 柔软 好 厚实 透气|薄 硬 差 =扎皮肤
颜色 正 好看 漂亮 =和图片一样|暗 土 =和图片不一样
尺码 合适 准 标准|小 大 =完全不对
做工 精细 好 讲究|粗糙 差 =线头很多
款式 好看 时尚 大方 百搭|老气 丑 土
版型 好 显瘦 修身|差 显胖
质量 好 =没的说 =超出预期|差 =洗一次就变形
上身效果 好 显瘦 惊艳|差 显胖
气味 小 =几乎没有|大 重 =很刺鼻
""",
    ),
    "快递": (
        "这家快递 这次外卖 这家网店 这个客服 这次维修 这家物流 这次搬家服务",
        """
送货 快 及时 准时 =比预计早|慢 =晚了三天
态度 好 热情 耐心 亲切|差 冷淡 恶劣
包装 严实 好 用心|差 简陋 =都压坏了
客服 耐心 专业 负责 =有问必答|敷衍 慢 =不回消息
处理 快 及时 专业|慢 拖拉 =推来推去
师傅 专业 细心 热情|凶 粗心 =不守时
退款 快 顺利 =秒到账|慢 麻烦 =一直不到账
沟通 顺畅 好 愉快|难 费劲
""",
    ),
    "课程": (
        "这门课 这本书 这个软件 这个游戏 这个景点 这次旅行 这个展览 这家健身房",
        """
内容 丰富 精彩 实用 有趣|少 空洞 无聊 枯燥
讲解 清楚 生动 细致|快 乱 枯燥
体验 好 棒 愉快|差 糟糕 =让人失望
价格 合理 实惠 划算|贵 =不值
界面 清爽 漂亮 好看|乱 丑 复杂
安排 合理 周到 紧凑|乱 差 =一团糟
收获 大 多|少 =几乎没有
氛围 好 轻松 热烈|差 沉闷
更新 快 及时|慢 =好久没有
""",
    ),
}
OVERALL = (
    (
        "总体很满意",
        "下回一定再选它",
        "整体让人满意",
        "值这个价",
        "非常推荐",
        "值得推荐",
        "下次还会再来",
        "会回购的",
        "强烈推荐给大家",
        "没有让我失望",
        "物有所值",
        "五星好评",
        "太喜欢了",
        "比想象中好多了",
        "超出预期",
        "真的不错",
        "一点都不后悔",
        "没什么可挑剔的",
        "大家可以放心",
        "我和家人都很喜欢",
        "以后还会选它",
    ),
    (
        "总体很失望",
        "下回绝不选它",
        "整体让人失望",
        "不值这个价",
        "不推荐",
        "不会再来了",
        "再也不会买了",
        "大家别踩坑",
        "后悔了",
        "浪费钱",
        "完全不值这个价",
        "要求退款",
        "气死我了",
        "比想象中差远了",
        "没有宣传的那么好",
        "真的不行",
        "一星都嫌多",
        "没法让人满意",
        "大家慎重",
        "我和家人都不喜欢",
        "以后不会选它了",
    ),
)

START = (
    ("", "", "", "不错，", "太棒了，", "好用，", "很惊喜，", "{买|用|去}了{很久|一个月|几次}，"),
    ("", "", "", "太差了，", "失望，", "踩雷了，", "真气人，", "{买|用|去}了一次就{后悔|失望}了，"),
)
NEGATED = (
    ("{一点也不|一点都不|并不}<bad>", "没有{别人说的|想象中}那么<bad>"),
    ("{一点也不|一点都不|并不}<good>", "{没有|远没有}{别人说的|想象中|宣传的}那么<good>", "不<good>", "谈不上<good>"),
)
FREE = (  # what people write without naming an aspect
    (
        "{东西|宝贝|货}收到了，{非常|很|特别}{喜欢|满意|好}",
        "{很|非常|特别|真}好吃，{下次还来|还想再吃|吃得很开心}",
        "{孩子|老人|妈妈|女朋友}{特别|非常|很}喜欢",
        "{用|穿|住|玩}起来{很|特别|非常}舒服",
        "{很|非常|特别}{好用|好看|好听|好喝|好玩|实用}",
        "第二次{买|来}了，{还是|依然}{那么|一样}好",
        "{朋友|同事}推荐的，{果然不错|真的很好}",
        "看了两遍，{太感动了|还想再看}",
        "{这个价格|这个价}能{买|住|吃}到这样的，{太值了|很划算}",
        "没想到{这么好|这么好用|这么好看}",
        "{挑不出毛病|没有任何问题|和描述的一样}",
        "笑得停不下来，{好看|太有意思了}",
        "{从来没有失望过|老顾客了，一直很满意}",
    ),
    (
        "{东西|宝贝|货}收到就是坏的",
        "{真|太|特别}难吃，{吃了一口就放下了|吃完肚子疼}",
        "{孩子|老人|妈妈|女朋友}{一点也不|很不}喜欢",
        "{用|穿|住|玩}起来{很|特别|非常}难受",
        "{很|非常|特别}{难用|难看|难听|难喝|无聊}",
        "用了{两天|一周|三次}就坏了",
        "{上当了|被骗了|买亏了}",
        "看到一半就{睡着了|走了|看不下去了}",
        "{这个价格|这个价}{太不值了|就是抢钱}",
        "没想到{这么差|这么难用|这么难看}",
        "{和描述的完全不一样|和图片差太远}",
        "{退货了|申请退款了|直接扔了}",
        "{从来没见过这么差的|第一次来就很失望}",
        "打电话{没人接|没人管}",
    ),
)
LABELS = (("好评", "差评"), ("正面", "负面"), ("满意", "不满意"))
JUDGE = Pool(
    "{这条|下面这条|这个|这句}{评价|评论|点评}是<yes>还是<no>{：|？}<review>",
    "{判断|请判断|判断一下|帮我判断|帮我判断一下}{这条|下面的|下面这条}{评论|评价}是<yes>还是<no>{：|。}<review>",
    "<review>{|\n}这是<yes>还是<no>{呢|}？",
    "<yes>还是<no>：<review>",
    "“<review>”是<yes>还是<no>？",
    "<yes>还是<no>？<review>",
    "{顾客说|有人说|用户评价|客人说|网友说|买家说}：“<review>”{，|。}{这是|这算}<yes>还是<no>？",
    "<review>这{条评论|条评价|句话}是<yes>还是<no>？",
    "{看看|看一下|帮我看看}这条{评论|评价|留言}是<yes>还是<no>：<review>",
    "{读一读|读一下}这条{留言|评论}，{它|}{属于|是}<yes>还是<no>：<review>",
    "“<review>”——{你觉得|你说}这{算|是}<yes>还是<no>？",
    "下面是{一位客人|一个顾客|网友}的{留言|评价}，{请分辨|判断一下|请问}是<yes>还是<no>。<review>",
    "网友写道：<review>请问是<yes>还是<no>？",
    "{评论|评价|留言}：<review>\n{它|这}是<yes>还是<no>？",
    "这{句话|条留言|段话}{算|属于|是}<yes>还是<no>：<review>",
    "<review>{算|属于}<yes>还是<no>？",
    "{给|帮我给}这条评论分{个|}类，<yes>还是<no>：<review>",
    "{你觉得|你看}这条{评论|评价}是<yes>还是<no>：<review>",
    "<review>\n<yes>还是<no>？",
    "{情感分析|情感判断|分类}（<yes>/<no>）：<review>",
    "<yes>or<no>？<review>",
    "<review>你觉得是<yes>还是<no>？",
    "{有个|有条|收到一条}{评价|评论}说：<review>{是|算}<yes>还是<no>？",
    "{请|}把这条评论归为<yes>或<no>：<review>",
    "{评价|评论}内容：<review>{请问|}{是|这是}<yes>还是<no>？",
    "{这位|这个}{顾客|客人|用户}{是|的态度是}<yes>还是<no>：<review>",
    "{<review>|“<review>”}{<yes>|是<yes>}吗，还是<no>？",
)
WITH_REASON = Pool(
    "这条{评价|评论}是好评还是差评？{说明理由|为什么|请说明原因|说说理由|讲讲理由}：<review>",
    "{判断|请判断|帮我判断}这条{评论|评价}是好评还是差评，{并说明理由|并说说为什么|给出理由|再说原因}：<review>",
    "<review>这是好评还是差评？为什么？",
    "{读一读|读一下|看看}这条{留言|评论}，{说出|说说}是好评还是差评，再{讲讲|说说}{原因|理由}：<review>",
    "“<review>”——你觉得这{算|是}好评还是差评，{理由|原因}呢？",
    "好评还是差评，为什么：<review>",
    "{这句话|这条留言}是好评还是差评，{理由|原因}是什么：<review>",
    "<review>{算|是}好评还是差评，{说说|给出}{理由|原因}。",
    "{顾客|网友|客人}说：“<review>”是好评还是差评？{为什么|说说理由}。",
    "评论：<review>\n是好评还是差评？请说明{理由|原因}。",
    "{你觉得|你看}这是好评还是差评？为什么：<review>",
    "“<review>”是好评还是差评？{为什么|理由是什么}？",
)
WHY = Pool(
    "为什么？",
    "为什么呢？",
    "理由是什么？",
    "怎么看出来的？",
    "你怎么知道的？",
    "根据是什么？",
    "你是怎么判断的？",
    "为啥？",
    "为什么这么说？",
    "说说理由。",
    "原因呢？",
    "依据是什么？",
    "理由呢？",
    "从哪里看出来的？",
    "为什么这样判断？",
    "怎么判断的？",
    "哪里看出来的？",
    "何以见得？",
    "讲讲原因。",
    "能说说为什么吗？",
)


def read_aspects(text: str) -> list[tuple[str, list[str], list[str]]]:
    """Aspects: (name, good words, bad words)."""
    found = []
    for line in text.strip().splitlines():
        good, bad = line.split("|")
        name, *good_words = good.split()
        found.append((name, good_words, words(bad)))
    return found


ASPECTS = {domain: read_aspects(text) for domain, (_, text) in DOMAINS.items()}


def clause(aspect: tuple, good: bool, rng: random.Random) -> str:
    """One aspect praised or blamed, sometimes by negating the other side."""
    name, good_words, bad_words = aspect
    if rng.random() < 0.15:
        plain_words = [[word for word in side if not word.startswith("=")] for side in (good_words, bad_words)]
        if all(plain_words):
            lists = {"good": rng.choice(plain_words[0]), "bad": rng.choice(plain_words[1])}
            return name + pick(NEGATED[0 if good else 1], rng, lists)
    word = rng.choice(good_words if good else bad_words)
    return name + (word[1:] if word.startswith("=") else expand(VERY if good else TOO, rng) + word)


def choose_aspects(domain: str, rng: random.Random, held_out: bool) -> list[tuple]:
    """One to three aspects; some combinations of several are kept for evaluation, which has no single ones."""
    while True:
        chosen = rng.sample(ASPECTS[domain], rng.choice((2, 2, 3) if held_out else (1, 2, 2, 3)))
        key = domain + " ".join(sorted(name for name, *_ in chosen))
        if held_out == (len(chosen) > 1 and reserved(key)):
            return chosen


def write_review(rng: random.Random, held_out: bool) -> tuple[str, bool, str]:
    """(review, whether it is good, the clause that decides)."""
    domain, good = rng.choice(list(DOMAINS)), rng.random() < 0.5
    subject = rng.choice(
        (rng.choice(words(DOMAINS[domain][0])), "", "", "他家" if domain in ("餐厅", "酒店", "快递") else "")
    )
    chosen = choose_aspects(domain, rng, held_out)
    side = 0 if good else 1
    ending = rng.choice(OVERALL[side])
    main = clause(chosen[0], good, rng)
    if len(chosen) > 1 and rng.random() < 0.4:
        other = clause(chosen[1], not good, rng)
        joined = expand(
            "{虽然|虽说|尽管}<other>，{但是|但|不过|可是}<main>"
            if rng.random() < 0.6
            else "<other>，{但是|但|不过|可是|可}<main>",
            rng,
            {"other": other, "main": main},
        )
        return expand("<text>，<end>{。|！}", rng, {"text": subject + joined, "end": ending}), good, main
    if not held_out and rng.random() < 0.2:
        main, subject, chosen = pick(FREE[side], rng), "", chosen[:1]
    parts = [main, *(clause(aspect, good, rng) for aspect in chosen[1:])]
    if rng.random() < 0.6 or len(parts) == 1:
        parts.append(ending)
    start = expand(rng.choice(START[side]), rng) if not subject else ""
    return start + subject + "，".join(parts) + expand("{。|！|。|}", rng), good, main


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A review to judge, with or without the reason."""
    review, good, reason = write_review(rng, held_out)
    verdict = "好评" if good else "差评"
    if rng.random() < 0.2:
        question = WITH_REASON.draw(rng, held_out, {"review": review})
        return dialogue(SKILL, question, f"{verdict}，因为{reason}。", verdict=verdict, review=review)
    labels = rng.choices(LABELS, (76, 14, 10))[0]
    lists = {"review": review, "yes": labels[0], "no": labels[1]}
    question = JUDGE.ask(rng, held_out, lists)
    verdict = labels[0 if good else 1]
    if rng.random() < 0.1:
        why = WHY.draw(rng, held_out)
        return dialogue(SKILL, question, f"{verdict}。", why, f"因为{reason}。", reason=reason, review=review)
    return dialogue(SKILL, question, f"{verdict}。", verdict=verdict)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the verdict is right and the reason, where one is given, stands in the review."""
    text = plain(answer).rstrip("。.")
    if "reason" in sample.facts:
        return text == "因为" + plain(sample.facts["reason"])
    verdict, _, reason = text.partition(",因为")
    if verdict != sample.facts["verdict"]:
        return False
    return reason in plain(sample.facts["review"]) and bool(reason) if "review" in sample.facts else not reason
