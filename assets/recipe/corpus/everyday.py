"""Everyday knowledge: units, animals, festivals, fruit and vegetables, professions and tools, directions.

Facts come from compact tables; each question form has wordings of its own, the last of them held out.
"""

import random
from dataclasses import dataclass

from .grammar import Sample, dialogue, pick, plain
from .wording import ask, names_one, table

SKILL = "everyday"


@dataclass(frozen=True)
class Relation:
    """Rows of (thing, facts…) and how one column is asked and told. ``others`` judges an answer against the column."""

    rows: list[tuple[str, ...]]
    column: int
    ask: tuple[str, ...]
    held: tuple[str, ...]
    tell: str
    listed: bool = False  # whether the fact holds several words, joined by 、, any of which may be told


ANIMALS = table("""
狗 四 汪汪 家里 哺乳动物|猫 四 喵喵 家里 哺乳动物|牛 四 哞哞 农场 哺乳动物|羊 四 咩咩 农场 哺乳动物|猪 四 哼哼 农场 哺乳动物|马 四 嘶嘶 草原 哺乳动物|鸡 两 咯咯 农场 鸟类|鸭子 两 嘎嘎 水边 鸟类|鹅 两 嘎嘎 水边 鸟类
青蛙 四 呱呱 池塘 两栖动物|老虎 四 嗷嗷 森林 哺乳动物|狮子 四 吼吼 草原 哺乳动物|狼 四 嗷呜 森林 哺乳动物|大象 四 - 草原 哺乳动物|长颈鹿 四 - 草原 哺乳动物|熊猫 四 - 竹林 哺乳动物|兔子 四 - 草地 哺乳动物
老鼠 四 吱吱 洞里 哺乳动物|麻雀 两 叽叽喳喳 树上 鸟类|乌鸦 两 哇哇 树上 鸟类|布谷鸟 两 布谷 树林 鸟类|企鹅 两 - 南极 鸟类|北极熊 四 - 北极 哺乳动物|骆驼 四 - 沙漠 哺乳动物|袋鼠 - - 澳大利亚 哺乳动物|鲸鱼 零 - 海洋 哺乳动物
海豚 零 - 海洋 哺乳动物|鲨鱼 零 - 海洋 鱼类|金鱼 零 - 水里 鱼类|蛇 零 嘶嘶 草丛 爬行动物|乌龟 四 - 水边 爬行动物|鳄鱼 四 - 河里 爬行动物|蜜蜂 六 嗡嗡 花丛 昆虫|蚂蚁 六 - 洞里 昆虫|蝴蝶 六 - 花丛 昆虫
蜘蛛 八 - 墙角 -|螃蟹 十 - 海边 -|猴子 - - 树林 哺乳动物|蝉 六 知了 树上 昆虫|蚊子 六 嗡嗡 - 昆虫|苍蝇 六 嗡嗡 - 昆虫
""")
YOUNG = table("狗 小狗|猫 小猫|牛 牛犊|羊 羊羔|马 马驹|鸡 小鸡|青蛙 蝌蚪|蝴蝶 毛毛虫|老虎 虎崽|鹿 小鹿")
FOOD_OF = table("熊猫 竹子|兔子 青草|猫 鱼|老虎 肉|牛 青草|羊 青草|马 青草|蚕 桑叶|猴子 果子|青蛙 虫子|松鼠 松果|蜜蜂 花蜜|企鹅 鱼|考拉 桉树叶|狗 骨头|长颈鹿 树叶|啄木鸟 虫子|鸡 谷子")
UNITS = table("""
一年 个月 12|一年 个季节 4|一年 天 365|一周 天 7|一天 小时 24|一小时 分钟 60|一分钟 秒 60|一个世纪 年 100|半小时 分钟 30|一刻钟 分钟 15|一米 厘米 100|一厘米 毫米 10|一千米 米 1000|一公里 米 1000|一公斤 克 1000
一千克 克 1000|一斤 克 500|一公斤 斤 2|一吨 公斤 1000|一升 毫升 1000|一元 角 10|一角 分 10|一元 分 100|一打 个 12|半天 小时 12|一个季度 个月 3|半年 个月 6|十年 个月 120|一只手 根手指 5|两只手 根手指 10
一里 米 500|一丈 尺 10|一尺 寸 10|两周 天 14|两小时 分钟 120|两米 厘米 200|两公斤 克 2000|一昼夜 小时 24
""")
FESTIVALS = table("""
春节 饺子、年糕 贴春联、放鞭炮 农历正月初一|元宵节 元宵、汤圆 赏花灯、猜灯谜 农历正月十五|清明节 青团 扫墓、踏青 四月初|端午节 粽子 赛龙舟、挂艾草 农历五月初五|七夕节 巧果 乞巧 农历七月初七|中秋节 月饼 赏月 农历八月十五
重阳节 重阳糕 登高、敬老 农历九月初九|腊八节 腊八粥 熬粥 农历腊月初八|除夕 年夜饭、饺子 守岁、吃团圆饭 农历年的最后一天|冬至 饺子、汤圆 数九 十二月下旬|国庆节 - 升国旗 十月一日|元旦 - 迎新年 一月一日|儿童节 - 表演节目 六月一日
劳动节 - 休息 五月一日|教师节 - 感谢老师 九月十日|妇女节 - 送花 三月八日|植树节 - 种树 三月十二日
""")
KINDS = [
    (name, kind)
    for kind, names in {
        "水果": "苹果 香蕉 橘子 葡萄 西瓜 草莓 桃子 梨 芒果 菠萝 樱桃 荔枝 柚子 猕猴桃 哈密瓜 火龙果 龙眼 石榴 柿子 杨梅 枇杷 山竹 榴莲",
        "蔬菜": "白菜 菠菜 胡萝卜 黄瓜 茄子 土豆 芹菜 洋葱 韭菜 南瓜 冬瓜 西兰花 豆角 莲藕 生菜 油菜 萝卜 苦瓜 丝瓜 香菜 大葱",
        "动物": "老虎 狗 猫 大象 兔子 猴子 马 狮子 熊猫 鲸鱼 企鹅 蝴蝶 蚂蚁",
        "植物": "松树 柳树 玫瑰 向日葵 仙人掌 竹子 荷花 菊花 梅花 小草 银杏 水仙",
        "交通工具": "汽车 火车 飞机 轮船 自行车 地铁 公交车 摩托车 高铁 出租车",
        "家具": "桌子 椅子 床 沙发 衣柜 书架 茶几",
        "文具": "铅笔 橡皮 尺子 钢笔 本子 圆规 文具盒",
        "乐器": "钢琴 吉他 小提琴 二胡 古筝 笛子 琵琶 鼓",
        "家电": "冰箱 洗衣机 电视 空调 微波炉 吹风机 电饭煲",
        "运动": "篮球 足球 游泳 跑步 羽毛球 乒乓球 滑雪 瑜伽",
        "衣物": "衬衫 裤子 裙子 外套 毛衣 袜子 帽子 手套",
    }.items()
    for name in names.split()
]
KIND_NAMES = sorted({kind for _, kind in KINDS})
JOBS = table("""
医生 医院 给病人看病 听诊器|老师 学校 教学生 粉笔|护士 医院 照顾病人 针管|警察 派出所 维护治安 手铐|消防员 消防站 灭火救人 水枪|厨师 饭店 做菜 锅铲|司机 路上 开车 方向盘|农民 田里 种庄稼 锄头|渔民 海上 捕鱼 渔网
木匠 木工房 做木器 锯子|理发师 理发店 剪头发 剪刀|画家 画室 画画 画笔|歌手 舞台 唱歌 话筒|演员 剧场 演戏 剧本|裁缝 裁缝铺 做衣服 缝纫机|建筑工人 工地 盖房子 砖刀|邮递员 邮局 送信 邮包|售货员 商店 卖东西 收银机|飞行员 机场 开飞机 操纵杆
宇航员 太空 探索太空 宇宙飞船|记者 报社 写新闻 录音笔|程序员 公司 写代码 电脑|摄影师 影楼 拍照片 相机|科学家 实验室 做研究 显微镜|律师 律师事务所 打官司 法律条文|清洁工 街上 打扫卫生 扫帚|牙医 牙科诊所 看牙 牙钻|园丁 花园 修剪花草 剪枝剪
""")
TOOLS = table("""
钉钉子 锤子|锯木头 锯子|拧螺丝 螺丝刀|剪纸 剪刀|量长度 尺子|量体温 体温计|称重量 秤|看时间 钟表|扫地 扫帚|写字 笔|切菜 菜刀|炒菜 锅|喝水 杯子|吃饭 筷子|梳头 梳子|刷牙 牙刷|洗脸 毛巾|擦黑板 黑板擦|挡雨 雨伞|照镜子 镜子|打电话 电话
看星星 望远镜|看细菌 显微镜|拍照 相机|缝衣服 针线|开门 钥匙|吹头发 吹风机|洗衣服 洗衣机|煮饭 电饭煲|指方向 指南针|算数 计算器|照明 电灯|钓鱼 鱼竿|浇花 水壶|装书 书包|睡觉 床|保暖 棉被|上网 电脑|存钱 银行卡|寄信 邮票
""")
FACTS = table("""
太阳从哪边升起 太阳从东边升起。 东|太阳从哪边落下 太阳从西边落下。 西|地球绕着什么转 地球绕着太阳转。 太阳|月亮绕着什么转 月亮绕着地球转。 地球|水到多少度会结冰 水到0度会结冰。 0|水烧到多少度会开 水到100度会开。 100
一个人有几只眼睛 一个人有两只眼睛。 两|一个人有几只手 一个人有两只手。 两|彩虹有几种颜色 彩虹有七种颜色。 七|三角形有几条边 三角形有三条边。 三|正方形有几条边 正方形有四条边。 四|中国最长的河是哪条 中国最长的河是长江。 长江
世界上最高的山是哪座 世界上最高的山是珠穆朗玛峰。 珠穆朗玛|世界上最大的洋是哪个 世界上最大的洋是太平洋。 太平洋|世界上最大的动物是什么 世界上最大的动物是蓝鲸。 蓝鲸|跑得最快的动物是什么 跑得最快的陆地动物是猎豹。 猎豹
最高的动物是什么 最高的动物是长颈鹿。 长颈鹿|中国的国宝是什么动物 中国的国宝是大熊猫。 熊猫|中国的首都是哪里 中国的首都是北京。 北京|一副扑克牌有多少张 一副扑克牌有54张。 54|足球队上场有几个人 一支足球队上场有11个人。 11
篮球队上场有几个人 一支篮球队上场有5个人。 5|静夜思是谁写的 《静夜思》是李白写的。 李白|西游记的作者是谁 《西游记》的作者是吴承恩。 吴承恩|红楼梦的作者是谁 《红楼梦》的作者是曹雪芹。 曹雪芹|三国演义的作者是谁 《三国演义》的作者是罗贯中。 罗贯中
水浒传的作者是谁 《水浒传》的作者是施耐庵。 施耐庵|论语记录了谁的话 《论语》记录了孔子和弟子的话。 孔子|电灯是谁改进的 爱迪生改进了电灯。 爱迪生|十二生肖第一个是什么 十二生肖第一个是鼠。 鼠|十二生肖最后一个是什么 十二生肖最后一个是猪。 猪
盐是什么味道 盐是咸的。 咸|糖是什么味道 糖是甜的。 甜|醋是什么味道 醋是酸的。 酸|辣椒是什么味道 辣椒是辣的。 辣|苦瓜是什么味道 苦瓜是苦的。 苦|冰是热的还是冷的 冰是冷的。 冷|火是热的还是冷的 火是热的。 热|鱼生活在哪里 鱼生活在水里。 水
红灯亮了该怎么办 红灯亮了要停下来。 停|绿灯亮了可以走吗 绿灯亮了可以走。 可以|火警电话是多少 火警电话是119。 119|报警电话是多少 报警电话是110。 110|急救电话是多少 急救电话是120。 120|植物生长需要什么 植物生长需要阳光、水和空气。 阳光
""")
DIRECTIONS = {"东": "西", "南": "北", "西": "东", "北": "南", "左": "右", "右": "左", "上": "下", "下": "上", "东南": "西北", "西北": "东南", "东北": "西南", "西南": "东北", "前": "后", "后": "前"}
IDIOMS = [
    idiom.split(":")
    for idiom in "画蛇添:足 守株待:兔 亡羊补:牢 井底之:蛙 狐假虎:威 对牛弹:琴 掩耳盗:铃 刻舟求:剑 揠苗助:长 杯弓蛇:影 叶公好:龙 滥竽充:数 自相矛:盾 愚公移:山 精卫填:海 闻鸡起:舞 卧薪尝:胆 破釜沉:舟 指鹿为:马 三顾茅:庐 "
    "望梅止:渴 画饼充:饥 胸有成:竹 一心一:意 三心二:意 四面八:方 五颜六:色 七上八:下 九牛一:毛 十全十:美 百发百:中 千军万:马 万紫千:红 马到成:功 虎头蛇:尾 龙飞凤:舞 鸡飞狗:跳 鸟语花:香 春暖花:开 秋高气:爽 冰天雪:地 风和日:丽 "
    "山清水:秀 人山人:海 欢天喜:地 兴高采:烈 眉开眼:笑 垂头丧:气 手忙脚:乱 七嘴八:舌 目不转:睛 全神贯:注 专心致:志 半途而:废 持之以:恒 坚持不:懈 水滴石:穿 熟能生:巧 举一反:三 温故知:新 不耻下:问 孜孜不:倦 如鱼得:水 雪中送:炭 "
    "锦上添:花 火上浇:油 一举两:得 一石二:鸟 一帆风:顺 一鸣惊:人 画龙点:睛 入木三:分 名列前:茅 脱颖而:出 独一无:二 无与伦:比 名副其:实 实事求:是 理直气:壮 光明磊:落 同舟共:济 齐心协:力 团结一:致 助人为:乐 拾金不:昧 尊老爱:幼 "
    "青梅竹:马 两小无:猜 情同手:足 开门见:山 画地为:牢 塞翁失:马 负荆请:罪 完璧归:赵 纸上谈:兵 四面楚:歌 草木皆:兵 一叶障:目 朝三暮:四 鹤立鸡:群 惊弓之:鸟 老马识:途 打草惊:蛇 顺手牵:羊 杀鸡取:卵 九死一:生 后来居:上 大公无:私".split()
]
RELATIONS = (
    Relation(ANIMALS, 1, ("<a>有{几条|多少条|几只}{腿|脚}？", "一只<a>有{几条|多少条}腿？", "<a>长了几条腿？"), ("数一数，<a>的腿有几条？",), "<a>有<v>条腿。"),
    Relation(ANIMALS, 2, ("<a>怎么叫？", "<a>的叫声{是什么样的|是什么|怎么样}？", "<a>是怎么叫的？"), ("学一学<a>的叫声。", "<a>叫起来是什么声音？"), "<a>的叫声是“<v>”。"),
    Relation(ANIMALS, 3, ("<a>{住|生活}在{哪里|哪儿|什么地方}？", "{哪里|哪儿|什么地方}能看到<a>？"), ("要找<a>该去什么地方？",), "<a>常在<v>。"),
    Relation(ANIMALS, 4, ("<a>是什么{动物|类动物}？", "<a>属于{什么|哪类}{动物|}？", "<a>是哪一类动物？"), ("从分类上说，<a>算哪一类？",), "<a>是<v>。"),
    Relation(YOUNG, 1, ("<a>的{宝宝|孩子|幼崽}{叫什么|是什么}？", "{小时候的<a>|<a>小的时候}叫什么？"), ("人们把<a>的幼崽叫作什么？",), "<a>的宝宝是<v>。"),
    Relation(FOOD_OF, 1, ("<a>{吃|爱吃|喜欢吃}什么？", "<a>最{爱吃|喜欢吃}的是什么？", "拿什么喂<a>？"), ("<a>以什么为食？",), "<a>爱吃<v>。"),
    Relation(FESTIVALS, 1, ("<a>{吃|要吃|一般吃}什么？", "<a>{的传统食物|的美食}是什么？", "<a>{有什么好吃的|应该吃什么}？"), ("到了<a>，家家户户会吃什么？",), "<a>吃<v>。", True),
    Relation(FESTIVALS, 2, ("<a>{做什么|要做什么|有什么习俗|有哪些活动}？", "<a>{怎么过|人们会做什么}？"), ("到了<a>，大家有哪些习惯的活动？",), "<a>的习俗是<v>。", True),
    Relation(FESTIVALS, 3, ("<a>是{哪天|哪一天|几月几号|什么时候|几月几日}？", "{什么时候|哪一天}是<a>？", "<a>在{哪天|什么时候}？"), ("<a>的日期是哪天？",), "<a>是<v>。"),
    Relation(KINDS, 1, ("<a>是什么{类别|种类|东西}？", "<a>{属于|是}{哪一类|什么类|哪类}{东西|}？", "<a>算什么？"), ("要给<a>分类，该归到哪一类？",), "<a>是<v>。"),
    Relation(JOBS, 1, ("<a>在{哪里|哪儿|什么地方}{工作|上班}？", "{哪里|什么地方}有<a>？"), ("<a>上班要去什么地方？",), "<a>在<v>工作。"),
    Relation(JOBS, 2, ("<a>{是做什么的|是干什么的|做什么工作|的工作是什么}？", "<a>{每天|平时}{做|干}什么？"), ("<a>的职责是什么？",), "<a>的工作是<v>。"),
    Relation(JOBS, 3, ("<a>{用什么|常用什么工具|工作要用什么|的工具是什么}？", "{什么|什么东西}是<a>的工具？"), ("<a>干活离不开什么？",), "<a>常用<v>。"),
    Relation([(job, name) for name, _, job, _ in JOBS], 1, ("{谁|什么人|什么职业}{负责|的工作是}<a>？", "<a>的{人|}是什么{职业|人}？", "{谁|哪个职业}{是|}<a>的？"), ("专门<a>的是哪种职业？",), "<a>的是<v>。"),
    Relation(TOOLS, 1, ("<a>{用什么|要用什么|需要什么工具|拿什么}？", "{用|拿}什么{东西|工具|}<a>？"), ("想要<a>，该准备什么？",), "<a>用<v>。"),
)  # fmt: skip
UNIT = ("<a>{有|等于|是}{多少|几}<u>？", "<a>{一共|总共}有{多少|几}<u>？", "{多少|几}<u>{是|等于}<a>？", "{你知道|知道}<a>有{多少|几}<u>吗？")
HELD_UNIT = ("把<a>换算一下，是{多少|几}<u>？", "要过{多少|几}<u>才够<a>？")
CHOICE = ("<a>是<x>还是<y>？", "<a>{属于|算}<x>还是<y>？", "<x>还是<y>，<a>是哪种？")
HELD_CHOICE = ("在<x>和<y>里，<a>算哪一种？",)
EXAMPLE = ("{说|举|说出|举出|列举}{一种|一个|一样}<k>{的例子|}。", "<k>有{什么|哪些}？", "{哪些|什么}是<k>？", "{给我|}举个<k>的例子。")
HELD_EXAMPLE = ("能想到哪种<k>？", "随便说一样<k>吧。")
OPPOSITE = ("<d>的{反方向|相反方向|对面}是{什么|哪边|什么方向|哪个方向}？", "和<d>相反的方向是{什么|哪边|哪个方向}？", "<d>{反过来|的反面}是哪{边|个方向}？")
HELD_OPPOSITE = ("背对<d>，面朝的是哪个方向？", "与<d>正好反着的方向是哪个？")
IDIOM = ("{成语|}{填空：|补全成语：|}<i>_{，|}{填什么|}", "<i>{（）|__}，{最后一个字|空格里}{填|是}什么？", "成语“<i>”{后面|最后}{是|填|接}什么{字|}？", "<i>的下一个字是什么？", "补全：<i>")
HELD_IDIOM = ("成语<i>…，还缺哪个字？", "请把成语补完整：<i>□")


def relation(rng: random.Random, held_out: bool) -> Sample:
    """A fact of one of the tables."""
    chosen = rng.choice(RELATIONS)
    row = rng.choice([row for row in chosen.rows if row[chosen.column] != "-"])
    value = row[chosen.column]
    told = value.split("、") if chosen.listed else [value]
    question = ask(rng, pick(chosen.held if held_out else chosen.ask, rng, {"a": row[0]}), held_out)
    answer = chosen.tell.replace("<a>", row[0]).replace("<v>", "和".join(told))
    if value == "零":
        answer = f"{row[0]}没有腿。"
        told = ["没有"]
    rivals = {other for row in chosen.rows for other in row[chosen.column].split("、") if other != "-"}
    return dialogue(SKILL, question, answer, allowed=told, others=sorted(rivals))


def unit(rng: random.Random, held_out: bool) -> Sample:
    whole, name, count = rng.choice(UNITS)
    question = ask(rng, pick((UNIT, HELD_UNIT)[held_out], rng, {"a": whole, "u": name}), held_out)
    return dialogue(SKILL, question, f"{whole}有{count}{name}。", needle=f"有{count}{name}")


def choice(rng: random.Random, held_out: bool) -> Sample:
    """苹果是水果还是蔬菜."""
    name, kind = rng.choice(KINDS)
    pair = [kind, rng.choice([other for other in KIND_NAMES if other != kind])]
    rng.shuffle(pair)
    question = ask(rng, pick((CHOICE, HELD_CHOICE)[held_out], rng, {"a": name, "x": pair[0], "y": pair[1]}), held_out)
    return dialogue(SKILL, question, f"{name}是{kind}。", needle=f"是{kind}")


def example(rng: random.Random, held_out: bool) -> Sample:
    kind = rng.choice(KIND_NAMES)
    members = [name for name, other in KINDS if other == kind]
    first, second = rng.sample(members, 2)
    question = ask(rng, pick((EXAMPLE, HELD_EXAMPLE)[held_out], rng, {"k": kind}), held_out)
    return dialogue(SKILL, question, f"{first}和{second}都是{kind}。", allowed=members, others=[name for name, _ in KINDS])


def direction(rng: random.Random, held_out: bool) -> Sample:
    way, other = rng.choice(list(DIRECTIONS.items()))
    suffix = rng.choice(("", "边", "面")) if len(way) == 1 else rng.choice(("", "方"))
    question = ask(rng, pick((OPPOSITE, HELD_OPPOSITE)[held_out], rng, {"d": way + suffix}), held_out)
    return dialogue(SKILL, question, f"{way}的反方向是{other}。", needle=f"反方向是{other}")


def fact(rng: random.Random, held_out: bool) -> Sample:
    """A single fact; held-out wordings wrap the question in other words."""
    question, answer, needle = rng.choice(FACTS)
    frames = ("我想考考你：<q>", "你说说看，<q>？") if held_out else ("<q>？", "<q>？", "{你知道|知道}<q>吗？", "{告诉我|说说}<q>。", "<q>{呀|呢|啊}？")
    return dialogue(SKILL, ask(rng, pick(frames, rng, {"q": question}), held_out), answer, needle=needle)


def idiom(rng: random.Random, held_out: bool) -> Sample:
    start, end = rng.choice(IDIOMS)
    question = pick((IDIOM, HELD_IDIOM)[held_out], rng, {"i": start})
    return dialogue(SKILL, question, f"{start}{end}。", needle=start + end)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question of everyday knowledge with its answer."""
    kinds = (relation, unit, choice, example, direction, fact, idiom)
    return rng.choices(kinds, (44, 12, 10, 8, 6, 12, 8))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Whether the answer tells the fact and no rival of it."""
    if "needle" in sample.facts:
        text = plain(answer).rstrip("。.")
        exact = plain(sample.answer).rstrip("。.")
        return text == exact or (len(sample.facts["needle"]) > 1 and sample.facts["needle"] in text)
    return names_one(answer, sample.facts["allowed"], sample.facts["others"], sample.question)
