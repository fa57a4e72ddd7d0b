"""Greedy answers by llama.cpp itself, for the check of a GGUF file."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from glm_core.models import describe, load_tokenizer
from glm_core.models.plain_formats import with_format
from glm_core.runs.exchange.exporter import ExportSource

TOOL = "llama.cpp"


class AnsweredByLlamaCpp:
    """The part of an exporter that is the same for every single GGUF file: llama.cpp answers for it."""

    tool = TOOL

    def artefact(self, folder: Path) -> Path:
        """The file."""
        return next(iter(sorted(folder.glob("*.gguf"))), folder)

    def missing_package(self) -> str:
        """Return the package to install where llama.cpp's Python package is not there."""
        return "" if find_spec("llama_cpp") else "llama-cpp-python"


def prompts(source: ExportSource, questions: Sequence[str]) -> list[list[int]]:
    """Return the run's own prompt of each question, so that only network and numbers are compared."""
    tokenizer, family = load_tokenizer(source.base), describe(source.base).family
    if family.templated and tokenizer.chat_template is None:
        tokenizer = with_format(tokenizer, source.chat_format)
    return [family.prompt(tokenizer, [{"role": "user", "content": question}]) for question in questions]


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
    model = Llama(str(file), n_ctx=longest, n_batch=longest, verbose=False, lora_path=adapter and str(adapter))
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
