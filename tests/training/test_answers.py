"""Which answers of a conversation are learned: all of them with every family, none that is marked, or only the last."""

from dataclasses import dataclass

import pytest

from glm_core.data import Example
from glm_core.data.tokenize import IGNORED
from glm_core.models import load_tokenizer, registry
from glm_core.training.settings import TrainingSettings
from glm_core.training.token_dataset import encode_rows
from tests.families import family_named
from tests.models.bytelevel import write_tokenizer
from tests.tiny import tiny_chatglm

ROLES = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
TALK = [
    {"role": "user", "content": "u1"},
    {"role": "assistant", "content": "first"},
    {"role": "user", "content": "u2"},
    {"role": "assistant", "content": "second"},
    {"role": "user", "content": "u3"},
    {"role": "assistant", "content": "third"},
]
WIDE = TrainingSettings(max_source_length=400, max_target_length=100)


@dataclass(frozen=True)
class Loaded:
    tokenizer: object
    family: registry.Family


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    byte_level = load_tokenizer(write_tokenizer(folder, ["<pad>", "</s>", "[gMASK]", "<sop>", *ROLES]))
    return {"chatglm": load_tokenizer(tiny_chatglm(tmp_path_factory.mktemp("tiny")))}, byte_level


def targets(name, tokenizers, messages, settings=WIDE) -> tuple[str, object]:
    """All that is learned, as text, and the encoded rows."""
    known, byte_level = tokenizers
    tokenizer = known.get(name, byte_level)
    found = encode_rows([Example(messages, 1)], Loaded(tokenizer, family_named(name)), settings, lambda _: None)
    return "|".join(tokenizer.decode([one for one in row.labels if one != IGNORED]) for row in found.rows), found


FAMILIES = ["chatglm", "chatglm2", "bloom", "bloomz", "chatglm3", "glm4-original"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_answer_of_a_conversation_is_learned(name, tokenizers):
    text, found = targets(name, tokenizers, TALK)
    assert all(text.count(answer) == 1 for answer in ("first", "second", "third"))
    assert not any(asked in text for asked in ("u1", "u2", "u3"))
    assert (found.answers, set(found.numbers), found.unlearnable) == (3, {1}, [])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("place", [1, 3, 5])
def test_a_marked_answer_is_no_target(name, place, tokenizers):
    talk = [{**one, "learn": False} if at == place else one for at, one in enumerate(TALK)]
    text, found = targets(name, tokenizers, talk)
    for at, answer in ((1, "first"), (3, "second"), (5, "third")):
        assert (answer in text) == (at != place)
    assert found.answers == 2


@pytest.mark.parametrize("name", FAMILIES)
def test_only_the_last_answer_where_the_settings_say_so(name, tokenizers):
    text, found = targets(name, tokenizers, TALK, WIDE.changed(answers="last"))
    assert "third" in text and "first" not in text and "second" not in text
    assert (found.answers, len(found.rows)) == (1, 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_of_which_nothing_is_learned_is_named(name, tokenizers):
    talk = [{**one, "learn": False} if one["role"] == "assistant" else one for one in TALK]
    _, found = targets(name, tokenizers, talk)
    assert (list(found.rows), found.unlearnable, found.answers) == ([], [1], 0)
