"""Decoding on the processor beside llama.cpp: one stream of the same weights, in float32 and with int8 weights.

    python -m benchmarks.cpu --model FOLDER [--llama PYTHON] [--tokens 64] [--rounds 5] [--threads N] [--profile]

PYTHON is one in which llama-cpp-python is installed; by default this one. The GGUF files (F32, Q8_0) are written by the
program's own exporter from FOLDER. Contenders take turns, round after round, so that whatever else the machine does meets
all of them; the figure is each one's best round. `--profile` lists what a step of ours spends its time on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from glm_core import models
from glm_core.runs.exchange.gguf.write import write_gguf
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session

QUESTION = "Write a long story about a river and a mill."
LLAMA = """
import json, sys, time
from llama_cpp import Llama
file, threads, tokens, prompt = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
model = Llama(file, n_ctx=512, n_threads=threads, n_threads_batch=threads, verbose=False)
print("ready", flush=True)
for line in sys.stdin:
    model.reset()
    words = model.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0)
    next(words)
    started = time.perf_counter()
    for _ in range(tokens):
        next(words)
    print(tokens / (time.perf_counter() - started), flush=True)
"""


class Ours:
    """The engine's session with one stream."""

    def __init__(self, folder: Path, quantization: str | None):
        loaded = models.load(folder, quantization=quantization)
        loaded.model.eval()
        description = models.describe(folder)
        info = LoadedBase(description.name, folder, loaded.family.name, description.context_length, {}, 0.0)
        self.session, self._choice = Session(loaded, info), ServedModel(folder.name, folder.name, folder)
        self._bias = tuple((token, -100.0) for token in loaded.family.stop_ids(loaded.tokenizer))

    def begin(self, tokens: int) -> RequestHandle:
        """Compute the prompt."""
        request = Request(
            ({"role": "user", "content": QUESTION},),
            self._choice.name,
            max_new_tokens=tokens,
            temperature=0.0,
            logit_bias=self._bias,
        )
        self.session.begin(handle := RequestHandle(request, self._choice))
        return handle

    def round(self, tokens: int) -> float:
        """Tokens/s after the first one."""
        handle = self.begin(tokens + 1)
        started = time.perf_counter()
        while self.session.rows:
            self.session.step()
        return (handle.completion_tokens - 1) / (time.perf_counter() - started)


class Llama:
    """llama.cpp in a process of its own."""

    def __init__(self, python: str, file: Path, threads: int, tokens: int, prompt: list[int]):
        words = [python, "-c", LLAMA, str(file), str(threads), str(tokens), json.dumps(prompt)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline().strip() != "ready":
            raise SystemExit(f"llama-cpp-python does not run in {python}")

    def round(self, tokens: int) -> float:
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def profile(ours: Ours) -> None:
    """Print the operations of steps by the time they take themselves."""
    ours.begin(24)
    with torch.profiler.profile() as found:
        for _ in range(20):
            ours.session.step()
    ours.session.clear("cancelled")
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=16, max_name_column_width=40))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=models.demo_path())
    parser.add_argument("--llama", default=sys.executable)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--alone", action="store_true", help="without llama.cpp")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ours = {"float32": Ours(options.model, None), "int8": Ours(options.model, "int8")}
    if options.profile:
        for one in ours.values():
            profile(one)
        return
    contenders: dict[str, Ours | Llama] = {f"ours {name}": one for name, one in ours.items()}
    with tempfile.TemporaryDirectory() as folder:
        if not options.alone:
            loaded = ours["float32"].session.loaded
            prompt = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": QUESTION}])
            for kind in ("f32", "q8_0"):
                file = write_gguf(options.model, Path(folder) / f"{kind}.gguf", kind=kind)
                contenders[f"llama.cpp {kind}"] = Llama(options.llama, file, options.threads, options.tokens, prompt)
        best = dict.fromkeys(contenders, 0.0)
        for _ in range(options.rounds):
            for name, one in contenders.items():
                best[name] = max(best[name], one.round(options.tokens))
        for one in contenders.values():
            if isinstance(one, Llama):
                one.close()
    print(
        f"{options.model.name}, {options.threads} threads, torch {torch.__version__}; best of {options.rounds} rounds"
    )
    print("\n| contender | tokens/s | of llama.cpp's |\n|---|---|---|")
    against = {"ours float32": "llama.cpp f32", "ours int8": "llama.cpp q8_0"}
    for name, speed in best.items():
        other = best.get(against.get(name, ""), 0.0)
        print(f"| {name} | {speed:.1f} | {f'{speed / other:.2f}' if other else ''} |")


if __name__ == "__main__":
    main()
