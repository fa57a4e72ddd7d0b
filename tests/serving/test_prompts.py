"""Prompts that begin like earlier ones, and long ones in pieces: the same answers, fewer tokens, nobody waits for long."""

from pathlib import Path

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from glm_core.generation.prefill import PartialPrompt, prefill
from glm_core.models import LoadedModel, registry
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.scheduler import IDLE_PIECE_SECONDS, LARGEST_PIECE, PieceSize
from glm_core.serving.session import Session
from tests.serving.test_families import SIZES, Bytes, adapt, finish, load

NAMES = ("chatglm", "chatglm3", "bloom")
LONG = "一个很长的开头，谁都会重复它；" * 4
WINDOWED = {"intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}


def new_session(name, folder) -> Session:
    return Session(load(name), LoadedBase(name, folder, name, 2048, {}, 0.0))


def handle_of(choice, question, tokens=12, **fields) -> RequestHandle:
    messages = [{"role": "user", "content": question}]
    return RequestHandle(Request(messages, choice.name, max_new_tokens=tokens, temperature=0.0, **fields), choice)


def ask(session, choice, question, room=None, **fields) -> RequestHandle:
    """Answer to the end, the prompt in pieces of `room` tokens."""
    session.prepare(handle := handle_of(choice, question, **fields))
    while group := session.next_group(room or 10_000):
        session.join(group, room or 10_000)
    finish(session)
    return handle


@pytest.mark.parametrize("name", NAMES)
def test_known_beginnings_and_pieces_give_the_answers_of_whole_prompts(name, tmp_path):
    choices = adapt(name, tmp_path)
    questions = [LONG + "甲？", LONG + "乙，说得详细一点？", "乙" + LONG]
    whole = {
        (choice.name, question): ask(new_session(name, tmp_path), choice, question).text
        for choice in choices
        for question in questions
    }
    assert len(set(whole.values())) > len(choices), "answers must depend on the adapter and the question"
    cached, pieces = new_session(name, tmp_path), new_session(name, tmp_path)
    for choice in choices:
        for question in questions + questions[:1]:
            assert ask(cached, choice, question).text == whole[choice.name, question]
            pieces.known.clear()
            assert ask(pieces, choice, question, room=24).text == whole[choice.name, question]
    assert cached.known.reused > 0 and pieces.known.reused == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_question_asked_again_computes_no_prompt(name, tmp_path):
    session, (base, lora, *_) = new_session(name, tmp_path), adapt(name, tmp_path)
    first = ask(session, base, LONG)
    assert session.known.reused == 0
    session.prepare(again := handle_of(base, LONG))
    (row,) = session.next_group()
    assert session.known.reused == first.prompt_tokens - 1 and row.uncomputed == 1
    assert session.join([row]) == 1
    finish(session)
    assert again.text == first.text
    before = session.known.reused
    ask(session, lora, LONG)
    assert session.known.reused == before, "another adapter has other keys and values"
    ask(session, lora, LONG, strength=0.5)
    assert session.known.reused == before, "and so has another strength"


@pytest.mark.parametrize("name", NAMES)
def test_a_known_answer_is_reused_beside_other_rows_in_the_middle_of_their_steps(name, tmp_path):
    session, choices = new_session(name, tmp_path), adapt(name, tmp_path)
    alone = [ask(session, choice, LONG, tokens=20).text for choice in choices]
    handles = []
    for choice in choices * 2:
        session.prepare(handle := handle_of(choice, LONG, tokens=20))
        handles.append(handle)
        while group := session.next_group():
            session.join(group)
        session.step()
        session.step()
    finish(session)
    assert [handle.text for handle in handles] == alone * 2


def test_a_conversation_that_goes_on_computes_its_new_turn_only(tmp_path):
    session, (base, *_) = new_session("chatglm3", tmp_path), adapt("chatglm3", tmp_path)
    first = ask(session, base, LONG)
    turns = [{"role": "user", "content": LONG}, {"role": "assistant", "content": first.text}]
    request = Request([*turns, {"role": "user", "content": "再说一遍"}], base.name, max_new_tokens=8, temperature=0.0)
    session.prepare(handle := RequestHandle(request, base))
    session.join(session.next_group())
    assert session.known.reused >= first.prompt_tokens - 1
    finish(session)
    fresh = new_session("chatglm3", tmp_path)
    fresh.begin(other := RequestHandle(request, base))
    finish(fresh)
    assert handle.text == other.text


def test_an_adapter_that_was_written_again_knows_nothing_of_before(tmp_path):
    session, (_, lora, *_) = new_session("chatglm3", tmp_path), adapt("chatglm3", tmp_path)
    ask(session, lora, LONG)
    for path in lora.adapter.iterdir():
        path.touch()
    ask(session, lora, LONG)
    assert session.known.reused == 0


def test_memory_for_beginnings_is_bounded_and_given_back(tmp_path):
    session, (base, *_) = new_session("chatglm3", tmp_path), adapt("chatglm3", tmp_path)
    ask(session, base, LONG)
    size = session.known.size
    assert size > 0
    small = Session(session.loaded, session.info, kept=2 * size + size // 2)
    for number in range(5):
        ask(small, base, str(number) + LONG)
        assert small.known.size <= 2 * size + size // 2
    ask(small, base, "4" + LONG)
    assert small.known.reused > 0, "the newest are kept"
    small.clear("cancelled")
    assert small.known.size == 0


@pytest.mark.parametrize("name", ["chatglm3", "bloom"])
def test_running_answers_go_on_between_the_pieces_of_a_long_prompt(name, tmp_path):
    session, (base, *_) = new_session(name, tmp_path), adapt(name, tmp_path)
    expected = ask(new_session(name, tmp_path), base, LONG * 4).text
    session.begin(running := handle_of(base, "你好", tokens=400))
    session.prepare(long := handle_of(base, LONG * 4))
    session.prepare(short := handle_of(base, "短"))
    pieces, most = 0, 0
    while group := session.next_group(32):
        before = running.completion_tokens
        most, pieces = max(most, session.join(group, 32)), pieces + 1
        session.step()
        assert running.completion_tokens == before + 1 or running.done
        assert short.completion_tokens or pieces < 3, "a short prompt waits for one piece of a long one"
    assert most <= 32 and pieces >= long.prompt_tokens // 32
    finish(session)
    assert long.text == expected


def test_a_context_whose_tokens_see_each_other_is_computed_whole(tmp_path):
    session, (base, *_) = new_session("chatglm", tmp_path), adapt("chatglm", tmp_path)
    session.prepare(long := handle_of(base, LONG * 4))
    assert session.join(session.next_group(32), 32) == long.prompt_tokens and long.completion_tokens == 1
    finish(session)
    ask(session, base, LONG * 4 + "！")
    assert session.known.reused == 0, "every key of another context is another one"


def test_a_cancelled_prompt_is_computed_no_further(tmp_path):
    session, (base, *_) = new_session("chatglm3", tmp_path), adapt("chatglm3", tmp_path)
    session.prepare(handle := handle_of(base, LONG * 4))
    session.join(session.next_group(32), 32)
    handle.cancel()
    session.drop()
    assert handle.finish_reason == "cancelled" and not session.prepared and not session.next_group(32)


def test_layers_that_see_a_window_take_pieces_too():
    torch.manual_seed(0)
    config = Gemma3TextConfig(**SIZES, **WINDOWED, head_dim=16, sliding_window=16)
    loaded = LoadedModel(
        Gemma3ForCausalLM(config).eval(), Bytes(), registry.find(config.to_dict()), Path("."), "gemma3"
    )
    prompt = torch.randint(10, 260, (80,)).tolist()
    with torch.inference_mode():
        partial, expected = PartialPrompt(loaded, prompt), prefill(loaded, [prompt])
        while (found := partial.advance(24)) is None:
            pass
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=1e-4)


def test_pieces_grow_to_two_steps_and_shrink_when_they_take_more():
    size = PieceSize(16)
    size.note(0, True, 0.1)
    for _ in range(12):
        tokens = size.room(True)
        size.note(tokens, True, 0.1 + 0.0005 * tokens)
    assert size.room(True) == 256
    for _ in range(12):
        tokens = size.room(True)
        size.note(tokens, True, 0.1 + 0.004 * tokens)
    assert size.room(True) == 32


def test_where_small_pieces_take_as_long_as_large_ones_they_are_large():
    """A GPU that launches for 60 ms and computes 30 tokens a millisecond beside steps of 5 ms."""
    size = PieceSize(16)
    size.note(0, True, 0.005)
    for _ in range(40):
        tokens = size.room(True)
        size.note(tokens, True, 0.005 + max(0.06, tokens / 30_000))
    assert size.room(True) == LARGEST_PIECE


def test_pieces_of_nobody_waiting_are_long_but_end_in_time_for_a_cancel():
    size = PieceSize(16)
    for _ in range(12):
        size.note(size.room(False), False, 0.001)
    assert size.room(False) == LARGEST_PIECE
    for _ in range(12):
        size.note(size.room(False), False, 0.01 * size.room(False))
    assert 0.01 * size.room(False) <= IDLE_PIECE_SECONDS and size.room(True) == 64
    assert PieceSize(16, fixed=48).room(True) == 48


def test_few_tokens_say_nothing_about_a_full_piece():
    size = PieceSize(256)
    size.note(0, True, 0.01)
    size.note(20, True, 5.0)
    assert size.room(True) == 1024
