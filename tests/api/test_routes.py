"""The HTTP API: the official client against a real server, and every kind of wrong request."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from glm_core.api import routes
from glm_core.api.prometheus import ApiMetrics
from glm_core.serving import RequestHandle
from glm_core.serving.engine import LocalEngine
from glm_core.serving.session import Session
from tests.engine import ask

HELLO = [{"role": "user", "content": "你好"}]
GREEDY = {"model": "tiny", "messages": HELLO, "temperature": 0, "max_tokens": 12}


def test_a_complete_answer(client, engine):
    answer = client.chat.completions.create(**GREEDY)
    expected = engine.submit(ask())
    assert answer.choices[0].message.content == "".join(expected)
    assert answer.choices[0].finish_reason == "length" and answer.model == "tiny"
    assert answer.usage.model_dump(include=set(expected.usage)) == expected.usage
    assert answer.easyaigc["stamp"]["base"] == "tiny"


def test_a_streaming_answer_with_usage_is_the_complete_one(client):
    complete = client.chat.completions.create(**GREEDY)
    chunks = list(client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == complete.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage == complete.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_without_the_option_no_chunk_has_usage(client):
    assert all(chunk.usage is None and chunk.choices for chunk in client.chat.completions.create(**GREEDY, stream=True))


def test_models_are_listed_and_found_by_name(client):
    assert "tiny" in [model.id for model in client.models.list()]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_content_parts_stop_and_seed(client):
    parts = [{"role": "user", "content": [{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]}]
    whole = client.chat.completions.create(**GREEDY).choices[0].message.content
    assert client.chat.completions.create(**GREEDY | {"messages": parts}).choices[0].message.content == whole
    stopped = client.chat.completions.create(**GREEDY, stop=[whole[2:4]])
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == whole[: whole.find(whole[2:4])]
    drawn = [
        client.chat.completions.create(**GREEDY | {"temperature": 1.2}, seed=5).choices[0].message.content for _ in "12"
    ]
    assert drawn[0] == drawn[1]


def test_the_asynchronous_client_streams_several_at_once(server, engine):
    import asyncio

    async def read(client):
        stream = await client.chat.completions.create(**GREEDY, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def gather():
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0) as client:
            return await asyncio.gather(*(read(client) for _ in range(6)))

    assert len(set(asyncio.run(gather()))) == 1


WRONG = [
    ({"messages": []}, "messages"),
    ({"messages": "你好"}, "messages"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": ["你好"]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": "x", "mood": 1}]}, "messages[0].mood"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content[0]",
    ),
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"temperature": float("nan")}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"n": 0}, "n"),
    ({"n": 9}, "n"),
    ({"n": "2"}, "n"),
    ({"n": True}, "n"),
    ({"stop": [""]}, "stop"),
    ({"stop": {"a": 1}}, "stop"),
    ({"stop": ["x"] * 17}, "stop"),
    ({"seed": "1"}, "seed"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"presence_penalty": 3}, "presence_penalty"),
    ({"logit_bias": {"x": 1}}, "logit_bias"),
    ({"logit_bias": {"999999": 1}}, "logit_bias"),
    ({"response_format": {"type": "yaml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}}, "response_format"),
    ({"guided_regex": "[a-"}, "guided_regex"),
    ({"guided_choice": []}, "guided_choice"),
    ({"guided_regex": "a", "guided_choice": ["b"]}, "guided_choice"),
    ({"min_tokens": 5}, "min_tokens"),
    ({"ignore_eos": True}, "ignore_eos"),
    ({"stop_token_ids": [1]}, "stop_token_ids"),
    ({"bad_words": ["a"]}, "bad_words"),
    ({"length_penalty": 0.5}, "length_penalty"),
    ({"made_up": 1}, "made_up"),
    ({"model": None}, "model"),
    ({"model": 3}, "model"),
]


@pytest.mark.parametrize(
    "fields, parameter", WRONG, ids=[f"{number}-{parameter}" for number, (_, parameter) in enumerate(WRONG)]
)
def test_a_wrong_field_is_named(http, fields, parameter):
    response = http.post("/v1/chat/completions", content=json.dumps(GREEDY | fields))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (
        error["param"] == parameter and error["type"] == "invalid_request_error" and error["message"] and error["code"]
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null", b'{"model": "\\ud800"}'])
def test_a_body_that_is_no_object_is_refused(http, body):
    response = http.post("/v1/chat/completions", content=body)
    assert response.status_code == 400 and response.json()["error"]["message"]


def test_unused_standard_fields_are_accepted(http):
    extra = {
        "n": 1,
        "user": "x",
        "metadata": {"a": "b"},
        "store": False,
        "presence_penalty": 0.0,
        "logprobs": False,
        "tools": [],
        "response_format": {"type": "text"},
        "stop": None,
        "seed": None,
        "max_tokens": 12.0,
    }
    assert http.post("/v1/chat/completions", json=GREEDY | extra).status_code == 200


def test_errors_have_openais_form_and_status(http):
    unknown = http.post("/v1/chat/completions", json=GREEDY | {"model": "nothing"})
    assert unknown.status_code == 404 and unknown.json()["error"]["code"] == "model_not_found"
    long = http.post("/v1/chat/completions", json=GREEDY | {"messages": [{"role": "user", "content": "天气" * 800}]})
    assert long.status_code == 400 and long.json()["error"]["code"] == "context_length_exceeded"
    streamed = http.post(
        "/v1/chat/completions", json=GREEDY | {"messages": [{"role": "user", "content": "天气" * 800}], "stream": True}
    )
    assert streamed.status_code == 400
    large = http.post("/v1/chat/completions", content=b" " * (routes.BODY_LIMIT + 1))
    assert large.status_code == 413
    assert http.get("/v1/nothing").status_code == 404 and http.get("/v1/nothing").json()["error"]["message"]
    assert http.get("/v1/chat/completions").status_code in (404, 405)


def test_errors_speak_the_clients_language(http):
    body = GREEDY | {"temperature": 9}
    chinese = http.post("/v1/chat/completions", json=body).json()["error"]["message"]
    english = http.post("/v1/chat/completions", json=body, headers={"accept-language": "en-GB,en"}).json()["error"][
        "message"
    ]
    assert "之间" in chinese and "between" in english


def test_health_names_the_loaded_model(http, engine):
    list(engine.submit(ask(max_new_tokens=1)))
    assert http.get("/health").json() == {"status": "ok", "model": "tiny", "waiting": 0, "answering": 0}


def test_busy_is_429_with_a_time_and_stopping_is_503(home):
    engine = LocalEngine(rows=1, waiting=1)
    http = TestClient(Starlette(routes=routes.routes(lambda: engine)))
    first = engine.submit(ask(max_new_tokens=480))
    while first.state != "answering":
        time.sleep(0.01)
    second = engine.submit(ask())
    response = http.post("/v1/chat/completions", json=GREEDY)
    assert response.status_code == 429 and int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["type"] == "rate_limit_error"
    engine.close()
    assert first.done and second.done
    response = http.post("/v1/chat/completions", json=GREEDY)
    assert response.status_code == 503 and response.headers["retry-after"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_closed_connection_cancels_within_a_token(server, engine, stream, monkeypatch):
    handles = []
    submit = engine.submit
    monkeypatch.setattr(engine, "submit", lambda request: handles.append(submit(request)) or handles[-1])
    body = GREEDY | {"max_tokens": 490, "stream": stream}
    with httpx.Client(timeout=5) as client:
        if stream:
            with client.stream("POST", f"{server}/v1/chat/completions", json=body) as response:
                next(response.iter_lines())
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post(f"{server}/v1/chat/completions", json=body, timeout=0.15)
    deadline = time.monotonic() + 5
    while not handles[0].done and time.monotonic() < deadline:
        time.sleep(0.01)
    assert handles[0].finish_reason == "cancelled" and handles[0].completion_tokens < 480


def test_many_requests_leave_the_event_loop_free(server, engine, monkeypatch):
    """Forty callers wait for an engine that stands still: /health answers meanwhile, and all of them once it goes on."""
    step, go_on = Session.step, threading.Event()

    def held(self, *arguments):
        assert go_on.wait(120)
        return step(self, *arguments)

    monkeypatch.setattr(Session, "step", held)
    with ThreadPoolExecutor(40) as pool:
        try:
            results = [
                pool.submit(httpx.post, f"{server}/v1/chat/completions", json=GREEDY | {"max_tokens": 4}, timeout=120)
                for _ in range(40)
            ]
            for _ in range(20):
                assert httpx.get(f"{server}/health", timeout=60).status_code == 200
            waiting = [result for result in results if not result.done()]
        finally:
            go_on.set()
    codes = {result.result().status_code for result in results}
    assert waiting and codes <= {200, 429} and {result.result().status_code for result in waiting} & {200}


@pytest.mark.parametrize("grace, tokens, last", [(0.0, 490, "error"), (60.0, 40, "data: [DONE]")])
def test_a_stopping_server_ends_open_streams_with_an_error_unless_they_are_about_to_end(home, grace, tokens, last):
    engine = LocalEngine(grace=grace)
    app = Starlette(routes=routes.routes(lambda: engine))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
    with httpx.stream("POST", address, json=GREEDY | {"max_tokens": tokens, "stream": True}, timeout=60) as response:
        lines = response.iter_lines()
        next(lines)
        server.should_exit = True
        engine.close()  # what `ending_on_signals` does on Ctrl-C
        left = [line for line in lines if line]
    assert last in left[-1] and ("data: [DONE]" in left) == (last != "error")
    thread.join(timeout=20)
    assert not thread.is_alive()


def test_a_complete_answer_that_the_end_of_the_program_breaks_off_is_503(home):
    engine = LocalEngine(grace=0.0)
    http = TestClient(Starlette(routes=routes.routes(lambda: engine)))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(http.post, "/v1/chat/completions", json=GREEDY | {"max_tokens": 490})
        while not engine.answering:
            time.sleep(0.01)
        engine.close()
        response = asked.result()
    assert response.status_code == 503 and int(response.headers["retry-after"]) >= 1


# several choices, plain completions, figures


def test_several_choices_are_the_single_ones_with_the_next_seeds(client):
    warm = GREEDY | {"temperature": 1.3}
    alone = [client.chat.completions.create(**warm, seed=seed).choices[0].message.content for seed in (5, 6, 7)]
    answer = client.chat.completions.create(**warm, seed=5, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.message.content for choice in answer.choices] == alone
    one = client.chat.completions.create(**warm, seed=5)
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens
    assert answer.usage.completion_tokens > one.usage.completion_tokens


def test_several_choices_stream_side_by_side(client):
    warm = GREEDY | {"temperature": 1.3}
    whole = client.chat.completions.create(**warm, seed=5, n=3)
    texts, roles, ends = {}, [], {}
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(**warm, seed=5, n=3, stream=True, stream_options=options):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            roles += [choice.index] if choice.delta.role else []
            ends |= {choice.index: choice.finish_reason} if choice.finish_reason else {}
    assert [texts[number] for number in range(3)] == [choice.message.content for choice in whole.choices]
    assert sorted(roles) == [0, 1, 2] and len(ends) == 3
    assert chunk.usage == whole.usage


def test_a_busy_engine_gives_all_choices_or_none(home):
    engine = LocalEngine(rows=1, waiting=2)
    http = TestClient(Starlette(routes=routes.routes(lambda: engine)))
    response = http.post("/v1/chat/completions", json=GREEDY | {"n": 8})
    assert response.status_code == 429
    deadline = time.monotonic() + 20
    while engine.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.waiting == 0, "those already queued are cancelled"
    engine.close()


def test_a_plain_completion_asks_the_prompt_as_a_question(client):
    chat = client.chat.completions.create(**GREEDY)
    plain = client.completions.create(model="tiny", prompt="你好", temperature=0, max_tokens=12)
    assert plain.object == "text_completion" and plain.choices[0].text == chat.choices[0].message.content
    assert plain.usage == chat.usage and plain.choices[0].finish_reason == "length"
    assert client.completions.create(model="tiny", prompt="你好", temperature=0).usage.completion_tokens <= 16
    chunks = list(client.completions.create(model="tiny", prompt="你好", temperature=0, max_tokens=12, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == plain.choices[0].text
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"


def test_plain_completions_of_several_prompts_keep_their_order(client):
    prompts = ["你好", "天气"]
    alone = [client.completions.create(model="tiny", prompt=one, temperature=0).choices[0].text for one in prompts]
    both = client.completions.create(model="tiny", prompt=prompts, temperature=0, n=2)
    assert [choice.text for choice in both.choices] == [alone[0], alone[0], alone[1], alone[1]]


@pytest.mark.parametrize(
    "fields, parameter",
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": [1, "x"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"prompt": ["a"] * 33, "n": 2}, "n"),
    ],
)
def test_a_wrong_field_of_a_plain_completion_is_named(http, fields, parameter):
    response = http.post("/v1/completions", json={"model": "tiny", "prompt": "你好"} | fields)
    assert response.status_code == 400 and response.json()["error"]["param"] == parameter


def test_the_figures_count_what_was_answered_and_refused(http):
    answer = http.post("/v1/chat/completions", json=GREEDY)
    http.post("/v1/chat/completions", json=GREEDY | {"model": "nothing"})
    figures = http.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in figures.text.splitlines() if not line.startswith("#"))
    }
    assert values['easyaigc_requests_total{ended="length",status=""}'] == 1
    assert values['easyaigc_requests_total{ended="refused",status="404"}'] == 1
    assert values["easyaigc_completion_tokens_total"] == answer.json()["usage"]["completion_tokens"]
    assert values["easyaigc_first_token_seconds_count"] == 1 and values["easyaigc_model_loaded"] == 1
    assert values['easyaigc_first_token_seconds_bucket{le="300.0"}'] == 1


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_fails_is_counted_once(http, stream):
    body = GREEDY | {"messages": [{"role": "user", "content": "天气" * 600}], "stream": stream}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "context_length_exceeded"
    assert "maximum context length is 512" in answer.json()["error"]["message"]
    lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith("easyaigc_requests_total{")]
    assert lines == ['easyaigc_requests_total{ended="refused",status="400"} 1.0']


def test_counters_above_a_million_keep_every_digit():
    meter, handle = ApiMetrics(), RequestHandle(ask())
    for tokens in (1_234_567, 1):
        handle.prompt_tokens = tokens
        meter.answered([handle])
    values = dict(line.rsplit(" ", 1) for line in meter.text(LocalEngine()).splitlines() if not line.startswith("#"))
    assert float(values["easyaigc_prompt_tokens_total"]) == 1_234_568
