"""Exports, asked in the tools they are meant for: `python -m benchmarks.handover [--families ...] [--models FOLDER ...]`.

Small random models of every family, the embedded BLOOM and the models in the folders of --models get a LoRA; base and adapter
answer 20 questions here, and the exports answer them in plain transformers, PEFT, llama.cpp and vLLM. One line a family and
tool: equal token ids of texts, equal prompts by the chat template, equal tokens and whole answers, of llama.cpp also equal
tokens after the same text (one other token makes all behind it others), and, where an answer differs, by how many logits the
two tokens were apart here at most: random networks have near ties, which rounding turns over.
A tool that is not installed is skipped with the reason.

llama.cpp runs in the Python that --llama names, where llama-cpp-python is installed (built from source, about 15 minutes);
vLLM in the Python that --vllm names.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from glm_core import models
from glm_core.adapters import attach
from glm_core.runs.exchange import export, import_adapter
from glm_core.runs.exchange.check import GENERAL
from glm_core.runs.exchange.exporter import ExportSource
from glm_core.runs.exchange.gguf.write import write_gguf
from glm_core.training.settings import TrainingSettings

FAMILIES = (
    *("bloom-demo", "bloom", "chatglm2", "chatglm3", "glm4-original", "glm", "glm4", "glm-edge", "glm-z1"),
    *("llama", "qwen2", "qwen3", "gemma3_text", "phi3", "granite"),
)
EMBEDDED = "bloom-demo"
VLLM_FAMILIES = ("bloom-demo", "chatglm3", "glm")
"Merged, by the fused adapter on the official layout, and by a LoRA on the base."
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
HEAD = 32  # numbers of a head of the random networks; vLLM's CPU build takes no fewer

LLAMA = """
import json, sys
import numpy as np
from llama_cpp import Llama
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
job = json.load(open(sys.argv[1]))
model = Llama(job["file"], lora_path=job["adapter"], n_ctx=1024, n_batch=1024, n_threads=1, verbose=False, **({"type_k": 0, "type_v": 0} if job["exact"] else {}))
def spelled(name):
    number = model.metadata.get(f"tokenizer.ggml.{name}_token_id")
    return model._model.token_get_text(int(number)) if number else ""
written = model.metadata.get("tokenizer.chat_template", "")
template = Jinja2ChatFormatter(template=written, eos_token=spelled("eos"), bos_token=spelled("bos"))
def tokens(text):
    return model.tokenize(text.encode(), add_bos=False, special=True)
def likeliest():
    return int(np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), shape=(model.n_vocab(),)).argmax())
def follow(prompt, given):
    model.reset()
    model.eval(prompt)
    found = []
    for token in given:
        found.append(likeliest())
        model.eval([token])
    return found
def answer(prompt):
    model.reset()
    model.eval(prompt)
    answered = []
    while len(answered) < job["tokens"]:
        token = likeliest()
        if token in job["stops"]:
            break
        answered.append(token)
        model.eval([token])
    return answered
asked = [{"role": "user", "content": one} for one in job["questions"]]
prompts = [tokens(template(messages=[one]).prompt) for one in asked] if written else job["prompts"]
ids = [model.tokenize(one.encode(), add_bos=False, special=False) if one else [] for one in job["texts"]]
followed = [follow(*one) for one in zip(job["prompts"], job["answers"])]
found = {"ids": ids, "prompts": prompts, "answers": [answer(one) for one in job["prompts"]], "followed": followed}
print(json.dumps(found))
"""


VLLM = """
import json, sys
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest
job = json.load(open(sys.argv[1]))
lora = job["adapter"]
model = LLM(model=job["folder"], dtype="float32", enforce_eager=True, max_model_len=1024, skip_tokenizer_init=True,
            trust_remote_code=False, enable_lora=bool(lora), max_lora_rank=64)
sampling = SamplingParams(temperature=0, max_tokens=job["tokens"], stop_token_ids=job["stops"], detokenize=False)
asked = [{"prompt_token_ids": prompt} for prompt in job["prompts"]]
found = model.generate(asked, sampling, lora_request=LoRARequest("run", 1, lora) if lora else None)
answers = [[token for token in one.outputs[0].token_ids if token not in job["stops"]] for one in found]
print(json.dumps({"answers": answers}))
"""


@dataclass
class Expected:
    """Ids, prompts and greedy answers: the program's own, or a tool's.

    Attributes:
        logits: of every answered token and the one after, by the program.
        followed: the tool's likeliest token at every place of the program's answers, which it is given.
    """

    ids: list[list[int]]
    prompts: list[list[int]]
    answers: list[list[int]]
    stops: list[int]
    logits: Sequence[list[torch.Tensor]] = ()
    followed: Sequence[list[int]] = ()


def make_run(kind: str, home: Path, folder: Path | None = None):
    """Return a run and its base: a random model of `kind` with a random LoRA, or a trained one that a LoRA changes gently.

    Args:
        folder: of a trained model; the embedded BLOOM is one.
    """
    from tests.runs.exchange.published import BLOOM, publish
    from tests.training.small import stir

    trained = BLOOM if kind == EMBEDDED else folder
    base = trained or publish(kind, home / "models" / kind, dtype="float16", head=HEAD)
    loaded = models.load(base)
    attach.attach(loaded, TrainingSettings(lora_rank=8, lora_dropout=0.0))
    stir(loaded)
    if trained:  # its own answers are sensible ones: a gentle change keeps them so
        with torch.no_grad():
            for name, parameter in loaded.model.named_parameters():
                if parameter.requires_grad and "lora_B" in name:
                    parameter.mul_(0.02)
    saved = home / f"adapter-{kind}"
    attach.save(loaded, saved, {"step": 1})
    with_files = [(path.name, open(path, "rb")) for path in saved.iterdir()]  # noqa: SIM115 (closed with the process)
    return import_adapter.import_adapter(with_files, base), base


def expect(base: Path, adapter: Path | None) -> Expected:
    """Return what the model says with the adapter acting."""
    loaded = models.load(base)
    if adapter is not None:
        attach.load_adapter(loaded, adapter, "run")
        attach.activate(loaded, "run")
    family, tokenizer = loaded.family, loaded.tokenizer
    prompts = [family.encode_prompt(tokenizer, [{"role": "user", "content": one}]) for one in GENERAL]
    stops = family.stop_ids(tokenizer)
    answered = [greedy(loaded.model, prompt, stops) for prompt in prompts]
    answers, logits = map(list, zip(*answered, strict=True))
    return Expected([tokenizer.encode(one) for one in TEXTS], prompts, answers, stops, logits)


def greedy(model: torch.nn.Module, prompt: Sequence[int], stops: Sequence[int]) -> tuple[list[int], list[torch.Tensor]]:
    """Return the greedy answer of `model`, and the logits that each token was chosen from."""
    ids, cache, answered, seen = torch.tensor([list(prompt)]), None, [], []
    with torch.inference_mode():
        while len(answered) < TOKENS:
            found = model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = found.past_key_values
            seen.append(found.logits[0, -1].float())
            token = int(seen[-1].argmax())
            if token in stops:
                break
            answered.append(token)
            ids = torch.tensor([[token]])
    return answered, seen


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
    answers = [greedy(model, one, expected.stops)[0] for one in expected.prompts]
    return Expected(ids, prompts, answers, expected.stops)


def ask_peft(base: Path, adapter: Path, expected: Expected) -> Expected:
    """Ask PEFT on transformers' own network of the base; tokens only."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter).eval()
    answers = [greedy(model, one, expected.stops)[0] for one in expected.prompts]
    return Expected(expected.ids, expected.prompts, answers, expected.stops)


def ask_llama(python: str, file: Path, expected: Expected, exact: bool, adapter: Path | None = None) -> Expected:
    """Ask llama.cpp in the Python `python`."""
    values = {
        "file": str(file),
        "adapter": adapter and str(adapter),
        "texts": TEXTS,
        "questions": GENERAL,
        "exact": exact,
    }
    found = _ask(python, LLAMA, values, expected)
    return Expected(found["ids"], found["prompts"], found["answers"], expected.stops, followed=found["followed"])


def ask_vllm(python: str, folder: Path, expected: Expected, adapter: Path | None = None) -> Expected:
    """Ask vLLM in the Python `python`, by ids."""
    found = _ask(python, VLLM, {"folder": str(folder), "adapter": adapter and str(adapter)}, expected)
    return Expected(expected.ids, expected.prompts, found["answers"], expected.stops)


def _ask(python: str, script: str, values: dict, expected: Expected) -> dict:
    """Run `script` on the questions; a RuntimeError where the tool is not there or fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as job:
        given = {"prompts": expected.prompts, "answers": expected.answers, "stops": expected.stops, "tokens": TOKENS}
        json.dump(values | given, job)
        job.flush()
        settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        done = subprocess.run(
            [python, "-c", script, job.name], capture_output=True, text=True, env=os.environ | settings
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["-"]
        raise RuntimeError(next((line for line in reversed(lines) if "Error" in line), lines[-1])[:300])
    return json.loads(done.stdout.strip().splitlines()[-1])


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
    if found.followed:
        parts = zip(expected.answers, found.followed, strict=True)
        counts += f"  after the same text {sum(a == b for part in parts for a, b in zip(*part, strict=True))}/{total}"
    gap = widest_gap(expected, found)
    print(f"{family:22} {tool:22} {counts}" + (f"  at most {gap:.3f} logits apart" if gap else ""), flush=True)


def widest_gap(expected: Expected, found: Expected) -> float:
    """Return how far apart, at most, the program's logits of its token and of the tool's were where answers part."""
    widest = 0.0
    for ours, theirs, logits in zip(expected.answers, found.answers, expected.logits, strict=True):
        place = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
        if place is not None:
            widest = max(widest, float(logits[place][ours[place]] - logits[place][theirs[place]]))
    return widest


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--models", nargs="*", type=Path, default=[], help="folders of trained models")
    parser.add_argument("--llama", default=sys.executable, help="a Python that has llama-cpp-python")
    parser.add_argument("--vllm", help="a Python that has vLLM")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EASYAIGC_HOME"] = folder
        named = [(kind, None) for kind in arguments.families] + [(one.name, one) for one in arguments.models]
        for kind, model in named:
            try_family(kind, Path(folder), arguments, model)
    if arguments.vllm is None:
        print("vLLM: skipped, no --vllm with a Python that has it")


def try_family(kind: str, home: Path, arguments: argparse.Namespace, model: Path | None) -> None:
    """Export one family in every format and ask each tool."""
    run, base = make_run(kind, home, model)
    expected = expect(base, run.adapter())
    source, out = ExportSource(run, base), home / "out"
    layout = out / f"{kind}-transformers"
    export.write(source, "transformers", layout, "float32")
    show(kind, "transformers", expected, ask_transformers(layout, expected))
    adapter = out / f"{kind}-adapter"
    export.write(source, "adapter", adapter)
    if models.describe(base).config.get("model_type") != "chatglm":  # transformers has no network of that name
        show(kind, "PEFT", expected, ask_peft(base, adapter, expected))
    for number in ("f32", "f16", "q8_0", "q4_0"):
        file = export.write(source, "gguf", out / f"{kind}-{number}", number)
        _try(
            kind, f"llama.cpp {number}", expected, partial(ask_llama, arguments.llama, file, expected, number == "f32")
        )
        file.unlink()
    plain = write_gguf(base, out / f"{kind}.gguf", kind="f32")
    lora = export.write(source, "gguf-adapter", out / f"{kind}-gguf-adapter")
    _try(kind, "llama.cpp adapter", expected, partial(ask_llama, arguments.llama, plain, expected, True, lora))
    plain.unlink()
    if arguments.vllm and kind in VLLM_FAMILIES:
        if kind == EMBEDDED:
            _try(kind, "vLLM merged", expected, partial(ask_vllm, arguments.vllm, layout, expected))
        else:
            lora = adapter / "published" if (adapter / "published").is_dir() else adapter
            folder = official(base, out / f"{kind}-official")
            _try(kind, "vLLM adapter", expected, partial(ask_vllm, arguments.vllm, folder, expected, lora))


def official(base: Path, folder: Path) -> Path:
    """Return a copy of a random base whose config.json names its class, as a published one does."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    named = {"chatglm": "ChatGLMModel", "glm": "GlmForCausalLM"}[config["model_type"]]
    whole = {"apply_residual_connection_post_layernorm": False, "post_layer_norm": True, "rmsnorm": True}
    whole |= {"add_bias_linear": False, "original_rope": True, "hidden_dropout": 0.0, "attention_dropout": 0.0}
    whole = whole if named == "ChatGLMModel" else {}
    (folder / "config.json").write_text(json.dumps(config | whole | {"architectures": [named]}))
    return folder


def _try(kind: str, tool: str, expected: Expected, ask: Callable[[], Expected]) -> None:
    try:
        show(kind, tool, expected, ask())
    except RuntimeError as error:
        print(f"{kind:22} {tool}: skipped, {error}", flush=True)


if __name__ == "__main__":
    main()
