"""Speed of the engine: tokens/s and time to first token by number of streams, beside transformers' own `generate`.

    python benchmarks/serving.py [--model FOLDER] [--streams 1 4 8] [--tokens 128] [--adapters N]

`--adapters N` gives the streams, in turn, the base and N fresh LoRA adapters with random weights, mixed in one batch.
Stop tokens are ignored, so that every answer has the same length. Prints a table; nothing is written.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402

from glm_core import models, workspace  # noqa: E402
from glm_core.adapters import attach  # noqa: E402
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle  # noqa: E402
from glm_core.serving.served_models import ServedModel  # noqa: E402
from glm_core.serving.session import Session  # noqa: E402
from glm_core.training.settings import TrainingSettings  # noqa: E402

QUESTION = [{"role": "user", "content": "介绍一下你自己，再推荐一部电影。"}]


def make_adapters(path: Path, count: int, folder: Path) -> list[ServedModel]:
    """`count` LoRA adapters with random weights for the base in `path`."""
    choices = []
    for number in range(count):
        loaded = models.load(path)
        attach.attach(loaded, TrainingSettings(), "fresh")
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.02 * torch.randn_like(parameter)
        attach.save(loaded, folder / f"lora{number}", {"step": 1}, "fresh")
        choices.append(ServedModel(f"lora{number}", f"lora{number}", path, folder / f"lora{number}", 1))
    return choices


def measure(session: Session, choices: list[ServedModel], streams: int, tokens: int) -> tuple[float, float]:
    """Tokens/s of all streams together, and the median seconds to the first token."""
    handles = []
    started = time.monotonic()
    for number in range(streams):
        choice = choices[number % len(choices)]
        handle = RequestHandle(Request(QUESTION, choice.name, max_new_tokens=tokens, temperature=0.0), choice)
        session.begin(handle)
        handles.append(handle)
    while session.rows:
        session.step()
    spent = time.monotonic() - started
    return streams * tokens / spent, statistics.median(handle.first_token_seconds for handle in handles)


def measure_generate(session: Session, tokens: int) -> float:
    """Tokens/s of transformers' `generate`, one stream."""
    loaded = session.loaded
    ids = torch.tensor([loaded.family.encode_prompt(loaded.tokenizer, QUESTION)], device=loaded.model.device)
    started = time.monotonic()
    with torch.inference_mode():
        loaded.model.generate(ids, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, eos_token_id=None)
    return tokens / (time.monotonic() - started)


class Endless:
    """A family whose answers only end at their longest."""

    def __init__(self, family):
        self._family = family

    def __getattr__(self, name):
        return getattr(self._family, name)

    def stop_ids(self, tokenizer):
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=workspace.DEMO_MODEL)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--adapters", type=int, default=0)
    options = parser.parse_args()
    session = Session.load(options.model, lambda stage, fraction: None)
    session.loaded.family = Endless(session.loaded.family)
    print(
        f"{session.info.name}: loaded in {session.info.seconds:.1f} s, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        choices = [ServedModel(session.info.name, session.info.name, options.model)]
        choices += make_adapters(options.model, options.adapters, Path(folder))
        measure(session, choices, len(choices), 8)
        print(f"generate, 1 stream: {measure_generate(session, options.tokens):8.1f} tokens/s")
        for streams in options.streams:
            speed, first = measure(session, choices, streams, options.tokens)
            print(f"engine, {streams:3} streams: {speed:8.1f} tokens/s, first token after {1000 * first:6.1f} ms")


if __name__ == "__main__":
    main()
