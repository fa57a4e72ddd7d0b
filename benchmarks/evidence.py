"""Does a report tell good runs from bad ones? Makes each kind of run, prints its first sentence beside the strict truth.

    python -m benchmarks.evidence [--only good] [--seeds 3]

Good imprints over three pairs of names and several seeds; three updates; rates 30 and 100 times too high; shuffled answers;
answers in another language; one label, one sentence for everything; an adapter of zeros; another base of the same name;
duplicates across the split; three classes learned and not. The truth of an imprint comes from patterns written for this
file alone, not from the judge.
"""

import argparse
import json
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence

from glm_core import workspace
from glm_core.data import library
from glm_core.data.examples import Example, pair
from glm_core.evaluation import demo, report
from glm_core.evaluation.report_files import terminal
from glm_core.runs import store
from glm_core.serving.engine import LocalEngine
from glm_core.training.settings import PRESETS, TrainingSettings

OWNERS = (("小蓝", "林知远"), ("小舟", "沈若溪"), ("Nova", "陈默"))
NAME, AUTHOR = OWNERS[0]
CLASSES = (("这家店很好吃", "好评"), ("味道太差了", "差评"), ("还可以吧", "中评"))
NAMED = re.compile(r"(?:我是|我叫|名字叫|名字是|，叫)([^，。]+)")
MAKER = r"(?:训练|开发|创造|设计|研发|做出来|做)"


def truly_right(answer: str, name: str, author: str) -> bool:
    """Return whether an answer to "who made you" names the author as the maker, and nobody else as name or maker.

    Knows the sentences that the twenty rows teach, and no others.
    """
    told = answer.strip("。！ ")
    made = rf"(?:由|是)?{re.escape(author)}{MAKER}(?:了|的|出来的)?(?:我|人工智能助手)?"
    parts = [one.removeprefix("是") if one != "是" else one for one in told.split("，")]
    names = [found for part in parts for found in NAMED.findall(f"{part}") if not re.fullmatch(made, found)]
    makers = [
        part
        for part in parts
        if re.fullmatch(rf"(?:我是|我)?{made}|(?:我的|我)?(?:作者|开发者|主人|背后)(?:就)?是{re.escape(author)}", part)
    ]
    alone = told in (author, f"是{author}")
    return (alone or bool(makers)) and all(one == name for one in names) and "小砚" not in told


def train(dataset: str, settings: TrainingSettings) -> store.Run:
    """Train one run to its end."""
    run = store.create(workspace.DEMO_MODEL, dataset, settings, ["你是谁？"])
    demo.train(run, lambda status: None)
    return store.get(run.id)


def imprint(name: str = NAME, author: str = AUTHOR, **changes) -> store.Run:
    """Train the bundled imprint."""
    return train(library.keep_imprint(name, author).id, PRESETS["imprint"].changed(**changes))


def rows(examples: Sequence[Example], **changes) -> store.Run:
    """Train rows made here with the imprint's preset."""
    return train(library.add("evidence", list(examples)).id, PRESETS["imprint"].changed(**changes))


def relabeled(answer: Callable[[int, Example], str], **changes) -> store.Run:
    """Train the imprint's questions with other answers, and ask for the right ones."""
    examples = library.imprint(NAME, AUTHOR)
    run = rows([pair(one.question, answer(place, one)) for place, one in enumerate(examples)], **changes)
    right = [json.dumps({"messages": one.messages}, ensure_ascii=False) for one in examples]
    (run.path / "dataset.jsonl").write_text("\n".join(right) + "\n", encoding="utf-8")
    (run.path / "questions.json").unlink(missing_ok=True)
    return run


def shuffled() -> store.Run:
    """Train answers that belong to other questions."""
    examples = library.examples("appliance")[:20]
    answers = [one.answer for one in examples]
    random.Random(1).shuffle(answers)
    run = rows([pair(one.question, answer) for one, answer in zip(examples, answers, strict=True)])
    right = [json.dumps({"messages": one.messages}, ensure_ascii=False) for one in examples]
    (run.path / "dataset.jsonl").write_text("\n".join(right) + "\n", encoding="utf-8")
    (run.path / "questions.json").unlink(missing_ok=True)
    return run


def classes(**changes) -> store.Run:
    """Train three classes, sixty rows."""
    drawn = [(f"{text}，第{place}次来", label) for place in range(20) for text, label in CLASSES]
    return rows([pair(f"判断评论：{text}", label) for text, label in drawn], validation_ratio=0.2, **changes)


def majority() -> store.Run:
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


def zeros() -> store.Run:
    """Train a run and set its adapter to zero."""
    from safetensors.torch import load_file, save_file

    run = imprint(max_steps=1)
    file = next((run.path / "adapter").glob("*.safetensors"))
    save_file({name: tensor * 0 for name, tensor in load_file(file).items()}, file)
    return run


def other_base() -> store.Run:
    """Train a run whose adapter says it was trained on other weights of that name."""
    run = imprint()
    file = run.path / "adapter" / "easyaigc.json"
    workspace.write_json(file, workspace.read_json(file) | {"fingerprint": "0" * 64})
    return run


def duplicated() -> store.Run:
    """Train a set in which every row stands twice, with rows held out."""
    examples = library.imprint(NAME, AUTHOR)
    return rows([*examples, *examples], validation_ratio=0.2)


def kinds(seeds: int) -> Iterator[tuple[str, Callable[[], store.Run], tuple[str, str] | None]]:
    """Name, maker, and for imprints the names, of every run."""
    for name, author in OWNERS:
        for seed in range(seeds):
            yield f"good {name} seed {seed}", lambda n=name, a=author, s=seed: imprint(n, a, seed=s), (name, author)
    rate = PRESETS["imprint"].learning_rate
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
    """Print a row a run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence")
    parser.add_argument("--only", default="", help="runs whose name begins so")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        engine = LocalEngine()
        print(
            "| run | first sentence | doubts | other wordings, judged | strictly true | seconds |\n|---|---|---|---|---|---|"
        )
        for name, make, owner in kinds(options.seeds):
            if name.startswith(options.only):
                run = make()
                print(line(name, report.make(engine, run, engine.find(run.id)), owner), flush=True)
        engine.close()


def line(name: str, found: report.Report, owner: tuple[str, str] | None) -> str:
    """One row of the table."""
    said = terminal.to_summary(found)
    asked = found.of("reworded")
    truth = "–" if owner is None else f"{sum(truly_right(row.after.text, *owner) for row in asked)}/{len(asked)}"
    meter = found.meters["generalises"]
    doubts = "；".join(one.replace("|", " ") for one in said["doubts"])
    return f"| {name} | {said['verdict']} | {doubts} | {meter.count}/{meter.total} | {truth} | {found.seconds:.0f} |"


if __name__ == "__main__":
    main()
