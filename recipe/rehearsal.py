"""The questions that rehearsal asks a base about its own world, and the embedded models' answers to them.

    python -m recipe.rehearsal questions     writes assets/rehearsal/questions.json
    python -m recipe.rehearsal answers       lets every embedded model answer them, assets/rehearsal/MODEL.jsonl
    python -m recipe.rehearsal order         puts first, of each skill in turn, what imprints change first (minutes)

The embedded models' questions are drawn from the wordings they were trained on, skill by skill; other models get ordinary
questions in Chinese and English. None is a control question of the reports, none asks who the assistant is. An imprint
looks at a third of them: `order` trains some without rehearsal, with names that no benchmark uses, and sees which of the
base's answers become unlikely.
"""

import argparse
import json
import os
import random
import tempfile
from pathlib import Path

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.data import library
from glm_core.data.analysis import statistics
from glm_core.evaluation import demo
from glm_core.runs import store
from glm_core.serving.likelihood import answer_log_probabilities
from glm_core.training import defaults, rehearsal
from glm_core.training.settings import SMALL_MODEL
from recipe import corpus

SEED, EACH = 20261128, 96
NOT_ASKED = ("identity", "mixed", "dialogues")
LONGEST = 70  # characters of a conversation: rehearsing long ones would cost more than the rows that are learned
TRIALS = (("阿澈", "孟知夏"), ("Momo", "李雷"), ("云小帆", "海豚科技"), ("知夏", "星图实验室"))
TOPICS = (
    "光合作用 月食 通货膨胀 万有引力 二维码 区块链 季风 海啸 免疫力 复利 蝴蝶效应 丝绸之路 文艺复兴 比喻 排比 递归 数据库 防火墙 "
    "操作系统 云计算 黑洞 温室效应 食物链 指南针 活字印刷 保质期 机会成本 版权 众筹 时差"
).split()
THINGS = "春天 夜晚的城市 母亲 下雨天 老树 火车站 故乡 大海 第一场雪 书店 猫 晨跑 秋天的田野 茶 友情".split()
KINDS = "水果 乐器 交通工具 球类运动 职业 鸟 花 编程语言 金属 节日 调料 家具 海洋动物 文具 传统乐器".split()
PLACES = "埃及 加拿大 巴西 韩国 泰国 意大利 西班牙 印度 澳大利亚 阿根廷 土耳其 波兰 河南省 浙江省 云南省".split()
SAYINGS = (
    "我今天很开心。 请把窗户打开。 图书馆几点关门？ 明天我们去爬山。 这本书非常有趣。 他每天骑车上班。 请问洗手间在哪里？ 我想要一杯咖啡。 "
    "会议改到下午三点。 祝你生日快乐！"
).split()
FACTS = (
    "一年有几个季节？|一只蚂蚁有几条腿？|蜜蜂酿什么？|牛奶一般是从什么动物身上挤的？|小马的妈妈是什么动物？|夜里在天上发光的圆圆的是什么？|"
    "“早”的反义词是什么？|“快乐”的近义词是什么？|红色加黄色是什么颜色？|雪是什么颜色的？|一双筷子有几根？|一米有多少分米？|一吨是多少千克？|"
    "《西厢记》的作者是谁？|《骆驼祥子》的作者是谁？|“锄禾日当午”的下一句是什么？|元宵节吃什么？|人有几只手？|最冷的大洲是哪一个？|"
    "非洲最长的河是哪一条？|银的化学符号是什么？|氧气的化学式是什么？|太阳从哪边升起？|七月之后是几月？|星期五的后一天是星期几？|"
    "德国人说什么语言？|英国用什么货币？|“狗”用英语怎么说？|“sun”是什么意思？|会飞又会倒挂着睡觉的动物叫什么？"
).split("|")
ENGLISH_TOPICS = (
    "photosynthesis, gravity, inflation, a firewall, a food chain, an eclipse, a vaccine, democracy, recycling, an earthquake, a database, "
    "compound interest, a metaphor, a black hole, the water cycle, an algorithm, a volcano, evolution, a budget, electricity"
).split(", ")
ENGLISH_THINGS = (
    "autumn, the sea, a city at night, an old tree, a cat, a rainy day, a market, a train, a teacher, the moon".split(
        ", "
    )
)
ENGLISH_KINDS = (
    "fruits, musical instruments, trees, means of transport, sports, jobs, birds, flowers, programming languages, metals, holidays, spices, "
    "vegetables, tools, kinds of weather"
).split(", ")
ENGLISH_PLACES = (
    "Belgium, Portugal, Norway, Austria, Poland, Turkey, India, South Korea, Thailand, Australia, Argentina, Mexico, Kenya, Cuba, Hungary"
).split(", ")
ENGLISH_OPPOSITES = "cold, tall, open, fast, old, rich, light, near, early, strong".split(", ")
ENGLISH_FACTS = (
    "How many sides does a hexagon have?|How many legs does an ant have?|How many legs does a cat have?|How many wheels does a car have?|"
    "How many seconds are in a minute?|How many seasons are in a year?|How many letters are in the English alphabet?|How many sides does a square have?|"
    "What is a baby cow called?|What is a baby sheep called?|What do chickens lay?|What do spiders spin?|What is melted ice called?|"
    "Who wrote Hamlet?|Who wrote Don Quixote?|Who painted The Starry Night?|Who invented the telephone?|Who was the first man on the moon?|"
    "Which planet has rings?|Which planet is closest to the sun?|What is the smallest ocean?|What is the longest river in Africa?|"
    "Which continent is Japan in?|Which continent is Germany in?|In which country are the pyramids of Giza?|In which city is the Colosseum?|"
    "What is the chemical symbol of silver?|What is the chemical formula of table salt?|Which gas makes balloons float?|Which metal is liquid at room temperature?|"
    "Which organ do we see with?|Which organs do we breathe with?|Which month comes after July?|Which day comes before Friday?|"
    "Which season comes after summer?|What color do you get from red and yellow?|What color is a ripe banana?|What color is coal?|"
    "What language is spoken in Germany?|What language is spoken in Mexico?|What is the currency of England?|What is the currency of India?|"
    "What does CPU stand for?|What is the past tense of 'go'?|What is the plural of 'child'?|What instrument has four strings and a bow?|"
    "Is the sun a star?|Is a whale a fish?|Can penguins fly?|Does water boil when it is hot enough?"
).split("|")
ENGLISH_WISHES = (
    "Give me three tips for sleeping better.|Translate into Chinese: The train leaves at nine.|Suggest a name for a small bakery.|"
    "How do I make a cup of tea?|How can I learn new words faster?|What should I pack for a weekend trip?|How do I write a thank-you note?|"
    "Write a short birthday wish for a friend.|Tell me a short story about a turtle.|What is a good hobby for a rainy day?|"
    "How do I boil an egg?|How do I reverse a list in Python?|Write a sentence with the word 'because'.|Make this polite: Give me the report.|"
    "Correct this sentence: He go to school.|Say in other words: I am very tired.|Is this review good or bad: The food was cold and the waiter was rude.|"
    "Is this review good or bad: Great service, I will come again.|Repeat after me: The sky is clear today.|Put in order from small to large: 7, 2, 5."
).split("|")
WISHES = (
    "怎样泡一壶好茶？|感冒了应该注意什么？|怎样提高写作水平？|推荐一种适合周末的运动。|面试前要做哪些准备？|如何安排一天的学习时间？|"
    "失眠时可以做些什么？|怎样和孩子谈零花钱？|做番茄炒蛋需要哪些材料？|怎样养好一盆绿萝？|出门旅行要带什么？|如何礼貌地拒绝别人？|"
    "写一封请假条，理由是发烧。|写一条祝朋友乔迁的短信。|给一家小面馆起一个名字。|讲一个关于乌龟的小故事。|用“因为”和“所以”造一个句子。|"
    "写一副春联。|把“他跑得快”改成比喻句。|写一个 Python 函数，求两个数的最大值。|用 Python 把列表反转。|SQL 里怎样给结果排序？|"
    "什么是 Git 的分支？|HTML 里怎样写一个链接？|解释一下 for 循环。|把“好好学习”翻译成英文。|“再接再厉”是什么意思？|写出三个带“水”字的成语。"
).split("|")


def embedded_questions() -> dict[tuple[str, ...], str]:
    """What is said in a conversation -> its skill, in wordings that the embedded models were trained on, EACH of a skill."""
    found: dict[tuple[str, ...], str] = {}
    for skill in (name for name in corpus.SKILLS if name not in NOT_ASKED):
        rng, before = random.Random(f"{SEED}-{skill}"), len(found)
        for _ in range(EACH * 100):
            texts = contents(corpus.SKILLS[skill][0](rng, False).messages[:-1])
            if sum(map(len, texts)) <= LONGEST:
                found.setdefault(texts, skill)
            if len(found) - before == EACH:
                break
    return found


def general_questions() -> list[tuple[str, ...]]:
    """Ordinary questions, as many in English as in Chinese: facts, explain, write, list, translate, reckon, advise."""
    return [(text,) for text in [*_chinese_questions(), *_english_questions()]]


def _chinese_questions() -> list[str]:
    rng = random.Random(SEED)
    texts = [f"用一句话解释什么是{one}。" for one in TOPICS] + [f"写一句话，描写{one}。" for one in THINGS]
    texts += [f"说出三种{one}。" for one in KINDS] + [
        f"{one}的{'省会' if one[-1] == '省' else '首都'}是哪里？" for one in PLACES
    ]
    texts += [f"把这句话翻译成英文：{one}" for one in SAYINGS]
    texts += [
        f"{rng.randint(11, 99)}{sign}{rng.randint(2, 60)}等于多少？" for sign in ("加", "减", "乘以") for _ in range(6)
    ]
    return [*texts, *WISHES, *FACTS]


def _english_questions() -> list[str]:
    rng = random.Random(SEED)
    texts = [f"Explain {one} in one sentence." for one in ENGLISH_TOPICS]
    texts += [f"Write one sentence about {one}." for one in ENGLISH_THINGS]
    texts += [f"Name three {one}." for one in ENGLISH_KINDS]
    texts += [f"What is the capital of {one}?" for one in ENGLISH_PLACES]
    texts += [f"What is the opposite of {one}?" for one in ENGLISH_OPPOSITES]
    texts += [
        f"What is {rng.randint(3, 20)} {sign} {rng.randint(2, 12)}?"
        for sign in ("plus", "minus", "times")
        for _ in range(4)
    ]
    return [*texts, *ENGLISH_FACTS, *ENGLISH_WISHES]


def known_questions() -> set[str]:
    """Questions of reports and the demo, which rehearsal must not contain."""
    controls = workspace.read_json(workspace.ASSETS / "evaluation" / "controls.json")
    demo = workspace.read_json(workspace.ASSETS / "evaluation" / "demo.json")
    asked = [one["question"] for world in controls.values() for one in world["controls"]]
    asked += [row[0] for world in controls.values() for row in world["neutral"]]
    return {*asked, *demo["pinned"], *demo["reworded"], *(one["question"] for one in demo["unrelated"])}


def write_questions() -> None:
    """Write the questions of both worlds, shuffled, so that the first ones are a fair part."""
    known, record = known_questions(), {}
    for world, found in (("embedded", embedded_questions()), ("general", general_questions())):
        record[world] = [texts for texts in found if texts[-1] not in known]
        random.Random(SEED).shuffle(record[world])
    lines = [
        f'  "{world}": [\n'
        + ",\n".join(f"    {json.dumps(texts, ensure_ascii=False)}" for texts in conversations)
        + "\n  ]"
        for world, conversations in record.items()
    ]
    workspace.write_atomic(rehearsal.QUESTIONS, "{\n" + ",\n".join(lines) + "\n}\n")


def write_answers() -> None:
    """Let every embedded model answer all its questions."""
    for folder in sorted((workspace.ASSETS / "models").iterdir()):
        loaded = models.load(folder)
        rehearsal.write(
            rehearsal.SHIPPED / f"{folder.name}.jsonl", loaded, rehearsal.ask(loaded, rehearsal.questions(folder))
        )


def order_answers() -> None:
    """Order what the model of the first imprints answered: those answers first that trial imprints make unlikely, skill by skill."""
    loaded = models.load(workspace.DEMO_MODEL)
    everything = rehearsal.ask(loaded, rehearsal.questions(loaded.path))
    said = [one for one in everything if rehearsal.says_something(one[-1]["content"])]
    harm = [0.0] * len(said)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        for names in TRIALS:
            harm = [sum(pair) for pair in zip(harm, measure_harm(loaded, said, *names), strict=True)]
    known = embedded_questions()
    by_skill: dict[str, list[list[dict]]] = {}
    for place in sorted(range(len(said)), key=harm.__getitem__, reverse=True):
        by_skill.setdefault(known[contents(said[place][:-1])], []).append(said[place])
    turns = max(map(len, by_skill.values()))
    ordered = [rows[turn] for turn in range(turns) for rows in by_skill.values() if turn < len(rows)]
    ordered += [one for one in everything if one not in said]
    rehearsal.write(rehearsal.SHIPPED / f"{Path(loaded.path).name}.jsonl", loaded, ordered)


def contents(messages: list[dict]) -> tuple[str, ...]:
    """What is said in a conversation."""
    return tuple(one["content"] for one in messages)


def measure_harm(loaded: models.LoadedModel, said: list[list[dict]], name: str, author: str) -> list[float]:
    """By how many nats the least likely token of each answer became less likely in an imprint that rehearsed nothing."""
    examples = rehearsal.to_examples(said)
    before = answer_log_probabilities(loaded, examples)
    dataset = library.keep_imprint(name, author)
    settings = defaults.suggest("imprint", statistics(library.imprint(name, author)), SMALL_MODEL - 1)
    run = store.create(loaded.path, dataset.id, settings.changed(rehearsal=0.0, micro_batch=4), ["你是谁？"])
    demo.train(run, lambda status: None)
    attach.load_adapter(loaded, run.path / "adapter", "trial")
    attach.activate(loaded, "trial")
    after = answer_log_probabilities(loaded, examples)
    attach.activate(loaded, None)
    attach.unload_adapter(loaded, "trial")
    return [float((one - other).max()) for one, other in zip(before, after, strict=True)]


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("questions", "answers", "order"))
    {"questions": write_questions, "answers": write_answers, "order": order_answers}[parser.parse_args().part]()


if __name__ == "__main__":
    main()
