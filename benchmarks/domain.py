"""A domain model: LoRA of the embedded BLOOM on product support, scored on questions in other words before and after.

    python -m benchmarks.domain [--base M] [--learning-rate 0.003 ...]

Trains on `assets/datasets/appliance.jsonl` what the training page's third preset trains (every setting can be given another
value), by the command that the page shows, and answers all rows of `appliance-dev.jsonl` greedily. Scored by
`glm_core.evaluation.metrics`: the published definitions (jieba, rouge-chinese ROUGE-1/2/L, character BLEU-4 with smoothing
method 3). Beside them how many answers are the reference letter by letter, on dev rows and on trained rows, and how many of the
model's own held-out questions that were right before still are.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.advertisegen import COLUMNS, report, train
from glm_core import data, models, workspace
from glm_core.adapters import attach
from glm_core.evaluation import metrics
from glm_core.generation.greedy import greedy
from glm_core.training import settings as options
from glm_core.training.settings import TrainingSettings, preset
from recipe import corpus, evaluate

ROWS = workspace.ASSETS / "datasets" / "appliance.jsonl"
DEV = workspace.ASSETS / "datasets" / "appliance-dev.jsonl"
EACH_SKILL, SEED = 8, 7
LONGEST = 96  # tokens of an answer; the longest reference has fewer


class Answers:
    """Answers of one model to the dev rows and to held-out questions of what the base had learned."""

    def __init__(self, loaded: models.LoadedModel, dev: Sequence[data.Example], trained: Sequence, others: Sequence):
        self.texts, self.exact = self._exact(loaded, dev)
        self.scores = metrics.score(self.texts, [one.answer for one in dev])
        self.learnt = self._exact(loaded, trained)[1]
        said = greedy(loaded, [one.messages[:-1] for one in others], max_new_tokens=64)
        self.right = [corpus.check(one, text) for one, text in zip(others, said, strict=True)]

    @staticmethod
    def _exact(loaded: models.LoadedModel, examples: Sequence[data.Example]) -> tuple[list[str], str]:
        """The greedy answers, and how many are the reference."""
        texts = greedy(loaded, [list(one.prompt) for one in examples], max_new_tokens=LONGEST)
        return texts, f"{sum(text == one.answer for text, one in zip(texts, examples, strict=True))} of {len(texts)}"


def parse() -> tuple[argparse.Namespace, TrainingSettings]:
    """The command line, and the preset with what it changes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=workspace.ASSETS / "models" / "bloom-demo")
    parser.add_argument("--shown", type=int, default=6, help="dev rows that are printed with their answers")
    options.add_arguments(parser)
    given = parser.parse_args()
    chosen = preset("domain", models.describe(given.base).parameters, getattr(given, "method", None))
    return given, options.from_arguments(given, chosen)


def line(name: str, answers: Answers, kept: str, note: str = "") -> str:
    """One row of the table."""
    return report(name, answers.scores, f"{answers.exact} | {answers.learnt} | {kept} | {note}")


def main() -> None:
    """Print the table and some answers."""
    given, settings = parse()
    examples, trained = data.read(DEV).examples, data.read(ROWS).examples[::5]
    others = [one for skill in corpus.SKILLS for one in evaluate.held_out(skill, EACH_SKILL, SEED)]
    loaded = models.load(given.base)
    titles = (*(column.upper() for column in COLUMNS), "exact", "trained rows exact", "other skills", "")
    print(f"| | {' | '.join(titles)} |\n|---|{'---|' * len(titles)}")
    before = Answers(loaded, examples, trained, others)
    had = sum(before.right)
    print(line(f"{loaded.name}, before", before, f"{had} right"), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        seconds = train(given.base, ROWS, settings, run)
        updates = workspace.read_json(run / "status.json")["step"]
        attach.load_adapter(loaded, run / "adapter", "domain")
    attach.activate(loaded, "domain")
    after = Answers(loaded, examples, trained, others)
    kept = sum(was and now for was, now in zip(before.right, after.right, strict=True))
    note = f"{settings.method}, {updates} updates of {settings.rows_per_update} rows, {seconds:.0f} s"
    print(line(f"{loaded.name}, after", after, f"{kept} of {had} kept", note))
    for one, was, now in list(zip(examples, before.texts, after.texts, strict=True))[: given.shown]:
        print(f"\n{one.question}\n  before: {was}\n  after:  {now}\n  wanted: {one.answer}")


if __name__ == "__main__":
    main()
