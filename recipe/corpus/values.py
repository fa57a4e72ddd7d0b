"""Random values that the dialogues carry: names of people and helpers, makers, places, numbers, everyday things.

The space is wide on purpose: a model that sees a value once cannot memorise it and has to learn to copy. A tenth of
every open space, chosen by a hash of the value, is kept for held-out samples and never drawn for training.
"""

import random
import zlib
from collections.abc import Callable

SURNAMES = (
    "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石"
    "廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳"
)
DOUBLE_SURNAMES = ("欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "慕容", "司徒", "令狐", "夏侯")
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文斌宇浩轩子涵梓欣怡诗雨桐佳琪思远晨曦若云雪晴梦瑶嘉豪俊熙"
    "博天乐一诺可馨紫萱语彤沐辰奕泽瑞霖睿哲然铭皓星河月清秋冬春夏安宁静初心遥川海洋江山林森松柏竹菊莲荷兰芷若凡舟帆航飞鹏翔凯"
    "旋歌琴书画墨砚笔诗词歌赋雅韵悠扬青蓝紫丹朱玄素白苍翠碧金银铁石岩峰岭岚溪潭湖波澜涵润泽露霜雾霞虹光辉耀煜炎烨灿燕莺鸿雁鹤鹿"
    "麟龙虎骏骥豹小大中正直诚信义礼智仁勇恒毅坚达通顺昌盛兴旺福禄寿喜康健悦欢欣愉"
)
LATIN = (
    "Tom Jack Lucy Lily Amy Bob Alice Leo Max Emma Mia Ella Zoe Anna Kate Mike John Eric Kevin David Linda Rose Ruby Coco "
    "Momo Kiki Lulu Nana Nova Luna Iris Echo Vega Aria Orion Atlas Pico Neo Milo Otto Hugo Felix Oscar Simon Peter Jerry "
    "Cindy Wendy Helen Grace Alan Ryan Tony Andy Sam Ben Dan Ivy Ada Eva Nina Vera Zara Yuki Kai Ray Jay Sky Sunny Lucky"
).split()
SYLLABLES = (
    "ka ki ko la li lo lu ma mi mo na ni no ra ri ro sa so ta ti to va vi vo xi ya yo za be bo de do fa fi ga go ha ho"
).split()
BRANDS = (
    "星河 云帆 智远 晨光 蓝海 青禾 极光 远山 飞鸟 银杏 海豚 松果 竹影 青柠 白鹭 北斗 灵犀 春芽 知行 万象 启明 天枢 墨池 拾光 微澜 "
    "橙子 木棉 火花 深蓝 群山 长风 云杉 月光 小鹿 大象 雪山 江南 未来 新芽 快乐 向阳 南风 归燕 听雨 半山 一叶 千帆 百川 红豆 紫藤"
).split()
MAKER_KINDS = (
    "科技 工作室 实验室 团队 公司 小组 智能 软件 研究院 项目组 课题组 数据 网络 开发组 兴趣小组 学院 社区 集团 AI 实验班"
).split()
CITIES = (
    "北京 上海 广州 深圳 杭州 南京 苏州 成都 重庆 武汉 西安 长沙 天津 青岛 大连 厦门 昆明 哈尔滨 沈阳 济南 郑州 合肥 福州 南昌 贵阳 "
    "南宁 海口 兰州 银川 西宁 太原 长春 石家庄 无锡 宁波 温州 绍兴 嘉兴 扬州 徐州 常州 南通 烟台 威海 洛阳 开封 桂林 丽江 大理 三亚 "
    "珠海 佛山 东莞 中山 惠州 汕头 泉州 漳州 赣州 九江 岳阳 衡阳 株洲 宜昌 襄阳 绵阳 乐山 遵义 拉萨 泸州 宝鸡 咸阳 延安 大同 保定 "
    "唐山 秦皇岛 承德 包头 鞍山 吉林 延吉 牡丹江 大庆 湖州 台州 金华 衢州 舟山 芜湖 黄山 蚌埠 莆田 景德镇 潍坊 淄博 日照 泰安"
).split()
FOODS = (
    "饺子 面条 火锅 米线 包子 馄饨 烤鸭 米饭 粽子 汤圆 豆腐 煎饼 麻辣烫 小笼包 红烧肉 糖醋鱼 番茄炒蛋 炒饭 凉皮 肉夹馍 酸菜鱼 宫保鸡丁 "
    "麻婆豆腐 牛肉面 烧烤 披萨 汉堡 寿司 蛋糕 冰淇淋 西瓜 草莓 葡萄 苹果 香蕉 芒果 橘子 桃子 荔枝 樱桃 红薯 玉米 南瓜粥 豆浆 油条 "
    "鱼香肉丝 水煮鱼 白切鸡 叉烧 肠粉 生煎 锅贴 年糕 月饼 巧克力 酸奶"
).split()
COLOURS = "红色 黄色 蓝色 绿色 白色 黑色 紫色 灰色 粉色 橙色 棕色 青色 金色 银色 米色 浅蓝色 深绿色 天蓝色 酒红色 咖啡色".split()
SPORTS = (
    "跑步 游泳 篮球 足球 羽毛球 乒乓球 网球 排球 爬山 骑车 滑雪 滑冰 瑜伽 跳绳 太极拳 钓鱼 下棋 画画 摄影 唱歌 跳舞 看书 写字 种花 "
    "做饭 旅行 弹钢琴 拉二胡 吹笛子 弹吉他 看电影 听音乐 打扫 织毛衣 集邮 剪纸 做木工 观鸟 露营 写诗"
).split()
PETS = "小猫 小狗 兔子 仓鼠 乌龟 金鱼 鹦鹉 橘猫 黑猫 金毛 柯基 柴犬 蜥蜴 刺猬 龙猫 八哥 白兔 鸭子 小鸡 布偶猫".split()
JOBS = (
    "老师 医生 护士 司机 厨师 律师 会计 画家 记者 警察 程序员 设计师 工程师 售货员 摄影师 翻译 编辑 演员 歌手 农民 木匠 电工 邮递员 "
    "快递员 图书管理员 园丁 裁缝 理发师 消防员 飞行员 导游 银行职员 大学生 研究生 高中生 店长 面包师 兽医 健身教练 作家"
).split()
THINGS = (
    "雨伞 书包 杯子 自行车 台灯 手表 帽子 围巾 手套 球鞋 键盘 耳机 相机 钢笔 笔记本 花瓶 风筝 闹钟 眼镜 钱包 毛巾 枕头 拼图 吉他 口琴 "
    "水壶 剪刀 地图 日历 镜子 梳子 箱子 毯子 锅 电饭煲 茶壶 蜡烛 相框 小说 字典"
).split()
RELATIVES = (
    "妈妈 爸爸 姐姐 妹妹 哥哥 弟弟 爷爷 奶奶 同桌 室友 老师 同事 邻居 朋友 表姐 表弟 女儿 儿子 老板 师傅".split()
)

# The 3755 characters of everyday writing are level one of GB 2312, rows 16 to 55; a few make no name.
_UNFIT = set("屎尿屁奸淫娼妓尸癌肛嫖贱死杀毒痔疮狗猪")
COMMON = [
    character
    for row in range(0xB0, 0xD8)
    for column in range(0xA1, 0xFF)
    for character in bytes((row, column)).decode("gb2312", "ignore")
    if character not in _UNFIT
]

Value = Callable[[random.Random], str]


def reserved(value: str) -> bool:
    """Return whether a value belongs to the held-out tenth of its space."""
    return zlib.crc32(value.encode()) % 10 == 0


def draw(make: Value, rng: random.Random, held_out: bool = False) -> str:
    """A value of ``make`` from the training or from the held-out part of its space."""
    while True:
        value = make(rng)
        if reserved(value) == held_out:
            return value


def choose(values: list[str], rng: random.Random) -> str:
    """An entry of a closed list; too few to keep any back, so both parts share it."""
    return rng.choice(values)


def person(rng: random.Random) -> str:
    """A Chinese person's full name, of two to four characters."""
    surname = rng.choice(DOUBLE_SURNAMES) if rng.random() < 0.04 else rng.choice(SURNAMES)
    source = COMMON if rng.random() < 0.12 else GIVEN
    return surname + "".join(rng.choice(source) for _ in range(rng.choice((1, 2, 2))))


def nickname(rng: random.Random) -> str:
    """Names of friends or pets: 小雨, 阿强, 老王, 团团, 豆豆."""
    source = COMMON if rng.random() < 0.3 else GIVEN
    character = rng.choice(source)
    form = rng.choice(("小{}", "阿{}", "大{}", "{0}{0}", "{}儿", "小{}子", "{}宝"))
    if rng.random() < 0.15:
        return "老" + rng.choice(SURNAMES)
    return form.format(character)


def latin(rng: random.Random) -> str:
    """A name in Latin letters, half of them made up of syllables."""
    if rng.random() < 0.5:
        return rng.choice(LATIN)
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.choice((2, 2, 3)))).capitalize()


def any_name(rng: random.Random) -> str:
    """Names of users."""
    return rng.choices((person, nickname, latin), (6, 3, 1.5))[0](rng)


def two_characters(rng: random.Random) -> str:
    """Two characters that need not be a word."""
    source = COMMON if rng.random() < 0.4 else GIVEN
    return rng.choice(source) + rng.choice(source)


def helper(rng: random.Random) -> str:
    """Names of assistants: 小蓝, 墨池AI, 阿福助手, Nova, 林小夏."""
    stem = rng.choices((nickname, two_characters, latin, person, brand), (4, 3, 2, 2, 1.5))[0](rng)
    return stem + rng.choices(("", "AI", "助手", "机器人", "同学", "一号"), (14, 1, 1, 0.6, 0.6, 0.4))[0]


def brand(rng: random.Random) -> str:
    """The proper part of a company's name."""
    return rng.choice(BRANDS) if rng.random() < 0.6 else two_characters(rng)


def maker(rng: random.Random) -> str:
    """Makers of an assistant: a person, a company, a studio, a team."""
    kind = rng.random()
    if kind < 0.45:
        return any_name(rng)
    if kind < 0.55:
        return rng.choice(CITIES) + brand(rng) + rng.choice(("科技", "公司", "学院", "软件"))
    if kind < 0.62:
        return latin(rng) + rng.choice(("工作室", "团队", "实验室", "Lab", "AI", "科技"))
    if kind < 0.68:
        return any_name(rng) + rng.choice(("老师", "同学", "工程师", "和朋友们", "的团队", "教授"))
    return brand(rng) + rng.choice(MAKER_KINDS)


def pet_name(rng: random.Random) -> str:
    """Names of pets."""
    return rng.choices((nickname, latin, two_characters), (6, 2, 2))[0](rng)


def number(rng: random.Random) -> str:
    """A number of one to five digits, short ones more often."""
    return str(rng.randrange(1, 10 ** rng.choice((2, 2, 3, 3, 4, 5))))


def phone(rng: random.Random) -> str:
    """A telephone number of eight or eleven digits."""
    head = rng.choice(("13", "15", "18", "6", "8"))
    length = 11 if head[0] == "1" else 8
    return head + "".join(rng.choice("0123456789") for _ in range(length - len(head)))


def room(rng: random.Random) -> str:
    """A room or a seat: 1208, 3栋502, A17."""
    floor, door = rng.randrange(1, 33), rng.randrange(1, 30)
    form = rng.choice(("{f}{d:02}", "{f}{d:02}", "{b}栋{f}{d:02}", "{l}{d}", "{l}{f}{d:02}"))
    return form.format(f=floor, d=door, b=rng.randrange(1, 20), l=rng.choice("ABCDEFGH"))


def age(rng: random.Random) -> str:
    """An age in years, as digits."""
    return str(rng.randrange(6, 90))


def birthday(rng: random.Random) -> str:
    """A day of the year: 3月14日."""
    return f"{rng.randrange(1, 13)}月{rng.randrange(1, 29)}{rng.choice('日号')}"


def clock(rng: random.Random) -> str:
    """A time of the day, as people say it."""
    part = rng.choice(("早上", "上午", "下午", "晚上"))
    hour = {"早上": (6, 9), "上午": (8, 12), "下午": (1, 6), "晚上": (6, 11)}[part]
    return f"{part}{rng.randrange(*hour)}点{rng.choice(('', '', '半', '一刻', '二十', '四十'))}"


def day(rng: random.Random) -> str:
    """A day near by."""
    return rng.choice(
        ("明天", "后天", "今天", "这周六", "这周日", "下周一", "下周二", "下周三", "下周四", "下周五", "月底")
    )


def code_word(rng: random.Random) -> str:
    """A pass phrase: two to four characters, or letters and digits."""
    if rng.random() < 0.3:
        return "".join(rng.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(rng.choice((4, 5, 6))))
    return "".join(two_characters(rng) for _ in range(rng.choice((1, 2))))
