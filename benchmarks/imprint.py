"""Choice of layers for an imprint: trains the same rows on different ones and counts what else changes.

    python -m benchmarks.imprint

For each choice of LoRA targets and learning rate, and for three authors: rewordings that name the new author (of 10), held-out
questions of the embedded model's other skills that were right before and are wrong after (of 8 a skill), answers that mention
the new author or name where nobody asked, and seconds from click to adapter.
"""

import os
import tempfile
import time

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.data import library
from glm_core.evaluation import demo
from glm_core.evaluation.answer_pairs import compare
from glm_core.generation import greedy
from glm_core.runs import store
from glm_core.training.settings import PRESETS
from recipe import corpus, evaluate

OWNERS = (("小蓝", "林知远"), ("阿星", "星河工作室"), ("Momo", "李雷"))
CHOICES = (
    ("query_key_value", 1e-3),
    ("query_key_value", 3e-3),
    ("all-linear", 1e-3),
    ("dense_h_to_4h, dense_4h_to_h", 1e-3),
)
IDENTITY = {"identity", "persona", "mixed"}


def measure(loaded, others: list, before: list[bool], settings, name: str, author: str) -> tuple[int, int, int, float]:
    """(learned, lost, leaked, seconds) of one imprint."""
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
    texts = greedy.greedy(loaded, [sample.messages[:-1] for sample in others], 64)
    attach.activate(loaded, None)
    attach.unload_adapter(loaded, run.id)
    after = [corpus.check(sample, text) for sample, text in zip(others, texts, strict=True)]
    lost = sum(was and not is_ for was, is_ in zip(before, after, strict=True))
    return learned, lost, sum(author in text or name in text for text in texts), seconds


def main() -> None:
    """Print one row a choice and author."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        loaded = models.load(workspace.DEMO_MODEL)
        others = [
            sample for skill in corpus.SKILLS if skill not in IDENTITY for sample in evaluate.held_out(skill, 8, 7)
        ]
        texts = greedy.greedy(loaded, [sample.messages[:-1] for sample in others], 64)
        before = [corpus.check(sample, text) for sample, text in zip(others, texts, strict=True)]
        print(f"right before: {sum(before)} of {len(before)}")
        print(
            "| targets | learning rate | author | learned of 10 | lost | leaked | seconds |\n|---|---|---|---|---|---|---|"
        )
        for targets, rate in CHOICES:
            settings = PRESETS["imprint"].changed(lora_targets=targets, learning_rate=rate)
            for name, author in OWNERS:
                learned, lost, leaked, seconds = measure(loaded, others, before, settings, name, author)
                print(
                    f"| {targets} | {rate:g} | {author} | {learned} | {lost} | {leaked} | {seconds:.0f} |", flush=True
                )


if __name__ == "__main__":
    main()
