"""Do the page's defaults teach small sets of one's own? Trains each with what the form proposes and lets the judge count.

    python -m benchmarks.defaults [--sets faq-15 labels-60 ...] [--base M] [--minutes 30] [--skills 8]

Prints, a line a set: trained rows right by the judge, steps of the bound that were taken, accuracy on unseen rows of a
classification, how many of the base's own skills are kept, seconds from the command to the adapter; where fewer than
nine in ten rows are learned, the reason that the run page gives.
"""

import argparse
import json
import os
import platform
import random
import tempfile
import time
from pathlib import Path

from benchmarks.advertisegen import train
from glm_core import data, models, workspace
from glm_core.adapters import attach
from glm_core.data.analysis import statistics
from glm_core.evaluation import scoring, verdict
from glm_core.evaluation.judge import judge
from glm_core.generation.greedy import greedy
from glm_core.runs import run as runs
from glm_core.training import defaults
from recipe import corpus, evaluate

THINGS = "借书证 阅览室 自习座位 打印机 储物柜 会议室 停车位 电子书 期刊 讲座 志愿者 失物 预约 续借 罚款 复印 扫描 轮椅 雨伞 充电".split()
ASKED = (
    ("{}在哪里办？", "{}在{}楼{}号窗口办。"),
    ("{}要多少钱？", "{}每次{}元，押金{}元。"),
    ("{}几点能用？", "{}从{}点到{}点能用。"),
)
WORDS = (
    "桌子 table|窗户 window|下雨 rain|朋友 friend|早上 morning|河流 river|老师 teacher|红色 red|苹果 apple|医院 hospital|"
    "船 boat|音乐 music|冬天 winter|钥匙 key|桥 bridge"
).split("|")
LABELS = {
    "物流": "快递 包裹 派送 运单".split(),
    "售后": "退款 维修 换新 保修".split(),
    "账号": "密码 登录 注册 绑定".split(),
}
FRAMES = (
    "{}一直没有消息",
    "我想问一下{}的事",
    "{}出了问题怎么办",
    "请尽快处理{}",
    "{}第{}次不成功了",
    "关于{}，有人管吗",
)


def faq(count: int) -> list[tuple[str, str]]:
    """Questions about a library, each with facts of its own."""
    rng = random.Random(count)
    pairs = [(q.format(one), a.format(one, rng.randint(1, 9), rng.randint(10, 22))) for q, a in ASKED for one in THINGS]
    return rng.sample(pairs, count)


def translation(count: int) -> list[tuple[str, str]]:
    """Words to be put into English."""
    return [(f"翻译成英文：{one.split()[0]}", one.split()[1]) for one in WORDS[:count]]


def labels(count: int) -> list[tuple[str, str]]:
    """Messages of three classes."""
    rng, found = random.Random(count), {}
    while len(found) < count:
        label = rng.choice(list(LABELS))
        text = rng.choice(FRAMES).format(rng.choice(LABELS[label]), rng.randint(2, 99))
        found[f"单号{rng.randint(100, 999)}：{text}"] = label
    return list(found.items())


SETS = {
    "faq-15": lambda: faq(15),
    "faq-50": lambda: faq(50),
    "translation-15": lambda: translation(15),
    "labels-60": lambda: labels(60),
    "labels-600": lambda: labels(600),
    "appliance": lambda: [
        (one.question, one.answer) for one in data.read(workspace.ASSETS / "datasets" / "appliance.jsonl").examples
    ],
}


def measure(base: Path, pairs: list[tuple[str, str]], folder: Path, skills: int) -> str:
    """Train `pairs` with the defaults and return the figures as cells of a table.

    Args:
        skills: held-out questions a skill of the base.
    """
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in pairs]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    examples = data.read(file).examples
    settings = defaults.suggest("domain", statistics(examples), models.describe(base).parameters)
    seconds = train(base, file, settings, folder / "run")
    status, parts = (workspace.read_json(folder / "run" / name) for name in ("status.json", "split.json"))
    loaded = models.load(base)
    others = [one for skill in corpus.SKILLS for one in evaluate.held_out(skill, skills, 7)] if skills else []
    able = [one for one, text in zip(others, answers(loaded, others), strict=True) if corpus.check(one, text)]
    attach.load_adapter(loaded, folder / "run" / "adapter", "run")
    attach.activate(loaded, "run")
    said = greedy(loaded, [[{"role": "user", "content": q}] for q, _ in pairs], 96)
    trained = [place - 1 for place in parts["training"]]
    outcomes = [judge(said[i], question=pairs[i][0], reference=pairs[i][1]).outcome for i in trained]
    right, exact = outcomes.count("right"), sum(said[i].strip() == pairs[i][1].strip() for i in trained)
    held = [place - 1 for place in parts["held_out"]]
    table = scoring.classify([pairs[i][1] for i in held], [said[i] for i in held]) if held else None
    kept = sum(corpus.check(one, text) for one, text in zip(able, answers(loaded, able), strict=True))
    unseen = f"{table.accuracy:.0%}" if table else ""
    steps = f"{status['step']} of {status['total_steps']}"
    figures = f"{right} ({exact}) of {len(trained)} | {steps} | {unseen} | {kept} of {len(able)} | {seconds:.0f}"
    return f"{figures} | {why_not(folder / 'run') if right < scoring.GRADES['learned'][0] * len(trained) else ''}"


def why_not(folder: Path) -> str:
    """The reason that the run page gives for rows that are not learned."""
    losses = [row["loss"] for row in workspace.read_lines(folder / "metrics.jsonl")[0] if "loss" in row]
    found = verdict.read(runs.read(folder), losses)
    return found.because if found else ""


def answers(loaded: models.LoadedModel, samples: list[corpus.Sample]) -> list[str]:
    """Greedy answers to held-out questions of what the base had learned."""
    return greedy(loaded, [one.messages[:-1] for one in samples], max_new_tokens=64)


def main() -> None:
    """Print one row a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--base", type=Path, default=workspace.ASSETS / "models" / "bloom-demo")
    parser.add_argument("--minutes", type=float, default=30.0, help="after which no further set is begun")
    parser.add_argument("--skills", type=int, default=8, help="questions a skill of the base; 0 asks none")
    given = parser.parse_args()
    began, left = time.monotonic(), []
    print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}, {given.base.name}")
    heads = ("set", "trained rows right (exact)", "steps", "unseen", "other skills kept", "seconds", "why not")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for name in given.sets:
        if time.monotonic() - began > 60 * given.minutes:
            left.append(name)
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {measure(given.base, SETS[name](), Path(folder), given.skills)} |", flush=True)
    if left:
        print(f"no time for: {', '.join(left)}")


if __name__ == "__main__":
    main()
