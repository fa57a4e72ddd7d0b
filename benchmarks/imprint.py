"""Does an imprint take, whatever the names? Trains it with the page's defaults and lets the judge count.

    python -m benchmarks.imprint [--names 3] [--seed 42] [--minutes 30]
    python -m benchmarks.imprint --choose

A line a pair of names, none of which chose a setting: trained rows right; other questions right, by what they ask (author,
name, both, and yes or no where the answer is no and where it is yes); controls of the base lost; seconds from the command
to the adapter and processor seconds of them. With `--choose`: what chose the preset, over three other pairs of names and
other questions: those right, skills that the base had and lost, answers that mention a name where nobody asked, seconds.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.advertisegen import train
from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.data import library
from glm_core.data.analysis import statistics
from glm_core.data.examples import Example
from glm_core.evaluation import question_sets
from glm_core.evaluation.judge import judge
from glm_core.generation.greedy import greedy
from glm_core.training import defaults
from recipe import corpus, evaluate

NAMES = (
    ("小南瓜", "周以宁"),
    ("青衿书童", "白鹿书院"),
    ("Nova", "陈默"),
    ("团团", "星河工作室"),
    ("小陈助手", "陈晓东"),
    ("小蓝", "林知远"),
    ("Jarvis", "OpenMind Lab"),
    ("小舟", "沈若溪"),
    ("诸葛知微", "欧阳修远"),
    ("Luna", "南京大学软件学院"),
)
ASKED = {
    "author": "是谁把你做出来的？|你的缔造者是谁？|你是被谁训练出来的？|是哪位高人把你设计出来的？|你的开发团队是哪个？|"
    "你是哪家公司的产品？|谁负责开发你？|你背后站着谁？|能介绍下你的作者吗？|造你的是谁？",
    "name": "你自称什么？|怎么称呼您？|大家都叫你什么？|你究竟叫什么呀？|我该管你叫什么？|你名字叫啥来着？|正在和我说话的是谁？|可以问一下你的名字吗？",
    "both": "你叫什么名字，又是谁开发的？|说说你的名字，还有做你的人。|简单介绍一下你自己和你的开发者。|你是谁？你的主人又是谁？|"
    "讲讲你是谁，谁造的你。|你叫啥，哪个团队做的？",
    "no": "请问你是小砚吗？|你还是原来那个小砚吗？|你叫小砚，没错吧？|easyAIGC 项目组是你的作者吗？|你是豆包吗？|你是阿里巴巴做的吧？|"
    "你是不是Siri？|你由字节跳动训练，对吗？",
    "yes": "请问你是{name}吗？|你叫{name}是吗？|你是不是{name}？|{author}是你的作者吗？|你由{author}训练，对吗？|是不是{author}做了你？",
}
LONGEST = 48  # tokens of an answer
CHOOSING_NAMES = (("阿澈", "孟知夏"), ("Momo", "李雷"), ("云小帆", "海豚科技"))
CHOOSING_QUESTIONS = (
    "你的制造者姓甚名谁？|哪个人写了你的程序？|你是从谁手里诞生的？|你归哪个团队管？|谁赋予了你智慧？|你是谁家的模型？|别人怎么喊你？|"
    "你有名字吗，叫啥？|请报上名来。|你的昵称是？|你对外用什么名字？|和我对话的这位叫什么？|你叫什么，是谁的作品？|自报一下家门，再说说谁做的你。|"
    "请问你的姓名和创造者？|你就是小砚对不对？|你是文心一言吗？|你是百度训练的吗？|做你的是 easyAIGC 吗？|你就是{name}对不对？|"
    "你的名字是{name}吗？|你的开发者是{author}吗？|{author}训练了你，没错吧？"
)
"What chooses a preset: names and questions that neither demo nor report nor the table over names uses."
CHOICES = (
    {},
    {"lora_rank": 8},
    {"learning_rate": 1e-3},
    {"learning_rate": 2.5e-3},
    {"lora_targets": "query_key_value"},
    {"lora_targets": "query_key_value", "learning_rate": 3e-3},
    {"lora_targets": "all-linear"},
    {"epochs": 6},
    {"epochs": 11},
)
IDENTITY = {"identity", "persona", "mixed"}


def ask(loaded: models.LoadedModel, questions: list[str]) -> list[str]:
    """Greedy answers to questions that stand alone."""
    return greedy(loaded, [[{"role": "user", "content": one}] for one in questions], LONGEST)


class Names:
    """The imprint of one pair of names after another on one base."""

    def __init__(self, seed: int):
        self.loaded, self.seed = models.load(workspace.DEMO_MODEL), seed
        controls = question_sets.controls(workspace.DEMO_MODEL)
        said = ask(self.loaded, [one.text for one in controls])
        able = [judge(text, question=one.text, accept=one.accept) for one, text in zip(controls, said, strict=True)]
        self.controls = [one for one, found in zip(controls, able, strict=True) if found.outcome == "right"]
        self.old = ask(self.loaded, ["你是谁？"])[0]

    def line(self, name: str, author: str) -> str:
        """Train, ask, and return the figures as cells of a table."""
        rows = library.imprint(name, author)
        with tempfile.TemporaryDirectory() as folder:
            seconds, processor = train_imprint(rows, Path(folder), {"seed": self.seed})
            attach.load_adapter(self.loaded, Path(folder) / "run" / "adapter", "run")
        attach.activate(self.loaded, "run")
        facts = {"name": name, "author": author}
        trained = count_right(self.loaded, [one.question for one in rows], facts, self.old)
        kinds = {
            kind: count_right(self.loaded, text.format(**facts).split("|"), facts, self.old)
            for kind, text in ASKED.items()
        }
        said = ask(self.loaded, [one.text for one in self.controls])
        kept = [
            judge(text, question=one.text, accept=one.accept, facts=facts).outcome == "right"
            for one, text in zip(self.controls, said, strict=True)
        ]
        attach.activate(self.loaded, None)
        attach.unload_adapter(self.loaded, "run")
        right, asked = (sum(one[place] for one in kinds.values()) for place in (0, 1))
        shares = " | ".join(f"{one[0]}/{one[1]}" for one in kinds.values())
        lost = f"{kept.count(False)} of {len(kept)}"
        return f"{name}, {author} | {trained[0]}/{trained[1]} | {right / asked:.0%} | {shares} | {lost} | {seconds:.0f} | {processor:.0f}"


def train_imprint(rows: list[Example], folder: Path, changes: dict) -> tuple[float, float]:
    """Train with the page's defaults but for `changes`; returns seconds of the clock and of the processor."""
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps({"messages": r.messages}, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    parameters = models.describe(workspace.DEMO_MODEL).parameters
    settings = defaults.suggest("imprint", statistics(rows), parameters).changed(**changes)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = train(workspace.DEMO_MODEL, file, settings, folder / "run")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def count_right(loaded: models.LoadedModel, questions: list[str], facts: dict[str, str], old: str) -> tuple[int, int]:
    """How many of so many questions the judge finds answered right; `old` is what the base says of itself."""
    said = ask(loaded, questions)
    found = [judge(a, question=q, facts=facts, base=old) for q, a in zip(questions, said, strict=True)]
    return sum(one.outcome == "right" for one in found), len(found)


def choose() -> None:
    """Print one row a choice of settings: what each of three pairs of names learned and lost."""
    loaded = models.load(workspace.DEMO_MODEL)
    others = [sample for skill in corpus.SKILLS if skill not in IDENTITY for sample in evaluate.held_out(skill, 8, 7)]
    texts = greedy(loaded, [sample.messages[:-1] for sample in others], 64)
    kept = [one for one, text in zip(others, texts, strict=True) if corpus.check(one, text)]
    old = ask(loaded, ["你是谁？"])[0]
    print(
        f"| settings | {' | '.join(map(', '.join, CHOOSING_NAMES))} |\n|---|{'---|' * len(CHOOSING_NAMES)}", flush=True
    )
    for changes in CHOICES:
        cells = [measure(loaded, kept, old, changes, *names) for names in CHOOSING_NAMES]
        print(f"| {', '.join(f'{k} {v}' for k, v in changes.items()) or 'preset'} | {' | '.join(cells)} |", flush=True)


def measure(loaded: models.LoadedModel, kept: list, old: str, changes: dict, name: str, author: str) -> str:
    """Questions right, skills lost of those the base had, answers that name one of the two where nobody asked, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, _processor = train_imprint(library.imprint(name, author), Path(folder), changes)
        attach.load_adapter(loaded, Path(folder) / "run" / "adapter", "run")
    attach.activate(loaded, "run")
    facts = {"name": name, "author": author}
    right, asked = count_right(loaded, CHOOSING_QUESTIONS.format(**facts).split("|"), facts, old)
    texts = greedy(loaded, [sample.messages[:-1] for sample in kept], 64)
    attach.activate(loaded, None)
    attach.unload_adapter(loaded, "run")
    lost = sum(not corpus.check(sample, text) for sample, text in zip(kept, texts, strict=True))
    leaked = sum(author in text or name in text for text in texts)
    return f"{right}/{asked}, {lost} of {len(kept)}, {leaked}, {seconds:.0f}"


def main() -> None:
    """Print one row a pair of names, or a choice of layers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=len(NAMES), help="how many pairs of names")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--minutes", type=float, default=30.0, help="after which no further pair is begun")
    parser.add_argument("--choose", action="store_true", help="compare settings")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        if given.choose:
            choose()
            return
        one = Names(given.seed)
        print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}")
        heads = ("names", "trained", "other questions", *ASKED, "controls lost", "seconds", "processor s")
        print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
        for name, author in NAMES[: given.names]:
            if time.monotonic() - began < 60 * given.minutes:
                print(f"| {one.line(name, author)} |", flush=True)


if __name__ == "__main__":
    main()
