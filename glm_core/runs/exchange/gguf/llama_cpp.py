"""Greedy answers by llama.cpp itself, for the check of a GGUF file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glm_core.models import describe, load_tokenizer
from glm_core.runs.exchange.exporter import Answer, ExportTool


def tools(ask: Answer) -> list[ExportTool]:
    """Return llama.cpp, asked by `ask` where its Python package is installed."""
    return [ExportTool("llama.cpp", ask, "llama_cpp", "llama-cpp-python")]


def find_file(folder: Path) -> Path:
    """Return the GGUF file of the export in `folder`, the folder itself where there is none."""
    return next(iter(sorted(folder.glob("*.gguf"))), folder)


def answer(
    file: Path, prompts: Sequence[Sequence[int]], tokens: int, base: Path, adapter: Path | None = None
) -> list[str]:
    """Return llama.cpp's answer to each prompt.

    Args:
        file: the GGUF file.
        tokens: longest answer.
        base: folder of the base model, whose stops end an answer.
        adapter: a GGUF adapter to put on it.
    """
    from llama_cpp import Llama

    from glm_core.generation.repetition import penalty_of

    tokenizer, family = load_tokenizer(base), describe(base).family
    longest = max(map(len, prompts)) + tokens
    weights = None if adapter is None else str(adapter)
    model = Llama(str(file), n_ctx=longest, n_batch=longest, verbose=False, lora_path=weights)
    stops, penalty = set(family.stop_ids(tokenizer)), penalty_of(family)
    answers = [_greedy(model, prompt, tokens, stops, penalty) for prompt in prompts]
    return [family.answer_text(tokenizer, list(asked), ids) for asked, ids in zip(prompts, answers, strict=True)]


def _greedy(model, prompt: Sequence[int], tokens: int, stops: set[int], penalty: float) -> list[int]:
    import torch

    from glm_core.generation.repetition import penalize

    model.reset()
    model.eval(list(prompt))
    answered: list[int] = []
    while len(answered) < tokens:
        logits = np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), shape=(model.n_vocab(),))
        if penalty != 1:
            logits = logits.copy()
            penalize(torch.from_numpy(logits), list({*prompt, *answered}), penalty)
        token = int(logits.argmax())
        if token in stops:
            break
        answered.append(token)
        model.eval([token])
    return answered
