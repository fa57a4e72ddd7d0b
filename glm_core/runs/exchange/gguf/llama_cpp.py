"""Greedy answers by llama.cpp itself, for the check of a GGUF file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glm_core.models import describe, load_tokenizer


def answer(file: Path, questions: Sequence[str], tokens: int, base: Path) -> list[str]:
    """Return llama.cpp's answer to each question.

    Args:
        file: the GGUF file.
        tokens: longest answer.
        base: folder of the base model, whose prompts and stops are used, so that only network and numbers are compared.
    """
    from llama_cpp import Llama

    tokenizer, family = load_tokenizer(base), describe(base).family
    prompts = [family.encode_prompt(tokenizer, [{"role": "user", "content": question}]) for question in questions]
    longest = max(map(len, prompts)) + tokens
    model = Llama(str(file), n_ctx=longest, n_batch=longest, verbose=False)
    stops = set(family.stop_ids(tokenizer))
    return [family.clean(tokenizer.decode(_greedy(model, prompt, tokens, stops))) for prompt in prompts]


def _greedy(model, prompt: Sequence[int], tokens: int, stops: set[int]) -> list[int]:
    model.reset()
    model.eval(list(prompt))
    answered: list[int] = []
    while len(answered) < tokens:
        logits = np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), shape=(model.n_vocab(),))
        token = int(logits.argmax())
        if token in stops:
            break
        answered.append(token)
        model.eval([token])
    return answered
