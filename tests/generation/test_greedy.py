"""Greedy answers when a model computes no numbers, as a float16 one may whose training went astray."""

from dataclasses import replace

import pytest

from glm_core import models
from glm_core.generation import decode, greedy, prefill
from tests.tiny import tiny_chatglm


@pytest.mark.parametrize("fixed", [False, True])
def test_a_row_without_numbers_ends_and_leaves_the_others_as_they_are(fixed, tmp_path, monkeypatch):
    loaded = models.load(tiny_chatglm(tmp_path))
    questions = [[{"role": "user", "content": text}] for text in ("你好", "你是谁？")]
    _, whole = greedy.greedy(loaded, questions, 8)
    compute, step = prefill.prefill, decode.DecodeRunner

    def broken(*arguments):
        begun = compute(*arguments)
        begun.logits[0] = float("nan")
        return begun

    monkeypatch.setattr(prefill, "prefill", broken)
    monkeypatch.setattr(decode, "DecodeRunner", lambda *arguments, **named: step(*arguments, fixed=fixed, **named))
    assert greedy.greedy(loaded, questions, 8) == ["", whole] and whole


def test_an_answer_ends_where_the_context_does(tmp_path):
    loaded = models.load(tiny_chatglm(tmp_path))
    questions = [[{"role": "user", "content": text}] for text in ("你好", "你是谁？")]
    prompts = [loaded.family.encode_prompt(loaded.tokenizer, messages) for messages in questions]
    whole = greedy.greedy(loaded, questions, 8)
    narrow = replace(loaded, context_length=max(map(len, prompts)) + 3)
    cut = greedy.greedy(narrow, questions, 8)
    assert whole != cut and all(one.startswith(short) for one, short in zip(whole, cut, strict=True))
    assert [narrow.longest_answer(prompt, 8) for prompt in prompts] == [
        min(8, narrow.context_length - len(p)) for p in prompts
    ]
