"""Does holding an answer to a grammar make it slower?

    python -m benchmarks.grammar [--model bloom-demo | --random [FAMILY]] [--tokens 128] [--rounds 6] [--temperature 1]

One stream of a bundled model, of a folder in the workspace, or of random weights in the published size of a family: free, with a regular expression and with a JSON schema, in turn, so that a busy
machine slows all alike. Prints tokens a second of each one's best round and, per token, the processor time of the whole process. What may
cost a tenth at most is the processor's time where it computes the model, and the clock's where a GPU does.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.training import RANDOM, random_model
from glm_core.models import describe, load_tokenizer
from glm_core.serving.batching import grammar
from glm_core.serving.engine import LocalEngine
from glm_core.serving.request import BIAS_LIMIT, Request

ALLOWED_COST = 0.10
WORDS = {"type": "array", "items": {"type": "string", "minLength": 4, "maxLength": 12}, "minItems": 400}


def unending(engine: LocalEngine, model: str) -> tuple[tuple[int, float], ...]:
    """Return a bias against the tokens that end an answer, so that all are equally long."""
    folder = engine.find(model).base
    stops = describe(folder).family.stop_ids(load_tokenizer(folder))
    return tuple((token, -BIAS_LIMIT) for token in stops if token >= 0)


def run_once(
    engine: LocalEngine, model: str, held: str, tokens: int, bias: tuple, temperature: float
) -> tuple[float, float]:
    """Return seconds of the clock for each token after the first, and of the processor for each."""
    messages, spent = ({"role": "user", "content": "从一数到一千"},), time.process_time()
    handle = engine.submit(
        Request(
            model=model,
            messages=messages,
            temperature=temperature,
            seed=1,
            max_new_tokens=tokens,
            grammar=held,
            logit_bias=bias,
        )
    )
    for _piece in handle:
        pass
    if handle.completion_tokens < tokens or handle.first_token is None or handle.ended is None:
        raise SystemExit(f"an answer ended after {handle.completion_tokens} tokens")
    return (handle.ended - handle.first_token) / (tokens - 1), (time.process_time() - spent) / tokens


def measure(model: str, tokens: int, rounds: int, temperature: float) -> dict[str, tuple[float, float]]:
    """Best seconds of the clock and of the processor for a token, by what holds the answer."""
    kinds = {
        "free": "",
        "regular expression": grammar.regex("[一-龥，。]{1000}"),
        "JSON schema": grammar.json_schema(WORDS),
    }
    engine, found = LocalEngine(), {kind: [] for kind in kinds}
    bias = unending(engine, model)
    try:
        for held in kinds.values():
            run_once(engine, model, held, 8, bias, temperature)
        for _ in range(rounds):
            for kind, held in kinds.items():
                found[kind].append(run_once(engine, model, held, tokens, bias, temperature))
    finally:
        engine.close()
    return {kind: (min(one[0] for one in each), min(one[1] for one in each)) for kind, each in found.items()}


def main() -> int:
    """Exit code 0 where a grammar costs at most a tenth of a token's time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bloom-demo")
    parser.add_argument("--random", choices=RANDOM, nargs="?", const=RANDOM[0])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest token every time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.random:
            os.environ["EASYAIGC_HOME"] = folder
            options.model = random_model(options.random, Path(folder) / "models").name
        best = measure(options.model, options.tokens, options.rounds, options.temperature)
    print(f"{options.random or options.model}, temperature {options.temperature:g}\n")
    print("| | tokens/s | more than free | processor ms a token | more than free |\n|---|---|---|---|---|")
    for kind, (clock, processor) in best.items():
        more = [f"{value / free - 1:+.0%}" for value, free in zip((clock, processor), best["free"], strict=True)]
        print(f"| {kind} | {1 / clock:.1f} | {more[0]} | {1000 * processor:.2f} | {more[1]} |")
    counted = 0 if torch.cuda.is_available() else 1  # the clock; the processor
    return int(max(one[counted] for one in best.values()) > (1 + ALLOWED_COST) * best["free"][counted])


if __name__ == "__main__":
    sys.exit(main())
