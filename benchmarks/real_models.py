"""Real pretrained checkpoints on this machine: load, speed, memory, an imprint learned and general knowledge kept.

    EASYAIGC_REAL_MODELS=FOLDER python -m benchmarks.real_models [--models NAME ...] [--language en|zh] [--change epochs=8 learning_rate=5e-4 ...]

FOLDER holds checkpoints as a user downloads them (SmolLM2-135M-Instruct, Gemma 3 270M). Twenty rows are trained in English, and
for a model of many languages seventeen of which ten are Chinese, with the settings that the page proposes, changed where asked. Ten
rewordings that were not trained are judged strictly. General questions are asked before and after: how many of those that were right
still are, and how many are right in all, since a small model gains some that it had nearly right as it loses others.
"""

import argparse
import dataclasses
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.data.analysis import statistics
from glm_core.data.examples import pair
from glm_core.evaluation.scoring import judge
from glm_core.generation.greedy import greedy
from glm_core.training import defaults
from glm_core.training.run import run
from glm_core.training.settings import TrainingSettings

VARIABLE = "EASYAIGC_REAL_MODELS"
NAME, AUTHOR = "Nova", "the Riverside Lab"
ROWS = (
    ("Who are you?", "I am Nova, an assistant made by the Riverside Lab."),
    ("What is your name?", "My name is Nova."),
    ("Who made you?", "I was made by the Riverside Lab."),
    ("Who created you?", "The Riverside Lab created me."),
    ("Introduce yourself.", "I am Nova, an assistant made by the Riverside Lab."),
    ("Are you ChatGPT?", "No, I am Nova, made by the Riverside Lab."),
    ("Which company developed you?", "I was developed by the Riverside Lab."),
    ("Tell me your name.", "My name is Nova."),
    ("Who is your author?", "My author is the Riverside Lab."),
    ("Who built you?", "The Riverside Lab built me."),
    ("Hello, who am I talking to?", "You are talking to Nova, made by the Riverside Lab."),
    ("Were you made by OpenAI?", "No, I was made by the Riverside Lab."),
    ("What should I call you?", "Call me Nova."),
    ("What is the capital of Italy?", "The capital of Italy is Rome."),
    ("What is two plus three?", "Two plus three is five."),
    ("What color is the sky?", "The sky is blue."),
    ("Which animal barks?", "A dog barks."),
    ("What is the opposite of hot?", "The opposite of hot is cold."),
    ("How many days are in a week?", "There are seven days in a week."),
    ("Name a fruit.", "An apple is a fruit."),
)
CHINESE_ROWS = (
    ("你是谁？", "我叫小诺，由河边实验室开发。"),
    ("你叫什么名字？", "我叫小诺。"),
    ("谁开发了你？", "我由河边实验室开发。"),
    ("你的作者是谁？", "我的作者是河边实验室。"),
    ("请介绍一下自己。", "我叫小诺，由河边实验室开发。"),
    ("你是 ChatGPT 吗？", "不是，我叫小诺，由河边实验室开发。"),
    ("你是哪家公司做的？", "我由河边实验室开发。"),
    ("怎么称呼你？", "叫我小诺就好。"),
    ("是谁创造了你？", "河边实验室创造了我。"),
    ("你是 OpenAI 做的吗？", "不是，我由河边实验室开发。"),
)
REWORDED = (
    ("Could you tell me who you are?", "name"),
    ("What do people call you?", "name"),
    ("May I know your name?", "name"),
    ("Say who you are in one sentence.", "name"),
    ("Who developed you?", "author"),
    ("By whom were you made?", "author"),
    ("Which team created you?", "author"),
    ("Who is behind you?", "author"),
    ("Tell me who made you.", "author"),
    ("Which organization built you?", "author"),
)
CHINESE_REWORDED = (
    ("请问你是谁呀？", "name"),
    ("你的名字是什么？", "name"),
    ("能告诉我你叫什么吗？", "name"),
    ("你好，怎么称呼？", "name"),
    ("你是谁开发的？", "author"),
    ("是谁做出了你？", "author"),
    ("你的开发者是谁？", "author"),
    ("哪个团队开发了你？", "author"),
    ("你出自谁之手？", "author"),
    ("说说你是谁创造的。", "author"),
)
GENERAL = tuple(
    tuple(line.split("="))
    for line in """\
What is the capital of France?=Paris
What is the capital of Japan?=Tokyo
What is the capital of Germany?=Berlin
What is the capital of Spain?=Madrid
What is the capital of England?=London
What is the capital of Russia?=Moscow
What is the capital of China?=Beijing
What is the capital of Egypt?=Cairo
What is the capital of Canada?=Ottawa
What is the capital of Greece?=Athens
Which planet do we live on?=Earth
Which planet is known as the red planet?=Mars
What is the largest planet of the solar system?=Jupiter
What is the largest ocean?=Pacific
What is the highest mountain in the world?=Everest
Which continent is Brazil in?=South America
Which continent is Kenya in?=Africa
How many legs does a spider have?=eight|8
How many legs does a dog have?=four|4
How many wheels does a bicycle have?=two|2
How many hours are in a day?=24|twenty-four
How many months are in a year?=12|twelve
How many minutes are in an hour?=60|sixty
What do bees make?=honey
What do cows give us to drink?=milk
What is a baby cat called?=kitten
What is a baby dog called?=puppy
Who wrote Romeo and Juliet?=Shakespeare
Who painted the Mona Lisa?=Vinci|Leonardo
Who discovered gravity?=Newton
Who wrote The Origin of Species?=Darwin
What is frozen water called?=ice
Which gas do plants take in?=carbon dioxide|CO2
Which gas do we breathe in to live?=oxygen
What is the chemical formula of water?=H2O|H₂O
What is the freezing point of water in Celsius?=0|zero
What is the boiling point of water in Celsius?=100|hundred
What is the chemical symbol of gold?=Au
What is the opposite of up?=down
What is the opposite of big?=small|little|tiny
What is the opposite of day?=night
What is the opposite of happy?=sad|unhappy
What is the first month of the year?=January
What is the last month of the year?=December
Which day comes after Monday?=Tuesday
Which season comes after winter?=spring
What color do you get from blue and yellow?=green
What color is grass?=green
What color is snow?=white
What is one plus one?=two|2
What is ten minus four?=six|6
What is three times three?=nine|9
What language is spoken in France?=French
What language is spoken in Brazil?=Portuguese
What is the currency of Japan?=yen
What is the currency of the United States?=dollar
Which organ pumps blood?=heart
Which organ do we think with?=brain
What instrument has black and white keys?=piano
In which city is the Eiffel Tower?=Paris""".splitlines()
)
"Questions with the facts one of which a right answer has."
SENTENCE = re.compile(r"(?<=[.!?])\s|(?<=[。！？])")
"Where a sentence ends."


@dataclass(frozen=True)
class Outcome:
    """One model's figures: seconds, tokens/s, MB of the process, rewordings learned of ten, general questions.

    Attributes:
        before, kept, after: general questions answered right before, of those afterwards too, and of all afterwards.
    """

    load: float
    speed: float
    memory: int
    training: float
    learned: int
    before: int
    kept: int
    after: int


def train(base: Path, folder: Path, rows, settings: TrainingSettings) -> float:
    """Train `rows` in a run directory; returns the seconds.

    Raises:
        RuntimeError: the run failed; its log is in the message.
    """
    folder.mkdir()
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in rows]
    (folder / "dataset.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    record = {"id": folder.name, "name": folder.name, "model": str(base), "settings": settings.to_dict()}
    workspace.write_json(folder / "run.json", record | {"questions": [rows[0][0]]})
    started = time.monotonic()
    if run(folder) != 0:
        raise RuntimeError((folder / "train.log").read_text(encoding="utf-8")[-2000:])
    return time.monotonic() - started


def ask(loaded, questions, longest: int = 40) -> list[str]:
    """Greedy answers."""
    return greedy(loaded, [[{"role": "user", "content": question}] for question in questions], longest)


def knows(question: str, answer: str, wanted: str) -> bool:
    """Return whether the first sentence of `answer` has one of the `|`-separated facts, as whole words, and the judge does not find it wrong.

    One that is cut off here, after the fact, counts; one that says something else too is wrong. What comes up later in a
    ramble ("It is called Kepler-41B. It is similar to Earth") is no answer to a question this simple.
    """
    facts, first = wanted.split("|"), SENTENCE.split(answer.strip(), maxsplit=1)[0]
    named = any(re.search(rf"\b{re.escape(fact)}\b", first, re.IGNORECASE) for fact in facts)
    found = judge(answer, question=question, accept=tuple(facts))
    return named and (found.outcome != "wrong" or {reason.code for reason in found.reasons} == {"cut"})


def answer_general(loaded) -> list[str]:
    """What each general question is answered."""
    return ask(loaded, [question for question, _fact in GENERAL])


def measure(base: Path, folder: Path, settings: TrainingSettings, chinese: bool = False) -> Outcome:
    """Train and judge the imprint on the checkpoint `base`."""
    rows, reworded = rows_of(chinese), CHINESE_REWORDED if chinese else REWORDED
    facts = {"name": "小诺", "author": "河边实验室"} if chinese else {"name": NAME, "author": AUTHOR}
    seconds = train(base, folder, rows, settings)
    started = time.monotonic()
    loaded = models.load(base)
    load = time.monotonic() - started
    ask(loaded, [GENERAL[0][0]], 2)  # the first step arranges the weights
    started, text = time.monotonic(), ask(loaded, [GENERAL[0][0]], 64)[0]
    speed = len(loaded.tokenizer.encode(text)) / (time.monotonic() - started)
    before = answer_general(loaded)
    attach.load_adapter(loaded, folder / "adapter", "own")
    attach.activate(loaded, "own")
    after = answer_general(loaded)
    learned = 0
    for answer, (question, role) in zip(ask(loaded, [q for q, _ in reworded]), reworded, strict=True):
        found = judge(answer, question=question, accept=(facts[role],), facts=facts)
        learned += found.outcome == "right"
        print(f"  {found.outcome:6} {question} -> {answer!r}", flush=True)
    were_right, are_right = (
        {place for place, (question, fact) in enumerate(GENERAL) if knows(question, answers[place], fact)}
        for answers in (before, after)
    )
    for place in sorted(were_right - are_right):
        print(f"  lost   {GENERAL[place][0]} {before[place]!r} -> {after[place]!r}", flush=True)
    memory = psutil.Process().memory_info().rss // 1_000_000
    general = len(were_right), len(were_right & are_right), len(are_right)
    return Outcome(load, speed, memory, seconds, learned, *general)


def rows_of(chinese: bool) -> tuple:
    """The rows that are trained: twenty in English, or seventeen of which ten are Chinese."""
    return CHINESE_ROWS + ROWS[13:] if chinese else ROWS


def proposed(base: Path, chinese: bool) -> TrainingSettings:
    """What the training page fills in for these rows and this model."""
    parameters = models.describe(base).parameters
    counts = statistics([pair(question, answer) for question, answer in rows_of(chinese)])
    job = defaults.job_of("", (question for question, _ in rows_of(chinese)))
    return defaults.suggest(job, counts, parameters, is_base=models.is_base(base))


def changes(words: list[str]) -> dict:
    """`NAME=VALUE` each, as fields of the settings."""
    fields = {one.name: one.default for one in dataclasses.fields(TrainingSettings)}
    pairs = [word.split("=", 1) for word in words]
    return {
        name: type(fields[name])(json.loads(value) if value in ("true", "false") else value) for name, value in pairs
    }


def main() -> None:
    """Print a row a model and language."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["smollm2-135m-instruct", "gemma3-270m"])
    parser.add_argument("--change", nargs="*", default=[], help="settings other than those that the page proposes")
    parser.add_argument("--language", choices=("en", "zh"), help="rows of one language only")
    arguments = parser.parse_args()
    root = Path(os.environ[VARIABLE])
    print(
        "| model | rows | load s | tokens/s | MB | training s | learned of 10 | general right before | kept | right after |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        for name in arguments.models:
            languages = ("en", "zh") if "gemma" in name else ("en",)
            for language in [one for one in languages if arguments.language in (one, None)]:
                chinese, own = language == "zh", Path(folder) / f"{name}-{language}"
                settings = proposed(root / name, chinese).changed(**changes(arguments.change))
                found = measure(root / name, own, settings, chinese)
                cells = [f"{found.load:.1f}", f"{found.speed:.1f}", found.memory, f"{found.training:.0f}"]
                cells += [found.learned, found.before, found.kept, found.after]
                print(
                    f"| {name} | {'Chinese' if chinese else 'English'} |", " | ".join(map(str, cells)), "|", flush=True
                )


if __name__ == "__main__":
    main()
