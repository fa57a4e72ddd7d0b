"""A family whose published sampling has a repetition penalty has it in every greedy answer, as in chat."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glm_core.generation.draft_verify import DraftVerifier
from glm_core.generation.greedy import greedy
from glm_core.generation.repetition import penalize, penalize_along
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from tests.families import family_named
from tests.serving.test_families import load

ASKED = [[{"role": "user", "content": text}] for text in ("how do you do", "你好", "what is what is what")]
LONGEST = 24


@pytest.fixture
def model():
    return replace(load("bloom"), family=family_named("belle"))


def test_greedy_answers_are_those_of_the_engine(model):
    session = Session(model, LoadedBase("belle", Path("nowhere"), "belle", 512, dict(model.family.sampling), 0.0))
    handles = []
    for messages in ASKED:
        request = Request(messages, "belle", max_new_tokens=LONGEST, temperature=0.0)
        handles.append(RequestHandle(request, ServedModel("belle", "belle", Path("nowhere"))))
        session.begin(handles[-1])
    while session.rows:
        session.step()
    said = greedy(model, ASKED, LONGEST)
    assert said == [handle.text for handle in handles]
    assert said != greedy(load("bloom"), ASKED, LONGEST), "the penalty must matter here"


def test_drafts_are_confirmed_only_where_greedy_says_them(model):
    said, other = greedy(model, ASKED, LONGEST), greedy(load("bloom"), ASKED, LONGEST)
    checks = DraftVerifier(model, LONGEST)
    assert checks.answer(ASKED, [[text] for text in other]) == said
    assert checks.answer(ASKED, [[text] for text in said]) == said


def test_each_place_is_penalized_for_what_is_before_it():
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(1))
    ids, along = [3, 5, 3, 7, 8, 1], logits.clone()
    penalize_along(along, ids, 1.3)
    for place in range(4):
        alone = logits[place].clone()
        penalize(alone, sorted(set(ids[: place + 3])), 1.3)
        assert torch.equal(along[place], alone)
