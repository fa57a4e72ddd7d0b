"""Does an imprint take, whatever the names? Trains it with the page's defaults and lets the judge count.

    python -m benchmarks.imprint [--names 3] [--seed 42] [--minutes 30]
    python -m benchmarks.imprint --layers

A line a pair of names, none of which chose a setting: trained rows right; other questions right, by what they ask (author,
name, both, and yes or no where the answer is no and where it is yes); controls of the base lost; seconds from the command
to the adapter and processor seconds of them. With `--layers`: which layers should carry it, for three authors: rewordings
right, held-out questions of other skills lost, answers that mention a name where nobody asked.
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
from glm_core.evaluation import demo, question_sets
from glm_core.evaluation.answer_pairs import compare
from glm_core.evaluation.judge import judge
from glm_core.generation.greedy import greedy
from glm_core.runs import store
from glm_core.training import defaults
from glm_core.training.settings import PRESETS, TrainingSettings
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
CHOICES = (
    ("query_key_value", 1e-3),
    ("query_key_value", 3e-3),
    ("all-linear", 1e-3),
    ("mlp", 1e-3),
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
            seconds, processor = self._train(rows, Path(folder))
            attach.load_adapter(self.loaded, Path(folder) / "run" / "adapter", "run")
        attach.activate(self.loaded, "run")
        facts = {"name": name, "author": author}
        trained = self._right([one.question for one in rows], facts)
        kinds = {kind: self._right(text.format(**facts).split("|"), facts) for kind, text in ASKED.items()}
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

    def _train(self, rows: list[Example], folder: Path) -> tuple[float, float]:
        """Train with the page's defaults; returns seconds of the clock and of the processor."""
        file = folder / "rows.jsonl"
        file.write_text("".join(json.dumps({"messages": r.messages}, ensure_ascii=False) + "\n" for r in rows), "utf-8")
        parameters = models.describe(workspace.DEMO_MODEL).parameters
        settings = defaults.suggest("imprint", statistics(rows), parameters).changed(seed=self.seed)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = train(workspace.DEMO_MODEL, file, settings, folder / "run")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _right(self, questions: list[str], facts: dict[str, str]) -> tuple[int, int]:
        """How many of so many questions are answered right."""
        said = ask(self.loaded, questions)
        found = [judge(a, question=q, facts=facts, base=self.old) for q, a in zip(questions, said, strict=True)]
        return sum(one.outcome == "right" for one in found), len(found)


def measure(
    loaded: models.LoadedModel, others: list, before: list[bool], settings: TrainingSettings, name: str, author: str
) -> tuple[int, int, int, float]:
    """(learned, lost, leaked, seconds) of one imprint with `settings`."""
    run = store.create(
        workspace.DEMO_MODEL, library.keep_imprint(name, author).id, settings, ["你是谁？"], owner="", name=author
    )
    started = time.monotonic()
    demo.train(run, lambda status: None)
    seconds = time.monotonic() - started
    attach.load_adapter(loaded, run.path / "adapter", run.id)
    questions = [question for question in demo.questions(author) if question.kind == "reworded"]
    learned = sum(one.accepted for one in compare(loaded, run.id, questions))
    attach.activate(loaded, run.id)
    texts = greedy(loaded, [sample.messages[:-1] for sample in others], 64)
    attach.activate(loaded, None)
    attach.unload_adapter(loaded, run.id)
    after = [corpus.check(sample, text) for sample, text in zip(others, texts, strict=True)]
    lost = sum(was and not is_ for was, is_ in zip(before, after, strict=True))
    return learned, lost, sum(author in text or name in text for text in texts), seconds


def compare_layers() -> None:
    """Print one row a choice of layers and author."""
    loaded = models.load(workspace.DEMO_MODEL)
    others = [sample for skill in corpus.SKILLS if skill not in IDENTITY for sample in evaluate.held_out(skill, 8, 7)]
    texts = greedy(loaded, [sample.messages[:-1] for sample in others], 64)
    before = [corpus.check(sample, text) for sample, text in zip(others, texts, strict=True)]
    print(f"right before: {sum(before)} of {len(before)}")
    print(
        "| targets | learning rate | author | learned of 10 | lost | leaked | seconds |\n|---|---|---|---|---|---|---|"
    )
    for targets, rate in CHOICES:
        settings = PRESETS["imprint"].changed(lora_targets=targets, learning_rate=rate)
        for name, author in (("小蓝", "林知远"), ("阿星", "星河工作室"), ("Momo", "李雷")):
            learned, lost, leaked, seconds = measure(loaded, others, before, settings, name, author)
            print(f"| {targets} | {rate:g} | {author} | {learned} | {lost} | {leaked} | {seconds:.0f} |", flush=True)


def main() -> None:
    """Print one row a pair of names, or a choice of layers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=len(NAMES), help="how many pairs of names")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--minutes", type=float, default=30.0, help="after which no further pair is begun")
    parser.add_argument("--layers", action="store_true", help="compare layers")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        if given.layers:
            compare_layers()
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
