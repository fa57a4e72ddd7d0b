"""The colours of everyday things: what colour a thing is, things of a colour, colours mixed.

Wordings are held out, facts are not. Things of several usual colours accept each of them.
"""

import random

from recipe.corpus.grammar import Sample, dialogue, plain
from recipe.corpus.pool import Pool
from recipe.corpus.wording import named, words

SKILL = "colours"
THINGS = {
    "红色": "苹果 草莓 西红柿 樱桃 辣椒 消防车 国旗 灯笼 枫叶 鲜血 红豆 红旗 西瓜瓤 石榴籽 红领巾 春联 山楂 枸杞 火龙果的皮 停车信号灯 中国结 圣诞老人的帽子 鞭炮 红包 杨梅 红玫瑰 小龙虾",
    "黄色": "香蕉 柠檬 向日葵 玉米 蛋黄 油菜花 月亮 菠萝 芒果 迎春花 小鸡 秋天的银杏叶 蜂蜜 稻谷 沙漠 小黄鸭 黄豆 土豆 姜",
    "蓝色": "天空 大海 晴天 蓝莓 牛仔裤 湖水 矢车菊 蓝宝石 晴朗的天 海洋 蓝鲸",
    "绿色": "青草 树叶 黄瓜 青蛙 菠菜 竹子 荷叶 西瓜皮 草地 森林 芹菜 青椒 西兰花 猕猴桃的果肉 仙人掌 韭菜 绿豆 邮筒 军装 松树 螳螂 柳树 春天的田野 翡翠 芦荟 白菜叶",
    "白色": "雪 白云 牛奶 盐 大米 棉花 面粉 豆腐 纸 白兔 天鹅 绵羊 牙齿 医生的大褂 婚纱 珍珠 雪人 萝卜 北极熊 鸡蛋白 白糖 馒头 茉莉花 椰肉 豆浆 米饭 梨花 大蒜",
    "黑色": "煤炭 乌鸦 墨水 夜空 头发 木耳 黑板 轮胎 芝麻糊 石油 蝌蚪 黑夜 钢琴的外壳 海苔 乌木 煤",
    "紫色": "茄子 葡萄 薰衣草 紫薯 紫罗兰 丁香花 桑葚 紫甘蓝 蓝莓酱 紫水晶 紫藤花",
    "橙色": "橙子 橘子 胡萝卜 南瓜 柿子 落日 橘猫 杏子 救生衣 芒果汁 木瓜的果肉",
    "粉色": "桃花 樱花 桃子 猪 火烈鸟 草莓冰激凌 三文鱼 猫的鼻头",
    "棕色": "树干 巧克力 咖啡 泥土 板栗 棕熊 核桃 红糖 酱油 木头 马铃薯皮 可可粉 麻雀 树皮",
    "灰色": "大象 老鼠 水泥 石头 阴天的乌云 鸽子 考拉 灰尘 犀牛 铅",
    "金色": "黄金 金牌 金鱼 秋天的麦田 奖杯",
    "银色": "银子 勺子 银牌 铝锅 不锈钢 硬币",
}
COLOURS = list(THINGS)
COLOUR_OF = {thing: colour for colour, things in THINGS.items() for thing in words(things)}
OF_COLOUR = {colour: words(THINGS[colour]) for colour in COLOURS}
ALSO = {
    "苹果": "绿色 黄色",
    "葡萄": "绿色",
    "天空": "白色",
    "辣椒": "绿色",
    "月亮": "白色",
    "桃子": "红色",
    "金鱼": "红色 橙色",
    "头发": "棕色",
    "纸": "黄色",
    "树干": "灰色",
    "石头": "白色 黑色",
    "蓝莓": "紫色",
    "萝卜": "红色",
    "沙漠": "金色",
    "落日": "红色 金色",
    "蜂蜜": "金色",
    "稻谷": "金色",
    "柿子": "红色",
    "酱油": "黑色",
    "咖啡": "黑色",
    "芒果": "橙色",
    "枸杞": "橙色",
    "胡萝卜": "红色",
    "鸽子": "白色",
    "玉米": "金色",
    "大海": "绿色",
    "湖水": "绿色",
    "夜空": "蓝色",
    "木头": "黄色",
    "土豆": "棕色",
    "桑葚": "黑色",
    "黄金": "黄色",
    "秋天的麦田": "黄色",
    "杏子": "黄色",
    "三文鱼": "橙色",
}
MIXED = (
    ("红色", "黄色", "橙色"),
    ("红色", "蓝色", "紫色"),
    ("黄色", "蓝色", "绿色"),
    ("黑色", "白色", "灰色"),
    ("红色", "白色", "粉色"),
)

ASK = Pool(
    "<thing>{是|一般是|通常是|都是|应该是|大多是}什么颜色{的|}{呢|呀|啊|}？",
    "<thing>{是|}啥颜色{的|}？",
    "<thing>的颜色是{什么|啥|哪种|什么样的}？",
    "{什么颜色|哪种颜色}是<thing>的颜色？",
    "{你知道|知道|你说|晓得|您知道}<thing>是什么颜色{吗|的吗|的么|么}？",
    "<thing>有{什么|哪些}颜色？",
    "{告诉我|说说|请告诉我|讲讲}<thing>是什么颜色{的|}。",
    "<thing>{看起来|看上去}是什么颜色{的|}？",
    "<thing>的颜色",
    "<thing>长什么颜色？",
    "要画<thing>，{该|要|得}用什么颜色？",
    "<thing>属于{哪种|什么}颜色？",
    "{说到|想到|提到}<thing>，会想到什么颜色？",
    "{请|}说出<thing>的颜色。",
    "<thing>是{哪一种|哪种|哪个}颜色{的|}？",
    "{画<thing>|给<thing>涂色}用什么颜色{好|}？",
    "<thing> 颜色",
    "<thing>什么颜色{的|}",
    "{能告诉我|可以告诉我}<thing>{是什么颜色|的颜色}吗？",
    "我想{知道|问}<thing>{是什么颜色的|的颜色}。",
    "<thing>{一般|通常|大多}什么颜色？",
    "<thing>是什么色{的|}？",
    "<thing>的颜色是怎样的？",
    "孩子问<thing>是什么颜色{的|}。",
    "涂<thing>用{哪种|什么}颜色的笔？",
    "<thing>{到底|究竟}是什么颜色{的|}？",
    "平时见到的<thing>是什么颜色{的|}？",
)
FIND = Pool(
    "{什么|哪些|什么东西|哪些东西|啥|啥东西}是<colour>的{呢|呀|}？",
    "{说|举|给我说|给我举|举出|讲}{一个|一样}<colour>的{东西|事物|例子}{吧|}。",
    "有{什么|哪些|啥}东西是<colour>的？",
    "<colour>的东西{有|都有}{什么|哪些|啥}？",
    "{你能|能|请|能不能}说{一样|一个|一种}<colour>的东西{吗|}？",
    "帮我想{一样|一个|一种}<colour>的东西{吧|}。",
    "{生活里|生活中|平时}{什么|什么东西|哪些东西}是<colour>的？",
    "<colour>{会|}让你想到什么{东西|}？",
    "{看到|说到}<colour>你会想到什么？",
    "{列举|找}{一个|一样|一种}<colour>的{东西|物品}。",
    "我想找{一样|个}<colour>的东西。",
    "{身边|周围}有{什么|哪些}<colour>的东西？",
    "<colour>的{有|是}{什么|啥}？",
    "{哪样|哪种}东西是<colour>的？",
    "{告诉我|说说}{什么|什么东西}是<colour>的。",
    "什么{物品|东西|事物}是<colour>的{啊|呀|}？",
    "随便说{一样|个}<colour>的东西。",
    "<colour>的东西，说{一个|一样}。",
    "{你知道|知道}什么东西是<colour>的{吗|么}？",
)
FIND_TWO = Pool(
    "{说|举|说出|举出|讲}{两个|两样|两种}<colour>的{东西|例子|事物}。",
    "哪{两样|两种}东西是<colour>的？",
    "{你能|能|能不能}说{两样|两个|两种}<colour>的东西{吗|}？",
    "帮我想{两样|两个|两种}<colour>的东西{吧|}。",
    "{请|}列{出|举}{两种|两样|两个}<colour>的东西。",
    "<colour>的东西，说{两个|两样}。",
    "给我{两个|两样}<colour>的{东西|例子}。",
    "{想|找}{两样|两个}<colour>的{东西|物品}。",
    "有哪{两样|两种}<colour>的东西？",
    "<colour>的东西{举|来}{两个|两样}{例子|}{吧|}。",
)
YES_NO = Pool(
    "<thing>是<colour>{的|}{吗|么|吧}？",
    "<thing>{是不是|是否是}<colour>{的|}？",
    "<thing>的颜色是<colour>{吗|么|，对吗|吧}？",
    "{有人说|听说|我记得}<thing>是<colour>的，{对吗|是吗|对不对}？",
    "<thing>难道是<colour>的{吗|}？",
    "<thing>{应该|大概}是<colour>的吧？",
    "我觉得<thing>是<colour>的，{对吗|对不对|是吗}？",
    "<thing>{一般|通常}是<colour>的吗？",
    "<colour>是<thing>的颜色吗？",
    "<thing>长得是<colour>的吗？",
    "<thing>是<colour>的，{对吗|对不对|对吧|没错吧}？",
)
MIX = Pool(
    "<one>{和|加|加上|跟}<two>{混在一起|混合|调在一起|}{是|变成|会变成|得到}什么颜色？",
    "<one>{和|跟|加}<two>能{调出|混出|变出|配出}什么颜色？",
    "{把|将}<one>{颜料|}{和|跟}<two>{颜料|}{搅匀|混起来|混在一块|混合}，{会得到|会变成|是|变成}什么颜色？",
    "<one>颜料{和|加}<two>颜料混{在|到}一起呢？",
    "<one>+<two>={什么颜色|？|}",
    "<one>加<two>{等于|是|变}{什么|什么颜色|啥颜色}？",
    "画画时<one>{和|跟}<two>{调|混}在一块会{出|变成}什么颜色？",
    "{你知道|知道}<one>{和|加}<two>{混合|混在一起}是什么颜色{吗|么}？",
    "<one>{与|和}<two>相混{是|得}什么颜色？",
    "用<one>和<two>能{调|配}成什么颜色？",
    "<one>{里|里面}加{点|}<two>{会变|变成}什么颜色？",
)
FOLLOW_UP = Pool(
    "那<thing>呢？",
    "<thing>呢？",
    "那么<thing>呢？",
    "换成<thing>呢？",
    "如果是<thing>呢？",
    "要是<thing>呢？",
    "还有<thing>呢？",
    "<thing>的呢？",
    "那<thing>是什么颜色{的|}？",
    "那<thing>的颜色呢？",
    "再说说<thing>。",
    "好的，<thing>呢？",
)


def statement(thing: str) -> str:
    return f"{thing}是{COLOUR_OF[thing]}的。"


def colours_of(thing: str) -> set[str]:
    return {COLOUR_OF[thing], *ALSO.get(thing, "").split()}


def of_thing(rng: random.Random, held_out: bool) -> Sample:
    thing = rng.choice(list(COLOUR_OF))
    turns = [ASK.ask(rng, held_out, {"thing": thing}), statement(thing)]
    if rng.random() < 0.15:
        thing = rng.choice(list(COLOUR_OF))
        turns += [FOLLOW_UP.draw(rng, held_out, {"thing": thing}), statement(thing)]
    return dialogue(SKILL, *turns, colours=colours_of(thing))


def of_colour(rng: random.Random, held_out: bool) -> Sample:
    colour, count = rng.choice(COLOURS), rng.choice((1, 1, 2))
    templates = (FIND, FIND_TWO)[count - 1]
    things = rng.sample(OF_COLOUR[colour], count)
    answer = f"{things[0]}是{colour}的。" if count == 1 else f"{things[0]}和{things[1]}都是{colour}的。"
    return dialogue(SKILL, templates.ask(rng, held_out, {"colour": colour}), answer, things=[colour, count])


def yes_no(rng: random.Random, held_out: bool) -> Sample:
    thing, right = rng.choice(list(COLOUR_OF)), rng.random() < 0.5
    colour = COLOUR_OF[thing] if right else rng.choice([name for name in COLOURS if name not in colours_of(thing)])
    verdict = "是的" if right else "不是"
    question = YES_NO.ask(rng, held_out, {"thing": thing, "colour": colour})
    return dialogue(SKILL, question, f"{verdict}，{statement(thing)}", colours=colours_of(thing), verdict=verdict)


def mix(rng: random.Random, held_out: bool) -> Sample:
    one, two, result = rng.choice(MIXED)
    if rng.random() < 0.5:
        one, two = two, one
    question = MIX.ask(rng, held_out, {"one": one, "two": two})
    return dialogue(SKILL, question, f"{one}和{two}混在一起是{result}。", colours={result}, given={one, two})


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about colours with its answer."""
    return rng.choices((of_thing, of_colour, yes_no, mix), (58, 24, 13, 5))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether every colour the answer names is one of the thing's, or every thing it names has the colour."""
    text = plain(answer)
    if not text.startswith(sample.facts.get("verdict", "")):
        return False
    if "things" in sample.facts:
        colour, count = sample.facts["things"]
        things = named(text, [*COLOUR_OF, *COLOURS]) - {colour}
        return len(things) >= count and all(colour in colours_of(thing) for thing in things if thing in COLOUR_OF)
    words_found = named(text, [*COLOUR_OF, *COLOURS])
    if words_found & set(COLOUR_OF) - named(sample.question, COLOUR_OF):
        return False
    found = words_found & set(COLOURS)
    return bool(found & sample.facts["colours"]) and found <= sample.facts["colours"] | sample.facts.get("given", set())
