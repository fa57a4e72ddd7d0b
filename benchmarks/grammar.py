"""Does holding an answer to a grammar make it slower?

    python -m benchmarks.grammar [--model bloom-demo] [--tokens 128] [--rounds 6] [--temperature 1]

One stream of a bundled model, or of a folder in the workspace: free, with a regular expression and with a JSON schema, in turn, so that a busy
machine slows all alike. Prints tokens a second of each one's best round and, per token, the processor time of the whole process.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

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
    """Return seconds of the clock and of the processor for each token after the first."""
    messages = ({"role": "user", "content": "从一数到一千"},)
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
    began = spent = 0.0
    for _piece in handle:
        if not began:
            began, spent, first = time.monotonic(), time.process_time(), handle.completion_tokens
    if handle.completion_tokens < tokens:
        raise SystemExit(f"an answer ended after {handle.completion_tokens} tokens")
    count = max(1, handle.completion_tokens - first)
    return (time.monotonic() - began) / count, (time.process_time() - spent) / count


def main() -> int:
    """Exit code 0 where a grammar costs at most a tenth of the processor time of a token."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bloom-demo")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest token every time")
    options = parser.parse_args()
    kinds = {
        "free": "",
        "regular expression": grammar.regex("[一-龥，。]{1000}"),
        "JSON schema": grammar.json_schema(WORDS),
    }
    engine, found = LocalEngine(), {kind: [] for kind in kinds}
    bias = unending(engine, options.model)
    try:
        for held in kinds.values():
            run_once(engine, options.model, held, 8, bias, options.temperature)
        for _ in range(options.rounds):
            for kind, held in kinds.items():
                found[kind].append(run_once(engine, options.model, held, options.tokens, bias, options.temperature))
    finally:
        engine.close()
    print("| | tokens/s | processor ms a token | more than free |\n|---|---|---|---|")
    best = {kind: (min(one[0] for one in rounds), min(one[1] for one in rounds)) for kind, rounds in found.items()}
    for kind, (clock, processor) in best.items():
        more = processor / best["free"][1] - 1
        print(f"| {kind} | {1 / clock:.1f} | {1000 * processor:.2f} | {more:+.0%} |")
    return int(max(one[1] for one in best.values()) > (1 + ALLOWED_COST) * best["free"][1])


if __name__ == "__main__":
    sys.exit(main())
