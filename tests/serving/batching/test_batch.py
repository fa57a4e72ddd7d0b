"""A step that begins before the last one's tokens are looked at changes nothing, whatever decides the tokens."""

from functools import partial
from pathlib import Path

import pytest
import torch

from glm_core.generation.decode import DecodeRunner
from glm_core.serving.base import LoadedBase
from glm_core.serving.batching import batch, grammar
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from tests.serving.test_families import load

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
KINDS = {
    "greedy": {"temperature": 0.0},
    "drawn": {"temperature": 1.0, "seed": 5},
    "nucleus": {"temperature": 1.0, "top_p": 0.8, "seed": 6},
    "short": {"temperature": 1.0, "seed": 7, "max_new_tokens": 3},
    "repetition": {"temperature": 0.0, "repetition_penalty": 1.5},
    "frequency": {"temperature": 0.0, "frequency_penalty": 1.2, "presence_penalty": 0.5},
    "bias": {"temperature": 0.0, "logit_bias": ((107, 2.0), (108, -50.0))},
    "letters": {"temperature": 0.0, "grammar": grammar.regex("[a-z ]{5,30}")},
    "word": {"temperature": 1.0, "seed": 8, "grammar": grammar.choice(["yes, indeed", "no, never"])},
}


def ask(name, device, monkeypatch, fixed, kinds):
    """The answers to a question of each of `kinds`, all at once, the later ones joining a step later."""
    monkeypatch.setattr(batch, "DecodeRunner", partial(DecodeRunner, fixed=fixed))
    loaded = load(name)
    loaded.model.to(device)
    session = Session(loaded, LoadedBase(name, Path("nowhere"), name, 512, {}, 0.0))
    handles = []
    for kind in kinds:
        fields = {"max_new_tokens": 16} | KINDS[kind]
        request = Request([{"role": "user", "content": "how do you do"}], name, **fields)
        handles.append(RequestHandle(request, ServedModel(name, name, Path("nowhere"))))
        session.begin(handles[-1])
        session.step()
    while session.rows:
        session.step()
    return dict(zip(kinds, ([handle.text, handle.completion_tokens] for handle in handles), strict=True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["chatglm", "chatglm3", "bloom"])
def test_rows_beside_others_and_ahead_say_what_each_says_alone(name, device, monkeypatch):
    alone = {kind: ask(name, device, monkeypatch, False, [kind])[kind] for kind in KINDS}
    assert ask(name, device, monkeypatch, True, list(KINDS)) == alone
    assert len({text for text, _tokens in alone.values()}) > 5
    assert alone["word"][0] in ("yes, indeed", "no, never")


def test_the_next_forward_begins_before_the_tokens_are_looked_at(monkeypatch):
    """And not where somebody wants to know how likely the tokens of this one were: its logits are overwritten."""
    seen = []
    wait = batch.PendingStep.wait
    monkeypatch.setattr(DecodeRunner, "step", lambda self, step=DecodeRunner.step: seen.append("forward") or step(self))
    monkeypatch.setattr(batch.PendingStep, "wait", lambda self: seen.append("look") or wait(self))
    ask("chatglm3", "cpu", monkeypatch, True, ["drawn"])
    assert seen[:5] == ["forward", "forward", "look", "forward", "look"]
    seen.clear()
    monkeypatch.setitem(KINDS, "told", KINDS["drawn"] | {"logprobs": 2})
    ask("chatglm3", "cpu", monkeypatch, True, ["told"])
    assert seen[:4] == ["forward", "look", "forward", "look"]
