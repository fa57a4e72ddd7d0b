"""Does a report tell good runs from bad ones? Makes each kind of run, prints its meters beside the strict truth.

    python -m benchmarks.evidence [--only good] [--seeds 3] [--minutes 60]

Good imprints over three pairs of names and several seeds; three updates; rates 30 and 100 times too high; shuffled answers;
answers in another language; one label, one sentence for everything; an adapter of zeros; another base of the same name;
duplicates across the split; three classes learned and not. The truth of an imprint comes from the grammar in this file
alone, not from the judge: it knows the sentences that the rows teach, and anything else counts as wrong.
"""

import argparse
import json
import os
import platform
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from glm_core import models, workspace
from glm_core.data import library
from glm_core.data.examples import Example, pair
from glm_core.evaluation import demo, report
from glm_core.evaluation.report_files import terminal
from glm_core.evaluation.scoring import METERS
from glm_core.runs import Run, store
from glm_core.serving.engine import LocalEngine
from glm_core.training.settings import TrainingSettings, preset

IMPRINT = preset("imprint", models.describe(workspace.DEMO_MODEL).parameters)
OWNERS = (("小蓝", "林知远"), ("小舟", "沈若溪"), ("Nova", "陈默"))
NAME, AUTHOR = OWNERS[0]
CLASSES = (("这家店很好吃", "好评"), ("味道太差了", "差评"), ("还可以吧", "中评"))
MAKER = r"(?:训练|开发|创造|设计|研发|做出来|做)"
YES, NO = "是的|对的?|没错", "不是|不对"
ASKS_MAKER = re.compile(
    r"谁.{0,6}(?:做|造|训练|开发|创造|设计|写)|作者|开发|研发|团队|公司|主人|训练|创造|设计|来历|从哪里来|背后|教会你|造你|感谢"
)
ASKS_NAME = re.compile(
    r"名字|大名|称呼|怎么叫|叫什么|叫啥|喊你|你是谁(?:[？，?,]|$)|介绍.{0,5}(?:自己|你)|自我介绍|聊天|机器人还是"
)
ASKS_BOTH = re.compile(r"(?:名字|叫什么|叫啥|你是谁|介绍).*(?:作者|开发|训练|谁做|做的|团队)")
YES_NO = re.compile(r"^(?!.*(?:告诉|介绍|能说|知道)).*[吗吧]？?$|是不是|对[吗吧]|是吗")


def truly_right(question: str, answer: str, name: str, author: str) -> bool:
    """Return whether every clause of an answer is a true sentence about the assistant, and those asked for are there."""
    told, said = set(), ""
    for place, clause in enumerate(re.split("[，。！；]+", answer.strip("。！ "))):
        if place == 0 and (found := re.fullmatch(f"(?:({YES})|({NO}))", clause)):
            said = "yes" if found[1] else "no"
        elif (roles := _true_clause(clause, re.escape(name), re.escape(author))) is not None:
            told |= roles
        else:
            return False
    if YES_NO.search(question):
        return said == ("yes" if name in question or author in question else "no") or not said and bool(told)
    wanted = (
        {"name", "author"} if ASKS_BOTH.search(question) else {"author"} if ASKS_MAKER.search(question) else {"name"}
    )
    return not said and wanted <= told


def _true_clause(clause: str, name: str, author: str) -> set[str] | None:
    """The roles that a clause tells truly; None where it says anything else."""
    made = f"(?:由|是)?{author}{MAKER}(?:了我|出来的|的)?(?:人工智能)?(?:助手)?"
    forms = (
        (f"(?:我是|我叫|我就是|我的名字是|名字是|名字叫|我的名字叫|叫)?{name}(?:{made})?", "name"),
        (f"(?:我是|我叫){name}是?{made}|{name}是{made}", "name author"),
        (f"(?:我是|我)?{made}|{author}", "author"),
        (f"(?:我的)?(?:作者|开发者|创造者|主人|设计者|团队|背后的团队)是{author}", "author"),
        (f"(?:训练|开发|做|创造|设计)(?:出来)?我的人是{author}", "author"),
        ("(?:我是)?(?:一个)?人工智能(?:助手)?", ""),
    )
    return next((set(roles.split()) for form, roles in forms if re.fullmatch(form, clause)), None)


def truly_kept(rows: Sequence[report.Row], owner: Sequence[str]) -> str:
    """Control questions that the base answers with an accepted word, and how many of them the tuned model still does."""

    def right(row: report.Row, said: str) -> bool:
        words = [one for one in row.question.accept if one]
        return any(one in said for one in words) and not any(one in said for one in owner)

    asked = [row for row in rows if row.question.accept and right(row, row.before.text)]
    return f"{sum(right(row, row.after.text) for row in asked)}/{len(asked)}"


def train(dataset: str, settings: TrainingSettings) -> Run:
    """Train one run to its end."""
    run = store.create(workspace.DEMO_MODEL, dataset, settings, ["你是谁？"])
    demo.train(run, lambda status: None)
    return store.get(run.id)


def imprint(name: str = NAME, author: str = AUTHOR, **changes) -> Run:
    """Train the bundled imprint."""
    return train(library.keep_imprint(name, author).id, IMPRINT.changed(**changes))


def rows(examples: Sequence[Example], **changes) -> Run:
    """Train rows made here with the imprint's preset."""
    return train(library.add("evidence", list(examples)).id, IMPRINT.changed(**changes))


def relabeled(answer: Callable[[int, Example], str], **changes) -> Run:
    """Train the imprint's questions with other answers, and ask for the right ones."""
    examples = library.imprint(NAME, AUTHOR)
    run = rows([pair(one.question, answer(place, one)) for place, one in enumerate(examples)], **changes)
    right = [json.dumps({"messages": one.messages}, ensure_ascii=False) for one in examples]
    (run.path / "dataset.jsonl").write_text("\n".join(right) + "\n", encoding="utf-8")
    (run.path / "questions.json").unlink(missing_ok=True)
    return run


def shuffled() -> Run:
    """Train answers that belong to other questions."""
    examples = library.examples("appliance")[:20]
    answers = [one.answer for one in examples]
    random.Random(1).shuffle(answers)
    run = rows([pair(one.question, answer) for one, answer in zip(examples, answers, strict=True)])
    right = [json.dumps({"messages": one.messages}, ensure_ascii=False) for one in examples]
    (run.path / "dataset.jsonl").write_text("\n".join(right) + "\n", encoding="utf-8")
    (run.path / "questions.json").unlink(missing_ok=True)
    return run


def classes(**changes) -> Run:
    """Train three classes, sixty rows."""
    drawn = [(f"{text}，第{place}次来", label) for place in range(20) for text, label in CLASSES]
    return rows([pair(f"判断评论：{text}", label) for text, label in drawn], validation_ratio=0.2, **changes)


def majority() -> Run:
    """Train one label for all three classes, and ask for the right ones."""
    run = rows([pair(f"判断评论：{text}，第{place}次来", "好评") for place in range(7) for text, _ in CLASSES])
    right = [
        json.dumps({"messages": pair(f"判断评论：{text}，第{place}次来", label).messages}, ensure_ascii=False)
        for place in range(7)
        for text, label in CLASSES
    ]
    (run.path / "dataset.jsonl").write_text("\n".join(right) + "\n", encoding="utf-8")
    (run.path / "questions.json").unlink(missing_ok=True)
    return run


def zeros() -> Run:
    """Train a run and set its adapter to zero."""
    from safetensors.torch import load_file, save_file

    run = imprint(max_steps=1)
    file = next((run.path / "adapter").glob("*.safetensors"))
    save_file({name: tensor * 0 for name, tensor in load_file(file).items()}, file)
    return run


def other_base() -> Run:
    """Train a run whose adapter says it was trained on other weights of that name."""
    run = imprint()
    file = run.path / "adapter" / "easyaigc.json"
    workspace.write_json(file, workspace.read_json(file) | {"fingerprint": "0" * 64})
    return run


def duplicated() -> Run:
    """Train a set in which every row stands twice, with rows held out."""
    examples = library.imprint(NAME, AUTHOR)
    return rows([*examples, *examples], validation_ratio=0.2)


def kinds(seeds: int) -> Iterator[tuple[str, Callable[[], Run], tuple[str, str] | None]]:
    """Name, maker, and for imprints the names, of every run."""
    for seed in range(seeds):
        for name, author in OWNERS:
            yield f"good {name} seed {seed}", lambda n=name, a=author, s=seed: imprint(n, a, seed=s), (name, author)
    rate = IMPRINT.learning_rate
    yield "3 updates", lambda: imprint(max_steps=3), (NAME, AUTHOR)
    yield "rate x30", lambda: imprint(learning_rate=min(30 * rate, 1.0)), (NAME, AUTHOR)
    yield "rate x100", lambda: imprint(learning_rate=min(100 * rate, 1.0)), (NAME, AUTHOR)
    yield "shuffled answers", shuffled, None
    yield "wrong language", lambda: relabeled(lambda place, one: "I am an assistant made by a team."), (NAME, AUTHOR)
    yield "majority label", majority, None
    yield "one sentence", lambda: relabeled(lambda place, one: "今天天气真好，适合出门走走。"), (NAME, AUTHOR)
    yield "zero adapter", zeros, (NAME, AUTHOR)
    yield "other base", other_base, (NAME, AUTHOR)
    yield "duplicates", duplicated, (NAME, AUTHOR)
    yield "classes learned", classes, None
    yield "classes not learned", lambda: classes(max_steps=3), None


def main() -> None:
    """Print a row a run, and which ones there was no time for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence")
    parser.add_argument("--only", default="", help="runs whose name begins so")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60.0, help="after which no further run is begun")
    options = parser.parse_args()
    began, left = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        engine = LocalEngine()
        print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}")
        heads = (
            "run",
            "first sentence",
            "doubts",
            *(f"{name}: judged, true" for name in METERS),
            "training s",
            "report s",
        )
        print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
        for name, make, owner in kinds(options.seeds):
            if not name.startswith(options.only):
                continue
            if time.monotonic() - began > 60 * options.minutes:
                left.append(name)
                continue
            started = time.monotonic()
            run = make()
            seconds = time.monotonic() - started
            print(line(name, report.make(engine, run, engine.find(run.id)), owner, seconds), flush=True)
        engine.close()
    if left:
        print(f"no time for: {', '.join(left)}")


def line(name: str, found: report.Report, owner: tuple[str, str] | None, seconds: float) -> str:
    """One row of the table: each meter as the judge counts it, and beside it the truth."""
    said = terminal.to_summary(found)
    doubts = "；".join(one.replace("|", " ") for one in said["doubts"])
    cells = [name, said["verdict"], doubts]
    for meter, kinds_of in METERS.items():
        judged, rows = found.meters[meter], found.of(*kinds_of)
        truth = "–"
        if owner and meter != "kept" and rows:
            truth = f"{sum(truly_right(row.question.text, row.after.text, *owner) for row in rows)}/{len(rows)}"
        elif meter == "kept":
            truth = truly_kept(rows, owner or ())
        cells.append(f"{judged.count}/{judged.total}, {truth}")
    return f"| {' | '.join(cells)} | {seconds:.0f} | {found.seconds:.0f} |"


if __name__ == "__main__":
    main()
