"""The engine: answers equal the library's own generation, whoever shares the batch; queue, cancel, errors."""

import asyncio
import threading
import time

import pytest
import torch

from glm_core import models, workspace
from glm_core.serving import (
    EngineBusy,
    EngineUnavailable,
    PromptTooLong,
    Request,
    RequestError,
    RequestHandle,
    UnknownModel,
)
from glm_core.serving.engine import LocalEngine
from glm_core.serving.session import Session
from tests.engine import ask

QUESTIONS = ("你好", "你是谁？", "三加五等于多少？", "给我讲一个很长很长的故事，要有开头和结尾。", "法国的首都是哪里？")


@pytest.fixture(scope="module")
def reference(tiny_folder):
    """Greedy answers of transformers' own `generate`, one by one: question -> text."""
    loaded = models.load(tiny_folder)
    answers = {}
    for question in QUESTIONS:
        ids = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": question}])
        with torch.inference_mode():
            output = loaded.model.generate(torch.tensor([ids]), max_new_tokens=40, do_sample=False)[
                0, len(ids) :
            ].tolist()
        stop = loaded.family.stop_ids(loaded.tokenizer)
        output = output[: next((i for i, token in enumerate(output) if token in stop), None)]
        answers[question] = loaded.family.clean(loaded.tokenizer.decode(output))
    return answers


def test_the_test_model_depends_on_its_context(reference):
    assert len(set(reference.values())) == len(QUESTIONS)


def test_one_answer_is_that_of_generate(engine, reference):
    for question in QUESTIONS:
        handle = engine.submit(ask(question, max_new_tokens=40))
        assert "".join(handle) == handle.text == reference[question]


def test_rows_of_a_batch_answer_as_if_alone_though_they_join_and_leave_at_different_times(engine, reference):
    handles = []
    for number, question in enumerate(QUESTIONS * 3):
        handle = engine.submit(ask(question, max_new_tokens=40, owner=str(number % 4)))
        handles.append((question, handle))
        while number % 4 == 1 and handle.completion_tokens < 3 and not handle.done:
            time.sleep(0.001)  # let the batch run a little before the next ones come
    for question, handle in handles:
        assert wait(handle).finish_reason in ("stop", "length")
        assert handle.text == reference[question], question


def wait(handle, seconds=30):
    deadline = time.monotonic() + seconds
    while not handle.done:
        assert time.monotonic() < deadline, handle.state
        time.sleep(0.005)
    return handle


def test_the_ticket_tells_what_answered_and_what_it_cost(engine):
    handle = wait(engine.submit(ask(temperature=0.7, seed=3)))
    assert handle.provenance.base == "tiny" and handle.provenance.adapter is None
    assert handle.provenance.sampling == {
        "temperature": 0.7,
        "top_p": 0.7,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "seed": 3,
    }
    assert "tiny" in handle.provenance.sentence() and "3" in handle.provenance.sentence()
    assert handle.usage["total_tokens"] == handle.usage["prompt_tokens"] + handle.usage["completion_tokens"]
    assert handle.finish_reason == "length" and handle.usage["completion_tokens"] == 12
    assert handle.first_token_seconds > 0 and handle.tokens_per_second > 0
    assert engine.loaded.name == "tiny" and engine.loaded.context_length == 512


def test_the_same_seed_gives_the_same_answer_and_another_gives_another(engine):
    def text(seed):
        return wait(engine.submit(ask(temperature=1.5, top_p=1.0, seed=seed, max_new_tokens=30))).text

    assert text(1) == text(1) != text(2)


def test_a_stop_string_ends_the_answer_before_it(engine, reference):
    whole = reference["你好"]
    stop = whole[3:5]
    handle = wait(engine.submit(ask("你好", max_new_tokens=40, stop=(stop,))))
    assert (handle.finish_reason, handle.text) == ("stop", whole[: whole.find(stop)])


@pytest.mark.parametrize("beginning", ["我叫小", "三加五等于八。\n\n```\nx = 1", "c\ufffd，"])
def test_an_answer_goes_on_from_its_beginning_as_the_model_itself_would(engine, tiny_folder, beginning):
    loaded = models.load(tiny_folder)
    messages = [{"role": "user", "content": "你是谁？"}, {"role": "assistant", "content": beginning}]
    ids = loaded.family.encode_example(loaded.tokenizer, messages, 512, 512)[0][:-1]
    with torch.inference_mode():
        output = loaded.model.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False)[0, len(ids) :].tolist()
    stop = loaded.family.stop_ids(loaded.tokenizer)
    output = output[: next((i for i, token in enumerate(output) if token in stop), None)]
    others = [engine.submit(ask(question, max_new_tokens=40)) for question in QUESTIONS]
    handle = engine.submit(ask("你是谁？", max_new_tokens=20, beginning=beginning))
    pieces = "".join(handle)
    assert handle.text == loaded.family.clean(beginning + loaded.tokenizer.decode(output)) and pieces
    assert handle.text.startswith(beginning) and handle.text.endswith(pieces)
    assert handle.prompt_tokens == len(ids) and handle.completion_tokens <= 20
    assert [bool(wait(other).text) for other in others] == [True] * len(QUESTIONS)


def test_what_there_is_of_an_answer_stays_when_going_on_fails(engine, tiny_folder):
    handle = RequestHandle(ask(beginning="已经说了的"))
    handle.finish("error", error=EngineUnavailable("serving.closing"))
    assert handle.text == "已经说了的"
    longer = engine.submit(ask(beginning="很长" * 2000))
    assert isinstance(wait(longer).error, PromptTooLong) and longer.text == "很长" * 2000


def test_cancelling_stops_the_computation_within_a_token_and_keeps_the_text(engine):
    handle = engine.submit(ask(max_new_tokens=400))
    for piece in handle:
        if piece:
            break  # leaving the loop cancels
    counted = handle.completion_tokens
    wait(handle)
    assert handle.finish_reason == "cancelled" and handle.text
    assert handle.completion_tokens <= counted + 2
    assert engine.answering == 0


def test_a_request_that_waits_can_be_cancelled(home):
    engine = LocalEngine(rows=1)
    first = engine.submit(ask(max_new_tokens=400))
    second = engine.submit(ask())
    third = engine.submit(ask(max_new_tokens=3))
    assert (second.position, third.position) in ((1, 2), (2, 3))
    second.cancel()
    assert wait(second).finish_reason == "cancelled" and second.text == ""
    first.cancel()
    assert wait(third).finish_reason == "length"
    engine.close()


def test_a_deadline_ends_the_answer_with_what_there_is(engine, monkeypatch):
    wait(engine.submit(ask()))
    step = Session.step
    monkeypatch.setattr(Session, "step", lambda one: (time.sleep(0.01), step(one)))  # 4 s for 400 tokens on any machine
    handle = wait(engine.submit(ask(max_new_tokens=400, timeout=0.5)))
    assert handle.finish_reason == "length" and 0 < handle.completion_tokens < 400


def test_beyond_the_queue_there_is_a_busy_answer_with_a_time(home):
    engine = LocalEngine(rows=1, waiting=2, each=2)
    handles = [engine.submit(ask(max_new_tokens=400))]
    while handles[0].state != "answering":
        time.sleep(0.01)
    handles += [engine.submit(ask()), engine.submit(ask())]
    with pytest.raises(EngineBusy) as caught:
        engine.submit(ask())
    assert caught.value.retry_after >= 1 and "2" in str(caught.value)
    engine.close()
    assert all(wait(handle).done for handle in handles)


def test_owners_take_turns(home):
    engine = LocalEngine(rows=1, waiting=20)
    first = engine.submit(ask(max_new_tokens=300, owner="a"))
    while first.state != "answering":
        time.sleep(0.01)
    many = [engine.submit(ask(max_new_tokens=2, owner="a")) for _ in range(5)]
    stranger = engine.submit(ask(max_new_tokens=2, owner="b"))
    assert stranger.position == 1 and [handle.position for handle in many] == [2, 3, 4, 5, 6]
    engine.close()


def test_old_turns_give_way_when_the_context_is_full(engine):
    turns = []
    for number in range(60):
        turns += [
            {"role": "user", "content": f"问题{number}，今天天气怎么样？"},
            {"role": "assistant", "content": "今天晴。"},
        ]
    handle = wait(engine.submit(ask(messages=(*turns, {"role": "user", "content": "你是谁？"}))))
    assert handle.finish_reason == "length" and 0 < handle.dropped_turns < 60
    assert handle.usage["prompt_tokens"] <= 512 - 12
    shorter = wait(
        engine.submit(ask(messages=(*turns[2 * handle.dropped_turns :], {"role": "user", "content": "你是谁？"})))
    )
    assert shorter.text == handle.text and shorter.dropped_turns == 0


def test_a_question_longer_than_the_context_says_so(engine):
    handle = wait(engine.submit(ask("天气" * 600)))
    assert handle.finish_reason == "error" and isinstance(handle.error, PromptTooLong)
    assert wait(engine.submit(ask())).finish_reason == "length"


def test_an_answer_ends_where_the_context_does(engine):
    handle = wait(engine.submit(ask("天气" * 120, max_new_tokens=5000)))
    assert handle.finish_reason in ("length", "stop") and handle.usage["total_tokens"] <= 512


def test_unknown_models_and_wrong_fields_are_refused_at_once(engine):
    with pytest.raises(UnknownModel, match="tiny"):
        engine.submit(ask(model="nothing"))
    for fields in (
        {"temperature": 3},
        {"top_p": "1"},
        {"max_new_tokens": 0},
        {"seed": 1.5},
        {"stop": ("",)},
        {"top_k": True},
    ):
        with pytest.raises(RequestError):
            ask(**fields)
    for messages in (
        (),
        ({"role": "x", "content": ""},),
        ({"role": "assistant", "content": "a"},),
        ({"role": "user", "content": 1},),
    ):
        with pytest.raises(RequestError):
            Request(messages)


def test_a_folder_that_is_no_model_is_an_error_of_that_request_alone(engine, home):
    (home / "models" / "broken").mkdir()
    (home / "models" / "broken" / "config.json").write_text("{}", encoding="utf-8")
    handle = wait(engine.submit(ask(model="broken")))
    assert isinstance(handle.error, EngineUnavailable) and str(handle.error)
    assert wait(engine.submit(ask())).finish_reason == "length"


def test_loading_reports_its_stages_and_unloading_frees_the_model(engine, home):
    engine.unload()
    stages = []
    info = engine.load(home / "models" / "tiny", lambda stage, fraction: stages.append(stage))
    assert info.name == "tiny" and stages
    engine.unload()
    assert engine.loaded is None
    assert wait(engine.submit(ask())).finish_reason == "length"


def test_unloading_waits_for_the_running_answer(engine):
    handle = engine.submit(ask(max_new_tokens=40))
    while handle.completion_tokens < 2:
        time.sleep(0.005)
    engine.unload()
    assert handle.finish_reason in ("stop", "length") and engine.loaded is None


def test_asyncio_readers_get_the_same_text_without_a_thread(engine, reference):
    async def read():
        return "".join([piece async for piece in engine.submit(ask("你好", max_new_tokens=40))])

    assert asyncio.run(read()) == reference["你好"]


def test_leaving_an_async_loop_cancels(engine):
    async def read():
        handle = engine.submit(ask(max_new_tokens=400))
        pieces = aiter(handle)
        await anext(pieces)
        await pieces.aclose()
        return handle

    assert wait(asyncio.run(read())).finish_reason == "cancelled"


def test_closing_ends_every_ticket_and_the_thread(home):
    before = set(threading.enumerate())
    engine = LocalEngine(rows=1)
    handles = [engine.submit(ask(max_new_tokens=400)) for _ in range(3)]
    while handles[0].completion_tokens < 2:
        time.sleep(0.005)
    engine.close()
    assert all(handle.done for handle in handles)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before
    with pytest.raises(EngineUnavailable):
        engine.submit(ask())
    engine.close()


def test_the_end_does_not_wait_for_a_load(home, monkeypatch):
    engine, go_on, load = LocalEngine(grace=0.0), threading.Event(), Session.load
    monkeypatch.setattr(Session, "load", lambda *arguments: (go_on.wait(60), load(*arguments))[1])
    entering = engine.submit(ask())
    while entering.state != "loading":
        time.sleep(0.001)
    waiting = engine.submit(ask())
    engine.close()
    assert not go_on.is_set()
    for handle in (entering, waiting):
        assert isinstance(handle.error, EngineUnavailable) and handle.finish_reason == "error"
    go_on.set()


def test_a_long_prompt_of_one_client_does_not_silence_the_answer_of_another(home, monkeypatch):
    engine, base = LocalEngine(piece=16), workspace.ASSETS / "models" / "bloom-demo"
    endless = ((models.load_tokenizer(base).eos_token_id, -100.0),)
    running = engine.submit(ask(model=base.name, max_new_tokens=400, owner="a", logit_bias=endless))
    while running.completion_tokens < 2:
        time.sleep(0.001)
    pieces, join = [], Session.join

    def watched(self, group, room):
        pieces.append((running.completion_tokens, join(self, group, room)))
        return pieces[-1][1]

    monkeypatch.setattr(Session, "join", watched)
    long = engine.submit(ask("天气怎么样？" * 40, model=base.name, max_new_tokens=2, owner="b"))
    assert wait(long, 90).finish_reason in ("stop", "length")
    told, tokens = zip(*pieces, strict=True)
    assert max(tokens) <= 16 and len(set(told)) == len(told) > 4, "a token between any two pieces"
    gone = engine.submit(ask("地气怎么样？" * 40, model=base.name, max_new_tokens=2, owner="b"))
    gone.cancel()
    computed = len(pieces)
    assert wait(gone).finish_reason == "cancelled" and len(pieces) <= computed + 2
    running.cancel()
    engine.close()
