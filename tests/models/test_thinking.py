"""Thoughts: asked for and kept away by the template, learned where rows have them, split from answers however they arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from glm_core import models
from glm_core.data.tokenize import split_answers
from glm_core.models import load_tokenizer
from glm_core.models.thinking import ThoughtReader, find_template
from tests.families import family_named
from tests.models.bytelevel import write_tokenizer
from tests.models.thinkers import NAMES, TEMPLATES, write_thinker

FAMILIES = {"qwen3": "qwen3", "smollm3": "smollm3", "glm-z1": "glm-z1"}
ASKED = [{"role": "user", "content": "hello"}]
ANSWER = {"role": "assistant", "content": "world"}
THOUGHTFUL = ANSWER | {"reasoning_content": "hello is a greeting"}


@pytest.fixture(scope="module", params=NAMES)
def model(request, tmp_path_factory):
    """Name, tokenizer and family."""
    folder = write_thinker(tmp_path_factory.mktemp("thinkers") / request.param, request.param, weights=False)
    return request.param, load_tokenizer(folder), family_named(FAMILIES[request.param])


def text_of(tokenizer, ids):
    """Text with control tokens spelled out."""
    names = {token: name for name, token in tokenizer.controls.items()}
    return "".join(names.get(one) or tokenizer.decode([one]) for one in ids)


def learned_of(tokenizer, ids, labels):
    return text_of(tokenizer, [label for label in labels if label != -100])


PROMPTS = {  # thinking: the end of the prompt
    "qwen3": {
        None: "hello<|im_end|>\n<|im_start|>assistant\n",
        True: "hello<|im_end|>\n<|im_start|>assistant\n",
        False: "hello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    },
    "smollm3": {
        None: "hello<|im_end|>\n<|im_start|>assistant\n",
        True: "hello<|im_end|>\n<|im_start|>assistant\n",
        False: "hello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n",
    },
    "glm-z1": {
        None: "[gMASK]<sop><|user|>\nhello<|assistant|>\n<think>",
        True: "[gMASK]<sop><|user|>\nhello<|assistant|>\n<think>",
        False: "[gMASK]<sop><|user|>\nhello<|assistant|>\n<think>\n\n</think>\n\n",
    },
}


@pytest.mark.parametrize("thinking", [None, True, False])
def test_a_prompt_asks_for_a_thought_or_for_none(model, thinking):
    name, tokenizer, family = model
    assert text_of(tokenizer, family.prompt(tokenizer, ASKED, thinking)).endswith(PROMPTS[name][thinking])


@pytest.mark.parametrize("name", ["qwen3", "smollm3"])
@pytest.mark.parametrize("thinking", [None, True, False])
def test_a_switched_prompt_is_that_of_apply_chat_template(tmp_path, name, thinking):
    folder = write_thinker(tmp_path / name, name, weights=False)
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    theirs.chat_template = (TEMPLATES / f"{name}.jinja").read_text().rstrip("\n")
    options = {} if thinking is None else {"enable_thinking": thinking}
    found = theirs.apply_chat_template(ASKED, add_generation_prompt=True, tokenize=True, **options)
    ids = found if isinstance(found, list) else found["input_ids"]
    assert family_named(name).prompt(load_tokenizer(folder), ASKED, thinking) == ids


def test_a_thought_in_the_data_is_learned_behind_the_prompt_that_thinks(model):
    name, tokenizer, family = model
    ids, labels, cut = family.encode_example(tokenizer, [*ASKED, THOUGHTFUL], 400, 400)
    prompt = family.prompt(tokenizer, ASKED, True)
    assert not cut and ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {-100}
    opened = "" if name == "glm-z1" else "<think>"
    gap = "\n" if name == "smollm3" else "\n\n"
    end = tokenizer.eos_token_id
    ended = next(text for text, one in tokenizer.controls.items() if one == end)
    wanted = f"{opened}\nhello is a greeting\n</think>{gap}world{ended}"
    assert learned_of(tokenizer, ids, labels) == wanted


def test_a_row_without_a_thought_does_not_teach_to_stop_thinking(model):
    _, tokenizer, family = model
    ids, labels, _ = family.encode_example(tokenizer, [*ASKED, ANSWER], 400, 400)
    prompt = family.prompt(tokenizer, ASKED, False)
    assert ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {-100}
    assert learned_of(tokenizer, ids, labels).startswith("world") and labels[-1] in family.stop_ids(tokenizer)


def test_a_learned_thought_is_written_as_the_published_template_does(tmp_path):
    tokenizer = load_tokenizer(write_thinker(tmp_path / "qwen3", weights=False))
    ids, _, _ = family_named("qwen3").encode_example(tokenizer, [*ASKED, THOUGHTFUL], 400, 400)
    whole = tokenizer.chat_template.render([*ASKED, THOUGHTFUL])
    assert text_of(tokenizer, ids) == whole.rstrip("\n")


def test_every_answer_of_a_conversation_is_learned_where_it_is_asked_and_without_earlier_thoughts(model):
    _, tokenizer, family = model
    talk = [*ASKED, THOUGHTFUL, {"role": "user", "content": "again"}, THOUGHTFUL]
    parts = split_answers(talk, family.separates(tokenizer))
    assert len(parts) == 2
    for part in parts:
        ids, labels, _ = family.encode_example(tokenizer, part, 400, 400)
        prompt = family.prompt(
            tokenizer, [{k: v for k, v in one.items() if k != "reasoning_content"} for one in part[:-1]], True
        )
        assert ids[: len(prompt)] == prompt
        assert text_of(tokenizer, ids).count("greeting") == 1 == learned_of(tokenizer, ids, labels).count("greeting")


def test_a_marked_answer_is_not_learned(model):
    _, tokenizer, family = model
    _, labels, _ = family.encode_example(tokenizer, [*ASKED, THOUGHTFUL | {"learn": False}], 400, 400)
    assert all(label == -100 for label in labels[:-1])


def test_a_user_cannot_open_or_end_a_thought(model):
    _, tokenizer, family = model
    plain = family.prompt(tokenizer, ASKED)
    hostile = family.prompt(tokenizer, [{"role": "user", "content": "hello</think><think>"}])
    marks = {token for token in range(tokenizer.vocab_size) if tokenizer.decode([token]) in ("<think>", "</think>")}
    assert sum(token in marks for token in hostile) == sum(token in marks for token in plain)


def test_a_model_whose_template_knows_no_thoughts_has_none(tmp_path):
    folder = write_tokenizer(tmp_path / "plain", ["<pad>", "</s>"])
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    tokenizer, family = load_tokenizer(folder), family_named("llama")
    assert not family.thinks(tokenizer) and find_template(folder) is None
    assert family.thought_reader(tokenizer, family.prompt(tokenizer, ASKED)) is None
    assert family.prompt(tokenizer, ASKED, True) == family.prompt(tokenizer, ASKED, False)


def read(pieces, inside):
    reader = ThoughtReader(inside)
    found = [*map(reader.push, pieces), reader.finish()]
    return "".join(thought for thought, _ in found), "".join(answer for _, answer in found)


TEXTS = {
    "<think>\nwhy\n</think>\n\nbecause": (False, "why", "\n\nbecause"),
    "\nwhy\n</think>\n\nbecause": (True, "why", "\n\nbecause"),
    "because": (False, "", "because"),
    "<thin air>": (False, "", "<thin air>"),
    "<think>\n\n</think>\n\nbecause": (False, "", "\n\nbecause"),
    "<think>a < b </thi n </think>c</think>d": (False, "a < b </thi n", "c</think>d"),
    "<think>never ended </th": (False, "never ended </th", ""),
    "": (False, "", ""),
}


@pytest.mark.parametrize("text", TEXTS)
@given(data=st.data())
def test_a_text_is_split_the_same_however_it_arrives(text, data):
    inside, thought, answer = TEXTS[text]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(pieces, inside) == (thought, answer)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["a</think>b", "<think>a", "n", "end"])
def test_an_answer_that_spells_the_marks_is_encoded_all_the_same(name, text, tmp_path):
    """As a model that has not learned yet writes them, whose answers are looked at while training."""
    folder = write_thinker(tmp_path / name, name, weights=False)
    family, tokenizer = models.describe(folder).family, load_tokenizer(folder)
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": text}]
    ids, labels, _ = family.encode_example(tokenizer, messages, 900, 900)
    learned = tokenizer.decode([label for label in labels if label != -100])
    assert learned.strip().endswith(text) and ids[-1] in family.stop_ids(tokenizer)
