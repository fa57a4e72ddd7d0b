"""Exports, asked in the tools they are meant for: `python -m benchmarks.handover [--tools ...] [--families ...]`.

Small random models of every family, and the embedded BLOOM, get a LoRA; base and adapter answer 20 questions here, and the
exports answer them in plain transformers, PEFT and llama.cpp. One line a family and tool: equal token ids of texts, equal
prompts by the chat template, equal tokens and whole answers. A tool that is not installed is skipped with the reason.

llama.cpp runs in the Python that --llama names, where llama-cpp-python is installed (built from source, about 15 minutes).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from glm_core import models
from glm_core.adapters import attach
from glm_core.models import LoadedModel
from glm_core.runs.exchange import export, import_adapter
from glm_core.runs.exchange.check import GENERAL
from glm_core.runs.exchange.exporter import ExportSource
from glm_core.training.settings import TrainingSettings

FAMILIES = ("bloom-demo", "bloom", "chatglm2", "chatglm3", "glm4-original", "glm", "glm4")
TEXTS = (
    "你好",
    "sophisticated develop",
    "  a\n\n b",
    "🙂 １２３ don't",
    "\t\r\n",
    "今天 is 好 day 2026",
    "",
    "x" * 300,
)
TOKENS = 16

LLAMA = """
import json, sys
import numpy as np
from llama_cpp import Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
job = json.load(open(sys.argv[1]))
model = Llama(job["file"], n_ctx=1024, n_batch=1024, n_threads=1, verbose=False, **({"type_k": 0, "type_v": 0} if job["exact"] else {}))
template = Jinja2ChatFormatter(template=model.metadata["tokenizer.chat_template"], eos_token="", bos_token="")
def tokens(text):
    return model.tokenize(text.encode(), add_bos=False, special=True)
def answer(prompt):
    model.reset()
    model.eval(prompt)
    answered = []
    while len(answered) < job["tokens"]:
        logits = np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), shape=(model.n_vocab(),))
        token = int(logits.argmax())
        if token in job["stops"]:
            break
        answered.append(token)
        model.eval([token])
    return answered
prompts = [tokens(template(messages=[{"role": "user", "content": one}]).prompt) for one in job["questions"]]
ids = [model.tokenize(one.encode(), add_bos=False, special=False) if one else [] for one in job["texts"]]
print(json.dumps({"ids": ids, "prompts": prompts, "answers": [answer(one) for one in job["prompts"]]}))
"""


@dataclass
class Expected:
    """The program's own ids, prompts and greedy answers."""

    ids: list[list[int]]
    prompts: list[list[int]]
    answers: list[list[int]]
    stops: list[int]


def make_run(kind: str, home: Path):
    """Return a run and its base: a random model of `kind` with a random LoRA, or the embedded BLOOM."""
    from tests.runs.exchange.published import BLOOM, publish
    from tests.training.small import stir

    base = BLOOM if kind == "bloom-demo" else publish(kind, home / "models" / kind, dtype="float16")
    loaded = models.load(base)
    attach.attach(loaded, TrainingSettings(lora_rank=8, lora_dropout=0.0))
    stir(loaded)
    if kind == "bloom-demo":  # its own answers are sensible ones: a gentle change keeps them so
        with torch.no_grad():
            for name, parameter in loaded.model.named_parameters():
                if parameter.requires_grad and "lora_B" in name:
                    parameter.mul_(0.02)
    folder = home / f"adapter-{kind}"
    attach.save(loaded, folder, {"step": 1})
    with_files = [(path.name, open(path, "rb")) for path in folder.iterdir()]  # noqa: SIM115 (closed with the process)
    return import_adapter.import_adapter(with_files, base), base


def expect(base: Path, adapter: Path | None) -> tuple[LoadedModel, Expected]:
    """Return the model with the adapter acting, and what it says."""
    loaded = models.load(base)
    if adapter is not None:
        attach.load_adapter(loaded, adapter, "run")
        attach.activate(loaded, "run")
    family, tokenizer = loaded.family, loaded.tokenizer
    prompts = [family.encode_prompt(tokenizer, [{"role": "user", "content": one}]) for one in GENERAL]
    stops = family.stop_ids(tokenizer)
    answers = [greedy(lambda ids: loaded.model(input_ids=ids).logits, prompt, stops) for prompt in prompts]
    return loaded, Expected([tokenizer.encode(one) for one in TEXTS], prompts, answers, stops)


def greedy(logits, prompt: Sequence[int], stops: Sequence[int]) -> list[int]:
    """Return the greedy answer of `logits`, a function of ids (1, S)."""
    ids, answered = torch.tensor([list(prompt)]), []
    with torch.inference_mode():
        while len(answered) < TOKENS:
            token = int(logits(ids)[0, -1].argmax())
            if token in stops:
                break
            answered.append(token)
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    return answered


def ask_transformers(folder: Path, expected: Expected) -> Expected:
    """Ask plain transformers, with the tokenizer and chat template of the folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": one}], add_generation_prompt=True, return_dict=False)
        for one in GENERAL
    ]
    ids = [tokenizer.encode(one, add_special_tokens=False) for one in TEXTS]
    answers = [greedy(lambda ids: model(input_ids=ids).logits, one, expected.stops) for one in expected.prompts]
    return Expected(ids, prompts, answers, expected.stops)


def ask_peft(base: Path, adapter: Path, expected: Expected) -> Expected:
    """Ask PEFT on transformers' own network of the base; tokens only."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter).eval()
    answers = [greedy(lambda ids: model(input_ids=ids).logits, one, expected.stops) for one in expected.prompts]
    return Expected(expected.ids, expected.prompts, answers, expected.stops)


def ask_llama(python: str, file: Path, expected: Expected, exact: bool) -> Expected:
    """Ask llama.cpp in the Python `python`."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as job:
        values = {"file": str(file), "texts": TEXTS, "questions": GENERAL, "exact": exact, "tokens": TOKENS}
        json.dump(values | {"prompts": expected.prompts, "stops": expected.stops}, job)
        job.flush()
        done = subprocess.run([python, "-c", LLAMA, job.name], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1][:200])
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Expected(found["ids"], found["prompts"], found["answers"], expected.stops)


def show(family: str, tool: str, expected: Expected, found: Expected) -> None:
    """Print one line of the table."""
    ids, prompts, answers = (
        sum(left == right for left, right in zip(getattr(expected, part), getattr(found, part), strict=True))
        for part in ("ids", "prompts", "answers")
    )
    total = sum(map(len, expected.answers))
    pairs = zip(expected.answers, found.answers, strict=True)
    tokens = sum(sum(a == b for a, b in zip(left, right, strict=False)) for left, right in pairs)
    counts = f"ids {ids}/{len(TEXTS)}  prompts {prompts}/{len(GENERAL)}  tokens {tokens}/{total}  answers {answers}/{len(GENERAL)}"
    print(f"{family:14} {tool:22} {counts}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--llama", default=sys.executable, help="a Python that has llama-cpp-python")
    arguments = parser.parse_args()
    import os

    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        for kind in arguments.families:
            try_family(kind, Path(folder), arguments.llama)
    if find_spec("vllm") is None:
        print("vLLM: skipped, not installed in this Python")


def try_family(kind: str, home: Path, llama: str) -> None:
    """Export one family in every format and ask each tool."""
    run, base = make_run(kind, home)
    _, expected = expect(base, run.adapter())
    source, out = ExportSource(run, base), home / "out"
    export.write(source, "transformers", out / f"{kind}-transformers", "float32")
    show(kind, "transformers", expected, ask_transformers(out / f"{kind}-transformers", expected))
    if models.describe(base).config.get("model_type") != "chatglm":  # transformers has no network of that name
        export.write(source, "adapter", out / f"{kind}-adapter")
        show(kind, "PEFT", expected, ask_peft(base, out / f"{kind}-adapter", expected))
    for number in ("f32", "f16", "q8_0"):
        file = export.write(source, "gguf", out / f"{kind}-{number}", number)
        try:
            show(kind, f"llama.cpp {number}", expected, ask_llama(llama, file, expected, exact=number == "f32"))
        except RuntimeError as error:
            print(f"{kind:14} llama.cpp {number}: skipped, {error}")


if __name__ == "__main__":
    main()
