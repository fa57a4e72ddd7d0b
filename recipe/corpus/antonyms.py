"""Words and their opposites, in both directions. Wordings are held out, pairs are not: an opposite must be known."""

import random

from recipe.corpus.grammar import Sample, dialogue, plain
from recipe.corpus.pool import Pool
from recipe.corpus.wording import named, table

SKILL = "antonyms"
PAIRS = table("""
大 小|多 少|高 矮|长 短|粗 细|胖 瘦|快 慢|轻 重|冷 热|远 近|新 旧|好 坏|美 丑|黑 白|明 暗|早 晚|左 右|上 下|前 后|里 外|进 退|来 去|开 关|买 卖|借 还|哭 笑|生 死|真 假|对 错|是 非
有 无|得 失|胜 败|输 赢|动 静|软 硬|干 湿|浓 淡|深 浅|厚 薄|宽 窄|强 弱|贫 富|贵 贱|老 幼|男 女|公 私|东 西|南 北|天 地|升 降|加 减|乘 除|饥 饱|甜 苦|香 臭|善 恶|勤 懒|忙 闲|松 紧|松散 紧密
稀 密|曲 直|横 竖|正 反|始 终|古 今|问 答|攻 守|爱 恨|收入 支出|高兴 难过|快乐 痛苦|幸福 不幸|开心 伤心|喜欢 讨厌|热爱 憎恨|勇敢 胆怯|聪明 愚蠢|勤劳 懒惰|勤奋 懈怠|诚实 虚伪|谦虚 骄傲|善良 邪恶
美丽 丑陋|漂亮 难看|干净 肮脏|整齐 凌乱|安静 吵闹|热闹 冷清|温暖 寒冷|炎热 凉爽|明亮 昏暗|光明 黑暗|黑夜 白天|早晨 傍晚|开始 结束|成功 失败|胜利 失利|前进 后退|上升 下降|增加 减少|增长 衰减|扩大 缩小
打开 关闭|出现 消失|记住 忘记|记得 忘却|同意 反对|赞成 否定|肯定 否认|表扬 批评|赞美 诋毁|奖励 惩罚|鼓励 打击|帮助 妨碍|保护 破坏|建设 摧毁|团结 分裂|合作 对抗|集中 分散|集合 解散|拥挤 宽敞|狭窄 宽阔
简单 复杂|容易 困难|方便 麻烦|安全 危险|健康 生病|强壮 虚弱|强大 弱小|坚强 软弱|坚硬 柔软|粗糙 光滑|仔细 粗心|认真 马虎|耐心 急躁|冷静 冲动|镇定 慌张|紧张 放松|严肃 活泼|严厉 温和|热情 冷淡|大方 小气
慷慨 吝啬|节约 浪费|节俭 奢侈|富裕 贫穷|富有 贫困|昂贵 便宜|珍贵 廉价|丰富 贫乏|充足 缺乏|茂盛 枯萎|新鲜 腐烂|先进 落后|现代 古代|年轻 衰老|古老 崭新|陈旧 新颖|熟悉 陌生|亲近 疏远|公开 秘密|普通 特殊
平凡 伟大|一般 特别|主动 被动|积极 消极|乐观 悲观|希望 绝望|相信 怀疑|信任 猜疑|满意 不满|清楚 模糊|清晰 朦胧|清醒 糊涂|准确 错误|正确 谬误|真实 虚假|完整 残缺|完美 缺陷|优点 缺点|长处 短处|优秀 差劲
进步 退步|朋友 敌人|战争 和平|原因 结果|现象 本质|理论 实践|相同 不同|相似 相反|一致 分歧|统一 分离|永远 暂时|长久 短暂|经常 偶尔|迅速 缓慢|飞快 迟缓|直接 间接|内部 外部|表面 深处|中心 边缘|起点 终点
出生 死亡|生存 灭亡|相聚 离别|团聚 分别|欢迎 拒绝|接受 推辞|允许 禁止|自由 约束|公平 偏袒|文明 野蛮|礼貌 粗鲁|和气 凶狠|轻松 沉重|轻视 重视|尊重 侮辱|甜蜜 苦涩|潮湿 干燥|浑浊 清澈|晴朗 阴沉|平坦 崎岖
笔直 弯曲|垂直 水平|吸气 呼气|吸收 排放|入口 出口|批发 零售|盈利 亏损|债主 欠债人|上班 下班|上课 下课|起床 睡觉|穿上 脱下|站立 坐下|抬头 低头|张开 合拢|拿起 放下|抓住 松手|点燃 熄灭|融化 凝固
膨胀 收缩|加速 减速|加热 冷却|超额 不足|提前 推迟|按时 误点|提高 降低|抬高 压低|浮 沉|遥远 附近|庞大 微小|巨大 细小|高大 低矮|肥胖 苗条|嘈杂 寂静|喧闹 幽静|繁华 荒凉|肥沃 贫瘠|精彩 乏味|有趣 无聊
""")
OPPOSITE = {a: b for a, b in PAIRS} | {b: a for a, b in PAIRS}
ACCEPTED = {  # also right, though the table has another word
    "高": "低",
    "矮": "高",
    "短": "长",
    "丑": "美",
    "老": "少 年轻 新",
    "年轻": "年老 老",
    "贵": "便宜",
    "甜": "酸",
    "香": "臭",
    "坏": "好",
    "难过": "开心 快乐",
    "高兴": "伤心 悲伤",
    "开心": "难过",
    "快乐": "悲伤 难过",
    "伤心": "高兴",
    "喜欢": "厌恶",
    "成功": "失利",
    "失败": "胜利",
    "胜利": "失败",
    "聪明": "笨 愚笨",
    "勇敢": "胆小 懦弱",
    "漂亮": "丑陋",
    "美丽": "难看",
    "干净": "脏",
    "便宜": "贵",
    "困难": "简单",
    "复杂": "容易",
    "简单": "困难",
    "容易": "难",
    "寒冷": "炎热",
    "炎热": "寒冷",
    "富裕": "贫困",
    "贫穷": "富有",
    "正确": "错误",
    "错误": "正确",
    "准确": "不准",
    "骄傲": "自卑",
    "粗心": "细心",
    "认真": "粗心",
    "轻松": "紧张",
    "紧张": "轻松",
    "虚假": "真实",
    "死": "活",
    "浓": "稀",
    "稀": "稠",
    "旧": "新",
    "关": "开",
    "晚": "早",
    "白": "黑",
    "反对": "赞成 支持",
    "赞成": "反对",
    "否定": "肯定",
    "肯定": "否定",
    "增加": "降低",
    "减少": "增长",
    "古代": "当代",
    "收入": "开支",
    "进": "出",
    "退": "进",
    "失": "得",
    "慢": "快",
    "安静": "喧闹 嘈杂",
    "普通": "特别",
    "浅": "深",
}

SINGLE = Pool(
    "<word>的反义词是{什么|哪个词|啥|什么词|哪个}{呢|呀|啊|}？",
    "<word>的反义词{有哪个|有哪些|叫什么}？",
    "“<word>”的反义词{是什么|是哪个|是|}？",
    "「<word>」的反义词{是什么|是啥|}？",
    "{和|与|跟|同}<word>{意思相反|相反|相对|对立}的{词|词语|词儿}是{什么|哪个|啥|哪一个}？",
    "<word>的{反面|对立面|相反的词|反义|反义字}是{什么|哪个词|啥|哪个}？",
    "{说出|写出|给我|找出|请写出|请说出|来个|想一个|找一个}<word>的反义词{|吧}。",
    "{告诉我|说说|说一下|讲讲|请告诉我}<word>的反义词{是什么|是哪个|}。",
    "{你知道|知道|你知不知道|晓得}<word>的反义词{吗|么|是什么吗|是啥不}？",
    "{能告诉我|你能说出|能不能说说|可以告诉我|能说出}<word>的反义词{吗|么}？",
    "{什么词|哪个词|啥词}{和|跟|与}<word>{意思|}{相反|正好相反|是相反的}？",
    "{什么|哪个|啥}是<word>的反义词？",
    "<word>的反义词",
    "反义词：<word>",
    "<word> 反义词",
    "<word>{反过来|倒过来}{是|怎么说|是什么|叫什么}？",
    "{哪个|什么}词{和|跟}<word>的意思{正好|刚好|}相反？",
    "<word>对应的反义词是{哪一个|什么|哪个}？",
    "{请|帮我|麻烦|}给<word>{找|写|想|配}{一个|个}反义词。",
    "我想{知道|问|查|了解}<word>的反义词{是什么|}。",
    "<word>和{什么词|哪个词|什么}{是一对反义词|是反义词|互为反义词}？",
    "{要说|想说}{跟|和}<word>相反的意思，用{哪个|什么}词？",
    "<word>，反义词{是什么|呢|是啥}？",
    "<word>的相反词{是什么|是啥|}？",
    "<word>的反义词{应该|该|到底}是{什么|哪个}？",
    "<word>这个词的反义词{是什么|是啥|是哪个}？",
    "{词语|词}“<word>”的反义词{是|是什么|}？",
    "<word>这个词{反过来怎么说|相反的是什么|的反面是什么}？",
    "写一个{和|跟|与}<word>意思相反的{词|词语}。",
    "{我|}{忘了|想不起来}<word>的反义词{了|是什么了}。",
    "{跟|和|与}<word>相反{是|的是}{什么|啥|哪个}？",
    "<word>——？{填反义词|写出反义词}。",
    "语文{作业|题}：<word>的反义词是（）",
    "不是<word>，那{是|就是}什么？",
    "<word>的反义词{怎么|咋}{说|写}？",
    "<word>相反的{词|意思|词语}{是什么|呢|是啥}？",
    "{孩子|老师|同学}问<word>的反义词{是什么|是哪个}。",
)
YES_NO = Pool(
    "<word>和<other>{是反义词|是一对反义词|互为反义词}{吗|么}？",
    "<other>是<word>的反义词{吗|么|吧|，对吗}？",
    "<word>的反义词是<other>{吗|么|对吗|，对不对|，是吗|吧}？",
    "<word>{跟|和|与}<other>的意思{是不是|是否}相反？",
    "<word>、<other>，这两个词{是一对反义词|是反义词}吗？",
    "<word>{和|跟}<other>{算|算是}反义词{吗|么}？",
    "<word>的反义词{是不是|是否是|应该是}<other>？",
    "<other>是不是<word>的反义词？",
    "我觉得<word>的反义词是<other>，{对吗|对不对|是吗}？",
    "<word>{跟|和}<other>{相反|意思相反}吗？",
    "<word>和<other>是相反的{吗|吧|么}？",
    "有人说<word>的反义词是<other>，{对吗|是吗|对不对}？",
)
FOLLOW_UP = Pool(
    "那<word>呢？",
    "<word>呢？",
    "<word>的呢？",
    "那<word>的{反义词|}呢？",
    "换成<word>呢？",
    "要是<word>呢？",
    "如果是<word>呢？",
    "那么<word>呢？",
    "还有<word>呢？",
    "再说说<word>的。",
    "<word>又是什么？",
    "再来一个：<word>",
    "那<word>的反义词{是什么|是啥}？",
    "还有<word>的反义词呢？",
    "好的，<word>呢？",
    "下一个，<word>",
    "那<word>是什么{呢|}？",
    "<word>的反义词呢",
)


def statement(word: str) -> str:
    return f"{word}的反义词是{OPPOSITE[word]}。"


def draw(rng: random.Random) -> str:
    return rng.choice(list(OPPOSITE))


def single(rng: random.Random, held_out: bool) -> Sample:
    word = draw(rng)
    question = SINGLE.ask(rng, held_out, {"word": word})
    return dialogue(SKILL, question, statement(word), word=word)


def follow_up(rng: random.Random, held_out: bool) -> Sample:
    first, second = rng.sample(list(OPPOSITE), 2)
    question = SINGLE.ask(rng, held_out, {"word": first})
    then = FOLLOW_UP.draw(rng, held_out, {"word": second})
    return dialogue(SKILL, question, statement(first), then, statement(second), word=second)


def yes_no(rng: random.Random, held_out: bool) -> Sample:
    word, right = draw(rng), rng.random() < 0.5
    other = OPPOSITE[word] if right else draw(rng)
    while not right and (other == word or other == OPPOSITE[word] or other in ACCEPTED.get(word, "").split()):
        other = draw(rng)
    verdict = "是的" if right else "不是"
    question = YES_NO.ask(rng, held_out, {"word": word, "other": other})
    return dialogue(SKILL, question, f"{verdict}，{statement(word)}", word=word, verdict=verdict)


def generate(rng: random.Random, held_out: bool = False) -> Sample:
    """A question about an opposite with its answer."""
    return rng.choices((single, follow_up, yes_no), (75, 15, 10))[0](rng, held_out)


def check(sample: Sample, answer: str) -> bool:
    """Return whether the answer gives an accepted opposite of the word (after 反义词是, if it says so) and the right yes or no."""
    text, word = plain(answer), sample.facts["word"]
    if not text.startswith(sample.facts.get("verdict", "")):
        return False
    said = text.rstrip("。.").split("反义词是")[-1]
    allowed = {OPPOSITE[word], *ACCEPTED.get(word, "").split()}
    return said in allowed or ("反义词是" not in text and bool(named(said, OPPOSITE) & allowed))
