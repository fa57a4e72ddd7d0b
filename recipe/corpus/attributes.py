"""Clothing attributes (类型#上衣*材质#牛仔布*…) answered by the plain list that the original ChatGLM-6B gives.

The skill is copying: besides the usual values there are made-up ones, so that the model learns to copy what it has
never seen. Names and values are single words of the trade; the combinations are drawn, no existing product is described.
"""

import random
import re

from recipe.corpus.grammar import Sample, dialogue, pick, plain
from recipe.corpus.wording import reserved, words

SKILL = "attributes"
COUNTERS = {"上衣": "件", "裤": "条", "裙": "条"}
NOUNS = {"裤": "裤子", "裙": "裙子"}
MORE_COUNTERS = {
    "裤子": "条",
    "裙子": "条",
    "连衣裙": "条",
    "半身裙": "条",
    "牛仔裤": "条",
    "围巾": "条",
    "外套": "件",
    "衬衫": "件",
    "毛衣": "件",
    "大衣": "件",
    "羽绒服": "件",
    "卫衣": "件",
    "衣服": "件",
    "鞋": "双",
    "鞋子": "双",
    "靴子": "双",
    "袜子": "双",
    "手套": "双",
    "包": "个",
    "背包": "个",
    "帽子": "顶",
    "泳衣": "套",
    "西装": "套",
    "睡衣": "套",
}
STYLES = "简约 性感 休闲 复古 清新 潮 青春 街头 文艺 知性 运动 淑女 高贵 英伦 通勤 工装 职场 欧美 宫廷 ol 嘻哈 中国风 韩版 民族风 日系 朋克 居家 摇滚 森系 学院 法式 极简 甜美 度假 优雅 田园 中性 机车 轻奢 波西米亚 港风 国潮 新中式 洛丽塔 户外 商务"
PATTERNS = "线条 印花 复古 撞色 条纹 刺绣 蕾丝 纯色 蝴蝶结 文字 字母 格子 碎花 波点 创意 卡通 植物 拼色 几何 迷彩 渐变 花色 抽象 色块 小熊 手绘 风景 动物 豹纹 菱形 人物 音乐 心形 千鸟格 圆点 搞怪 骷髅 建筑 大花 斑马纹 星星 扎染 羽毛 山水 数字 祥云 樱桃 雏菊 猫咪 火焰 水墨 人字纹 佩斯利 棋盘格 枫叶 海浪 玫瑰 仙鹤"
COLOURS = "黑色 白色 蓝色 粉色 黑白 红色 灰色 绿色 黄色 浅蓝色 深蓝色 深色 浅色 紫色 军绿色 卡其色 金色 杏色 粉红色 藏蓝色 墨绿色 米白色 姜黄色 银色 酒红色 淡蓝色 浅灰色 裸色 宝蓝色 焦糖色 驼色 薄荷绿色 亮黄色 浅绿色 肉色 灰绿色 香芋紫色 天蓝色 咖啡色 橙色 玫红色 奶茶色 雾霾蓝 砖红色 鹅黄色 豆沙色 橄榄绿 象牙白 湖蓝色 棕色 藕粉色 青色 米色 砂金色"
MATERIALS = "牛仔布 蕾丝 棉 网纱 针织 雪纺 水洗 蚕丝 混纺 纤维 丝绒 羊毛 棉麻 亚麻 涤纶 斜纹 天丝 西装面料 羊绒 绸缎 灯芯绒 皮革 莫代尔 氨纶 锦纶 帆布 欧根纱 粗花呢 马海毛 法兰绒 摇粒绒 竹纤维 醋酸 府绸 乔其纱 真丝 腈纶 麂皮绒 提花布 冰丝"
CUTS = "显瘦 宽松 立体剪裁 h 修身 直筒 a型 合身 廓形 茧型"
DETAILS = "拼接 连帽 口袋 纽扣 拉链 抽绳 荷叶边 收腰 勾花镂空 抽褶 不规则 罗纹 绑带 腰带 螺纹 对称 木耳边 飘带 吊带 不对称 露肩 亮片 破洞 钉珠 波浪 松紧带 衬衫式 盘扣 露背 链条 亮丝 燕尾 镶钻 流苏 立体装饰 开叉 褶皱 压线 肩章 铆钉 贴布 珍珠 毛边 双层 包边"
COLLARS = "翻领 圆领 v领 立领 小立领 高领 西装领 一字领 polo领 方领 半高领 尖领 娃娃领 海军领 荷叶领 围巾领 半开领 双层领 斜领 堆堆领 u领 青果领 连帽领 系带领 桃心领"
SLEEVES = "落肩袖 喇叭袖 灯笼袖 收口 罗纹袖口 插肩袖 泡泡袖 蝙蝠袖 荷叶袖 衬衫袖 花瓣袖 公主袖 堆堆袖 连袖 飞飞袖 羊腿袖 开叉袖"
SLEEVE_LENGTHS = "长袖 短袖 七分袖 无袖 五分袖 九分袖"
LENGTHS = "短款 中长款 常规 超短款 长款 及膝"
WAISTS = "高腰 松紧腰 自然腰 中腰 宽松腰 低腰"
FASTENINGS = "系带 拉链 套头 单排扣 双排扣 一粒扣 暗扣 单排多扣 无扣 牛角扣 三粒扣 排扣 盘扣 按扣"
SHARED = {"版型": CUTS, "材质": MATERIALS, "颜色": COLOURS, "风格": STYLES, "图案": PATTERNS}
VALUES = {
    "上衣": SHARED
    | {
        "衣样式": "衬衫 外套 卫衣 风衣 针织衫 西装 开衫 毛衣 雪纺衫 衫 马甲 棒球服 polo 打底衫 套头衫 毛衫 冲锋衣 t恤 夹克 羽绒服 大衣 背心 斗篷 皮衣 棉服",
        "衣领型": COLLARS,
        "衣长": LENGTHS,
        "衣袖长": SLEEVE_LENGTHS,
        "衣袖型": SLEEVES,
        "衣门襟": FASTENINGS,
        "衣款式": DETAILS,
    },
    "裤": SHARED
    | {
        "裤长": "九分裤 短裤 长裤 连体裤 七分裤 五分裤 八分裤",
        "裤型": "阔腿裤 直筒裤 哈伦裤 背带裤 铅笔裤 灯笼裤 垮裤 连衣裤 喇叭裤 工装裤 小脚裤 烟管裤 老爹裤",
        "裤款式": DETAILS,
        "裤腰型": WAISTS,
        "裤口": "小脚 毛边 开叉 微喇裤 翻折 卷边 束脚 直筒 松紧",
    },
    "裙": SHARED
    | {
        "裙型": "a字 牛仔裙 百褶 大裙摆 直筒裙 背带裙 鱼尾裙 包臀裙 网纱裙 蓬蓬裙 蛋糕 小黑裙 衬衫裙 抹胸裙 伞裙 公主裙 一步裙 花苞裙 拼接裙 铅笔裙 仙女裙 西装裙 灯笼裙 茶歇裙 旗袍裙",
        "裙下摆": "荷叶边 开叉 花边 垂坠 层叠 压褶 毛边 弧形 不规则 流苏",
        "裙长": "连衣裙 半身裙 长裙 短裙 中长裙 中裙 超短裙 不过膝",
        "裙腰型": WAISTS,
        "裙领型": COLLARS,
        "裙袖长": SLEEVE_LENGTHS,
        "裙袖型": SLEEVES,
        "裙衣门襟": FASTENINGS,
        "裙衣长": LENGTHS,
        "裙款式": DETAILS,
    },
}
OTHER_NAMES = {
    "品牌": "云裳 木棉 青禾 海棠 南风 白鹭",
    "季节": "春季 夏季 秋季 冬季 四季",
    "厚度": "加厚 薄款 适中 超薄",
    "适合场合": "上班 旅行 约会 运动 聚会",
    "里料": MATERIALS,
    "工艺": "水洗 手工 刺绣 压花 烫金 植绒",
    "鞋跟": "平跟 低跟 中跟 高跟 坡跟",
    "鞋头": "圆头 尖头 方头",
    "尺码": "均码 大码 小码",
    "弹性": "微弹 无弹 高弹",
}
REPEATABLE = {"图案", "风格", "衣款式", "裙款式", "裤款式", "材质", "颜色"}
HEADS = "青 烟 云 霜 琥 墨 藤 砚 麦 月 鹿 枫 雾 海 竹 玉 绯 黛 芦 松 雪 星 石 桂 兰 鹤 鲸 蜜 茶 陶 砂 晴 晨 暮 岚 溪 银 铜 锦 柚 栀 苔 萤 橘 桑 荻 潮 漠 珊 翎"
TAILS = "灰 影 珀 语 叶 石 岩 蓝 波 露 角 林 纱 霞 烟 瑚 羽 芽 谷 峰 尾 光 环 丝 雀 绒 花 浪 枝 雨 禾 纹 线 层 骨 心 瓦 篱 港 桥"
ENDINGS = {
    "颜色": "色",
    "图案": "纹",
    "材质": "布",
    "领": "领",
    "袖": "袖",
    "裙型": "裙",
    "裤型": "裤",
    "风格": "风",
    "款式": "边",
}
PREFIXES = (
    "请列出这件商品的属性：",
    "把下面的属性说一遍：",
    "根据属性介绍商品：",
    "这是什么样的衣服？",
    "商品信息：",
    "描述一下：",
    "属性：",
)
HELD_PREFIXES = ("请把这些属性写成一句话：", "看看这个商品有哪些特点：")
MOST = 96  # characters of an answer


def made_up(name: str, rng: random.Random) -> str:
    """A value nobody has seen, that sounds like one of ``name``."""
    ending = next((tail for key, tail in ENDINGS.items() if key in name), "")
    return rng.choice(words(HEADS)) + rng.choice(words(TAILS)) + ending


def choose_value(name: str, usual: str, rng: random.Random, held_out: bool) -> str:
    """A usual value or, one time in five, a made-up one, of which a tenth is kept for evaluation."""
    if rng.random() < 0.8:
        return rng.choice(words(usual))
    value = made_up(name, rng)
    while reserved(value) != (held_out and rng.random() < 0.5):
        value = made_up(name, rng)
    return value


def choose_attributes(rng: random.Random, held_out: bool) -> tuple[str, str, list[tuple[str, str]]]:
    """(type, its counter, pairs of name and value): the type's names in their usual order, some names repeated."""
    if rng.random() < 0.9:
        kind = rng.choice(list(COUNTERS))
        counter, values = COUNTERS[kind], VALUES[kind]
    else:
        kind = rng.choice(list(MORE_COUNTERS))
        counter, values = MORE_COUNTERS[kind], SHARED
    if rng.random() < 0.12 or kind in MORE_COUNTERS:
        values = values | dict(rng.sample(list(OTHER_NAMES.items()), 2))
    count = min(len(values), rng.choices(range(1, 12), (3, 6, 10, 13, 14, 14, 12, 9, 6, 4, 2))[0])
    names = set(rng.sample(list(values), count))
    order = [name for name in values if name in names]
    if rng.random() < 0.25:
        rng.shuffle(order)
    pairs = []
    for name in order:
        repeats = rng.choices((1, 2, 3), (70, 24, 6))[0] if name in REPEATABLE else 1
        chosen = dict.fromkeys(choose_value(name, values[name], rng, held_out) for _ in range(repeats))
        pairs += [(name, value) for value in chosen]
    return kind, counter, pairs


def join(values: list[str]) -> str:
    """条纹; 条纹和撞色; 条纹、撞色和印花."""
    return "和".join(("、".join(values[:-1]), values[-1])) if len(values) > 1 else values[0]


def describe(kind: str, counter: str, pairs: list[tuple[str, str]]) -> str:
    """The plain list: 这件上衣的材质是棉，图案是条纹和撞色。"""
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return (
        f"这{counter}{NOUNS.get(kind, kind)}的"
        + "，".join(f"{name}是{join(values)}" for name, values in grouped.items())
        + "。"
    )


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A string of attributes and their plain list; a tenth of all combinations is kept for evaluation."""
    while True:
        kind, counter, pairs = choose_attributes(rng, held_out)
        answer = describe(kind, counter, pairs)
        content = "*".join(f"{name}#{value}" for name, value in [("类型", kind), *pairs])
        if len(answer) <= MOST and reserved(content) == held_out:
            break
    if rng.random() < 0.12:
        content = pick((PREFIXES, HELD_PREFIXES)[held_out], rng) + content
    return dialogue(SKILL, content, answer)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer is the plain list, up to punctuation."""
    return re.sub(r"\W", "", plain(answer)) == re.sub(r"\W", "", plain(sample.answer))
