"""Answers held to a grammar match it whole, in a batch with rows that are held to nothing, on every kind of tokenizer."""

import json
import re

import jsonschema
import pytest
import torch

from glm_core import models
from glm_core.serving import RequestError
from glm_core.serving.batching import grammar
from tests.engine import ask

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def answers(engine, grammars, **fields):
    handles = [engine.submit(ask("给我一个人", max_new_tokens=200, grammar=one, **fields)) for one in grammars]
    for handle in handles:
        "".join(handle)
    return handles


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_rows_with_and_without_a_grammar_share_a_batch_and_each_keeps_its_own(engine, temperature):
    wanted = [
        grammar.json_schema(PERSON),
        "",
        grammar.regex("[0-9]{3}-[a-z]{2}"),
        grammar.choice(["正面", "负面"]),
        grammar.json_schema(PERSON),
    ]
    free = engine.submit(ask("给我一个人", max_new_tokens=200, temperature=temperature, seed=7))
    alone = "".join(free)
    person, plain, code, label, other = answers(engine, wanted, temperature=temperature, seed=7)
    for one in (person, other):
        jsonschema.validate(json.loads(one.text), PERSON)
        assert one.finish_reason == "stop"
    assert re.fullmatch("[0-9]{3}-[a-z]{2}", code.text) and label.text in ("正面", "负面")
    assert plain.text == alone


def test_a_token_is_allowed_where_the_mask_leaves_it(engine):
    """Also at the end of the answer, where nothing but a stop token is."""
    loaded = models.load(engine.find("tiny").base)
    width = loaded.model.config.vocab_size
    mask = grammar.GrammarCompiler(loaded.family, loaded.tokenizer, width).follow(grammar.regex("[a-c]{2}"))
    while True:
        masked = torch.zeros(width)
        mask.apply(masked)
        allowed = [token for token in range(width) if masked[token] == 0]
        said = [mask.allows(token) for token in allowed]
        assert all(said) and not mask.allows(loaded.tokenizer.encode("z")[-1])
        if not loaded.tokenizer.decode(allowed[:1]):
            break
        mask.note(allowed[0])
    assert set(allowed) <= set(loaded.family.stop_ids(loaded.tokenizer))


def test_what_cannot_be_followed_is_refused_and_names_its_field():
    for act, field in (
        (lambda: grammar.json_schema({"type": "nothing"}), "response_format"),
        (lambda: grammar.regex("[a-"), "guided_regex"),
    ):
        with pytest.raises(RequestError) as caught:
            act()
        assert caught.value.field == field


def test_the_answer_streams_as_what_it_is(engine):
    handle = engine.submit(ask("给我一个人", max_new_tokens=200, grammar=grammar.json_schema(PERSON)))
    assert json.loads("".join(handle)) == json.loads(handle.text)


def test_an_object_has_the_properties_that_its_schema_names_and_no_other(engine):
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}, "properties": {"const": 3}}, "required": ["a"]}
    (handle,) = answers(engine, [grammar.json_schema(schema)], temperature=1.5, seed=1)
    assert set(json.loads(handle.text)) <= {"a", "properties"} and handle.finish_reason == "stop"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(
    "unmet", [grammar.regex("(a{1000}){1000}"), grammar.regex(r"[^\s\S]"), grammar.json_schema({"$ref": "#"})]
)
def test_a_grammar_that_turns_out_too_complex_or_empty_is_refused_and_others_go_on(engine, unmet, temperature):
    """The library only says so on the way, and would let the answer end there as if it matched."""
    wanted = [ask("x", grammar=unmet, grammar_field="guided_regex", temperature=temperature, max_new_tokens=20)]
    wanted.append(ask("x", grammar=grammar.choice(["yes", "no"]), temperature=temperature))
    broken, whole = [engine.submit(one) for one in wanted]
    with pytest.raises(RequestError) as caught:
        "".join(broken)
    assert caught.value.field == "guided_regex" and broken.finish_reason == "error"
    assert "".join(whole) in ("yes", "no")


def test_a_grammar_is_given_up_before_it_has_cost_much(engine, monkeypatch):
    """Everybody else's answers wait while the mask is found: what is left of the library's own limit is not used up."""
    asked = ask("x", grammar=grammar.regex("([a-z]{40}x){30}"), max_new_tokens=2)
    assert "".join(engine.submit(asked))
    monkeypatch.setattr(grammar, "FUEL", 5)
    with pytest.raises(RequestError):
        "".join(engine.submit(asked))


def test_one_of_thousands_of_texts_is_the_whole_answer(engine):
    """Also where all begin alike, so that the library follows every one of them, and some are the beginnings of others."""
    texts = [f"choice {number}" for number in range(3000)]
    for seed in range(3):
        asked = ask("x", grammar=grammar.choice(texts), temperature=1.0, seed=seed, max_new_tokens=40)
        assert "".join(engine.submit(asked)) in texts
