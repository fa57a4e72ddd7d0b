"""Countries with their capitals and continents, Chinese provinces with theirs, in both directions.

Only the wordings are held out: a capital cannot be guessed from other capitals. Countries that are disputed about,
or that have several capitals, are left out.
"""

import random

from recipe.corpus.grammar import Sample, dialogue, plain
from recipe.corpus.pool import Pool
from recipe.corpus.wording import names_only, table

SKILL = "capitals"
CONTINENTS = {
    "亚洲": """
中国 北京|日本 东京|韩国 首尔|朝鲜 平壤|蒙古 乌兰巴托|越南 河内|老挝 万象|柬埔寨 金边|泰国 曼谷|缅甸 内比都|马来西亚 吉隆坡|菲律宾 马尼拉
新加坡 新加坡|印度尼西亚 雅加达|文莱 斯里巴加湾市|印度 新德里|巴基斯坦 伊斯兰堡|孟加拉国 达卡|尼泊尔 加德满都|不丹 廷布|马尔代夫 马累
阿富汗 喀布尔|伊朗 德黑兰|伊拉克 巴格达|叙利亚 大马士革|约旦 安曼|黎巴嫩 贝鲁特|沙特阿拉伯 利雅得|阿曼 马斯喀特|卡塔尔 多哈|巴林 麦纳麦
乌兹别克斯坦 塔什干|吉尔吉斯斯坦 比什凯克|塔吉克斯坦 杜尚别""",
    "欧洲": """
英国 伦敦|法国 巴黎|德国 柏林|意大利 罗马|西班牙 马德里|葡萄牙 里斯本|荷兰 阿姆斯特丹|比利时 布鲁塞尔|瑞士 伯尔尼|奥地利 维也纳|波兰 华沙
捷克 布拉格|匈牙利 布达佩斯|罗马尼亚 布加勒斯特|保加利亚 索非亚|希腊 雅典|塞尔维亚 贝尔格莱德|克罗地亚 萨格勒布|丹麦 哥本哈根
瑞典 斯德哥尔摩|挪威 奥斯陆|芬兰 赫尔辛基|冰岛 雷克雅未克|爱尔兰 都柏林|爱沙尼亚 塔林|拉脱维亚 里加|立陶宛 维尔纽斯|乌克兰 基辅
白俄罗斯 明斯克""",
    "非洲": """
埃及 开罗|摩洛哥 拉巴特|阿尔及利亚 阿尔及尔|利比亚 的黎波里|苏丹 喀土穆|埃塞俄比亚 亚的斯亚贝巴|肯尼亚 内罗毕|乌干达 坎帕拉
尼日利亚 阿布贾|加纳 阿克拉|塞内加尔 达喀尔|安哥拉 罗安达|赞比亚 卢萨卡|津巴布韦 哈拉雷|马达加斯加 塔那那利佛""",
    "北美洲": "美国 华盛顿|加拿大 渥太华|墨西哥 墨西哥城|古巴 哈瓦那|牙买加 金斯敦|哥斯达黎加 圣何塞",
    "南美洲": """
哥伦比亚 波哥大|委内瑞拉 加拉加斯|厄瓜多尔 基多|秘鲁 利马|巴西 巴西利亚|智利 圣地亚哥|阿根廷 布宜诺斯艾利斯|乌拉圭 蒙得维的亚|巴拉圭 亚松森""",
    "大洋洲": "澳大利亚 堪培拉|新西兰 惠灵顿|斐济 苏瓦",
    "": "俄罗斯 莫斯科|土耳其 安卡拉|哈萨克斯坦 阿斯塔纳",  # on two continents
}
PROVINCES = """
河北 石家庄|山西 太原|辽宁 沈阳|吉林 长春|黑龙江 哈尔滨|江苏 南京|浙江 杭州|安徽 合肥|福建 福州|江西 南昌|山东 济南|河南 郑州|湖北 武汉|湖南 长沙
广东 广州|海南 海口|四川 成都|贵州 贵阳|云南 昆明|陕西 西安|甘肃 兰州|青海 西宁
"""
REGIONS = "内蒙古 呼和浩特|广西 南宁|西藏 拉萨|宁夏 银川|新疆 乌鲁木齐"

# (territory, capital, what the capital is called, what the territory is called)
PLACES = (
    [(*row, "首都", "国家") for rows in CONTINENTS.values() for row in table(rows)]
    + [(*row, "省会", "省") for row in table(PROVINCES)]
    + [(*row, "首府", "自治区") for row in table(REGIONS)]
)
CONTINENT_OF = {row[0]: continent for continent, rows in CONTINENTS.items() if continent for row in table(rows)}
VOCABULARY = {name for place in PLACES for name in place[:2]}
NATION = [place for place in PLACES if place[2] == "首都" and place[0] != place[1]]
PROVINCE = [place for place in PLACES if place[2] != "首都"]

FORWARD = Pool(
    "<land>的<seat>是{哪里|哪儿|什么|哪个城市|哪座城市|什么地方|哪}{呢|呀|啊|}？",
    "<land><seat>是{哪里|哪儿|哪个城市|哪|什么}？",
    "{哪|哪个|哪座}城市是<land>的<seat>？",
    "<land>的<seat>{叫什么|叫什么名字|叫啥|名字是什么|名字叫什么}？",
    "<land>的<seat>{在哪|在哪里|在哪儿|在哪个城市|在什么地方}？",
    "{你知道|你知不知道|知道|晓得|您知道}<land>的<seat>{吗|么|是哪里吗|在哪里吗|是哪个城市吗|叫什么吗}？",
    "{能告诉我|可以告诉我|能不能告诉我|能说说}<land>的<seat>{吗|是哪里吗|是哪个城市吗}？",
    "{告诉我|说说|回答我|讲讲|说一下|请说说}<land>的<seat>{是哪里|是哪个城市|在哪里|叫什么|}。",
    "<land>的<seat>是？",
    "<land>的<seat>",
    "<land> <seat>",
    "<land>{把|将}{哪个|哪座}城市{定为|作为|当作}<seat>？",
    "{请|}{说出|写出|给出}<land>{的|}<seat>{的名字|}。",
    "<land>的<seat>{设在|位于|定在}{哪里|哪儿|哪座城市|哪个城市}？",
    "我想{知道|问|了解|查}<land>的<seat>{是哪|是哪里|在哪|}。",
    "<land>，<seat>是{哪里|哪个城市|什么}？",
    "<land>的<seat>{到底|究竟|应该}是{哪里|哪个城市|哪儿}？",
    "{我|}{忘了|不记得|想不起来}<land>的<seat>{是哪里|是哪个城市|在哪儿|}了。",
    "<land>的<seat>是{哪一个|哪一座}{城市|}？",
    "<land>{这个<kind>|}的<seat>{在哪里|是哪里|是哪|叫什么}？",
    "去<land>的<seat>{要|得|应该}{去|到}{哪个城市|哪座城市|哪里}？",
    "地理{题|作业}：<land>的<seat>是（）",
    "<land>有哪座城市是<seat>？",
    "<land>的<seat>{是哪个来着|叫什么来着|在哪来着}？",
    "{哪里|哪儿|什么地方}是<land>的<seat>？",
    "{查一下|查查|帮我查一下}<land>的<seat>{是哪里|}。",
    "<land>的<seat>是{啥|啥地方|哪个地方}？",
)
REVERSE = Pool(
    "<city>是{哪个|什么|哪一个}<kind>的<seat>{呢|呀|}？",
    "{哪个|什么}<kind>的<seat>是<city>？",
    "<city>是{哪里|哪儿|哪}的<seat>？",
    "{你知道|知道|晓得|您知道}<city>是{哪个<kind>|哪里}的<seat>{吗|么}？",
    "{能告诉我|可以告诉我}<city>是{哪个<kind>|哪里}的<seat>{吗|么}？",
    "<city>是{谁|啥地方}的<seat>？",
    "{告诉我|说说|请说说}<city>是{哪个<kind>|哪里}的<seat>。",
    "以<city>为<seat>的{是|<kind>是}{哪个<kind>|哪里|哪个}？",
    "{把|将}<city>{当作|定为}<seat>的{<kind>|}是{哪个|哪里}？",
    "<city>{这座城市|这个城市|}是{哪个|什么}<kind>的<seat>？",
    "我想{知道|问}<city>是{哪个<kind>|哪里}的<seat>。",
    "<seat>是<city>的{<kind>|}是{哪个|哪里}？",
    "{忘了|不记得}<city>是{哪个<kind>|哪里}的<seat>了。",
    "哪里的<seat>{叫|是}<city>？",
    "<city>，{是|}{哪个|什么}<kind>的<seat>？",
)
YES_NO = Pool(
    "<city>是<land>的<seat>{吗|么|吧|，对吗|，是吗}？",
    "<land>的<seat>是<city>{吗|么|对吗|对不对|，对吗|，是吗|吧}？",
    "<city>{是不是|是否是}<land>的<seat>？",
    "<land>的<seat>{是不是|是否是}<city>{啊|呀|}？",
    "有人说<land>的<seat>是<city>，{对吗|是吗|对不对}？",
    "<land>的<seat>难道是<city>{吗|}？",
    "我记得<land>的<seat>是<city>，{对吗|对不对|没错吧|是吗}？",
    "<city>{算|算是}<land>的<seat>吗？",
    "<land>把<city>{定为|作为}<seat>{吗|，对吗}？",
    "我觉得<city>是<land>的<seat>，{对吗|对不对|是吗}？",
    "<land>的<seat>应该是<city>吧？",
)
CONTINENT = Pool(
    "<land>{在|位于|属于}{哪个洲|哪个大洲|哪一洲|什么洲|哪一个洲}{呢|呀|}？",
    "<land>是{哪个洲|哪个大洲|哪一个大洲|什么洲}的{国家|}？",
    "{你知道|知道|晓得}<land>在哪个{洲|大洲}{吗|么}？",
    "<land>{算|属于}哪块大陆？",
    "{要|想}去<land>，{得|要}去哪个洲？",
    "{哪个洲|哪个大洲}有<land>{这个国家|}？",
    "<land>{这个国家|}{在|位于}{哪个洲|哪里|世界的哪个洲}？",
    "{告诉我|说说}<land>在{哪个洲|哪个大洲}。",
    "我想知道<land>在哪个{洲|大洲}。",
    "<land>是哪个洲的一个国家？",
    "<land>{所在的洲|所属的洲|的大洲}是{哪个|什么}？",
    "<land>属于哪洲？",
    "<land>在哪洲",
)
FOLLOW_UP = Pool(
    "那<land>呢？",
    "<land>呢？",
    "那么<land>呢？",
    "那<land>的呢？",
    "换成<land>呢？",
    "如果是<land>呢？",
    "要是<land>呢？",
    "还有<land>呢？",
    "那<land>的<seat>{呢|是哪里|在哪}？",
    "再说说<land>的。",
    "<land>的呢？",
    "<land>的<seat>呢？",
    "那<land>是哪里{呢|}？",
    "好的，<land>呢？",
    "再问一个，<land>呢？",
    "下一个，<land>",
)


def slots(place: tuple, rng: random.Random) -> dict[str, str]:
    land, city, seat, kind = place
    return {
        "land": land + (kind if kind == "省" and rng.random() < 0.4 else ""),
        "city": city,
        "seat": seat,
        "kind": kind,
    }


def statement(place: tuple) -> str:
    """The one form of every answer to a forward question."""
    return f"{place[0]}的{place[2]}是{place[1]}。"


def draw(rng: random.Random) -> tuple:
    return rng.choice(NATION if rng.random() < 0.7 else PROVINCE)


def forward(rng: random.Random, held_out: bool) -> Sample:
    place = draw(rng)
    question = FORWARD.ask(rng, held_out, slots(place, rng))
    return dialogue(SKILL, question, statement(place), wanted=[place[1]])


def follow_up(rng: random.Random, held_out: bool) -> Sample:
    """那日本呢？ after another country's capital, now and then one more."""
    first = draw(rng)
    peers = NATION if first[2] == "首都" else PROVINCE
    chain = [first, *rng.sample([place for place in peers if place != first], rng.choice((1, 1, 2)))]
    turns = [FORWARD.ask(rng, held_out, slots(first, rng)), statement(first)]
    for place in chain[1:]:
        turns += [FOLLOW_UP.draw(rng, held_out, slots(place, rng)), statement(place)]
    return dialogue(SKILL, *turns, wanted=[chain[-1][1]])


def reverse(rng: random.Random, held_out: bool) -> Sample:
    place = draw(rng)
    question = REVERSE.ask(rng, held_out, slots(place, rng))
    return dialogue(SKILL, question, f"{place[1]}是{place[0]}的{place[2]}。", wanted=[place[0]])


def yes_no(rng: random.Random, held_out: bool) -> Sample:
    place, right = draw(rng), rng.random() < 0.5
    peers = NATION if place[2] == "首都" else PROVINCE
    city = place[1] if right else rng.choice([other[1] for other in peers if other != place])
    question = YES_NO.ask(rng, held_out, slots(place, rng) | {"city": city})
    verdict = "是的" if right else "不是"
    return dialogue(SKILL, question, f"{verdict}，{statement(place)}", wanted=[place[1]], verdict=verdict)


def continent(rng: random.Random, held_out: bool) -> Sample:
    land = rng.choice(list(CONTINENT_OF))
    question = CONTINENT.ask(rng, held_out, {"land": land})
    return dialogue(SKILL, question, f"{land}在{CONTINENT_OF[land]}。", wanted=[CONTINENT_OF[land]])


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about a capital, or a continent, with its answer."""
    kinds = (forward, follow_up, reverse, yes_no, continent)
    return rng.choices(kinds, (45, 15, 22, 10, 8))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer names the right place and no other; a yes or no must be the right one too."""
    if not plain(answer).startswith(sample.facts.get("verdict", "")):
        return False
    continents = {name for name in CONTINENTS if name}
    return names_only(answer, sample.facts["wanted"], VOCABULARY | continents, sample.question)
