"""The same interface over an OpenAI-compatible server: our own, a stand-in for a strict one, and `transformers serve` where it is installed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from transformers.utils.import_utils import is_serve_available

from glm_core.api.routes import routes
from glm_core.serving import EngineUnavailable, Request, RequestError, UnknownModel
from glm_core.serving.engine import LocalEngine
from glm_core.serving.generate_many import ask_all
from glm_core.serving.remote import RemoteEngine
from glm_core.serving.remote import body as remote_request
from glm_core.serving.remote import engine as remote_module
from glm_core.workspace import ASSETS
from tests.engine import ask


@pytest.fixture
def remote(engine, server):
    remote = RemoteEngine(f"{server}/v1", "any")
    yield remote
    remote.close()


def test_an_answer_is_that_of_the_server(remote, engine):
    mine, theirs = remote.submit(ask(max_new_tokens=30)), engine.submit(ask(max_new_tokens=30))
    assert "".join(mine) == "".join(theirs)
    assert mine.usage == theirs.usage and mine.finish_reason == theirs.finish_reason
    assert "127.0.0.1" in mine.provenance.sentence()


def test_its_models_are_the_servers(remote):
    assert "tiny" in [choice.name for choice in remote.catalogue()]
    with pytest.raises(UnknownModel, match="tiny"):
        remote.submit(ask(model="nothing"))


def test_cancelling_reaches_the_server(remote, engine):
    handle = remote.submit(ask(max_new_tokens=480))
    next(iter(handle))
    deadline = time.monotonic() + 5
    while (engine.answering or not handle.done) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert handle.finish_reason == "cancelled" and engine.answering == 0


def test_what_the_server_refuses_is_an_error_on_the_handle(remote):
    handle = remote.submit(ask("天气" * 600))
    with pytest.raises(RequestError, match="400"):
        "".join(handle)
    with pytest.raises(RequestError):
        remote.submit(ask(strength=0.5))


def test_a_server_that_is_not_there_says_so():
    remote = RemoteEngine("http://127.0.0.1:9/v1")
    with pytest.raises(EngineUnavailable, match="127.0.0.1:9"):
        remote.submit(ask())


def test_a_server_that_does_not_know_the_key_says_which_setting_to_look_at(strict):
    address, _asked = strict
    remote = RemoteEngine(address, "wrong")
    with pytest.raises(EngineUnavailable, match="EASYAIGC_ENGINE_KEY"):
        remote.submit(ask(model=""))
    remote.close()


class StandIn(BaseHTTPRequestHandler):
    """What the stand-ins below answer with."""

    def answer(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def strict():
    """A stand-in for a server that knows OpenAI's fields and no other, as `transformers serve`; gives its address and what it was asked."""
    asked = []

    class Handler(StandIn):
        def do_GET(self):
            wrong = self.headers["authorization"] == "Bearer wrong"
            self.answer(401 if wrong else 200, json.dumps({"data": [{"id": "theirs"}]}))

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(body)
            if {"top_k", "repetition_penalty"} & set(body):
                self.answer(422, json.dumps({"detail": "Unexpected fields in the request"}))
                return
            chunks = [{"choices": [{"delta": {"content": piece}, "finish_reason": None}]} for piece in ("你", "好")]
            chunks += [{"choices": [{"delta": {}, "finish_reason": "stop"}]}]
            chunks += [{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}]
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            self.answer(200, ": a remark\n\n" + "".join(lines) + "data: [DONE]\n\n", "text/event-stream")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked
    server.shutdown()
    server.server_close()


def test_a_server_that_knows_openais_fields_alone_is_asked_with_those(strict):
    address, asked = strict
    remote = RemoteEngine(address)
    handle = remote.submit(ask(model="", top_k=5, repetition_penalty=1.1, temperature=0.7))
    assert "".join(handle) == "你好" and handle.finish_reason == "stop" and handle.usage["total_tokens"] == 5
    assert len(asked) == 2 and asked[1] == {
        name: value for name, value in asked[0].items() if name not in ("top_k", "repetition_penalty")
    }
    assert handle.provenance.sampling == {"temperature": 0.7}, "the provenance says what was used"
    "".join(remote.submit(ask(model="", top_k=0, repetition_penalty=1.0)))
    assert len(asked) == 3, "what changes nothing is not sent"
    remote.close()


def test_many_questions_are_all_answered_and_a_busy_engine_is_waited_for(engine, home):
    small = LocalEngine(rows=2, waiting=1)
    requests = [ask(question, max_new_tokens=6) for question in ("你好", "你是谁？", "再见") * 3]
    answers = dict(ask_all(small, requests, together=4))
    assert sorted(answers) == list(range(9))
    for number, handle in answers.items():
        assert handle.text == "".join(engine.submit(requests[number]))
    small.close()


def test_leaving_the_loop_over_many_cancels_the_rest(engine):
    for _number, _handle in ask_all(engine, [ask(max_new_tokens=2), *[ask(max_new_tokens=480)] * 5]):
        break
    deadline = time.monotonic() + 5
    while engine.answering and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.answering == 0


def test_an_easyaigc_elsewhere_goes_on_from_a_beginning(remote):
    handle = remote.submit(ask(beginning="从前"))
    pieces = "".join(handle)
    assert pieces and handle.text == "从前" + pieces


def test_the_beginning_goes_to_the_server_as_the_last_message():
    body = remote_request.body(ask("讲个故事", beginning="从前"), "m", {})
    assert body["messages"][-1] == {"role": "assistant", "content": "从前"}
    assert body["continue_final_message"] and not body["add_generation_prompt"]


@pytest.fixture(scope="module")
def transformers_serve(tmp_path_factory):
    """`transformers serve` on the embedded BLOOM, which gets the chat template that it needs; gives its address and its model's name."""
    if not is_serve_available():
        pytest.skip("no server here: pip install 'transformers[serving]'")
    folder = tmp_path_factory.mktemp("served") / "bloom-demo"
    shutil.copytree(ASSETS / "models" / "bloom-demo", folder)
    turns = "{% if m.role == 'user' %}Human: \n{{ m.content }}\n\nAssistant: \n{% else %}{{ m.content }}\n\n{% endif %}"
    (folder / "chat_template.jinja").write_text("{% for m in messages %}" + turns + "{% endfor %}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "transformers.cli.transformers",
        "serve",
        "--port",
        str(port),
        "--device",
        "cpu",
        str(folder),
    ]
    process = subprocess.Popen(
        command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    remote = RemoteEngine(f"http://127.0.0.1:{port}/v1")
    deadline = time.monotonic() + 90
    while True:
        try:
            choice = remote.find("")
            break
        except EngineUnavailable:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.3)
    yield remote, choice, process
    remote.close()
    process.kill()
    process.wait()


@pytest.mark.slow
def test_transformers_serve_answers_stops_and_is_missed(transformers_serve):
    remote, choice, process = transformers_serve
    ask_it = partial(ask, model=choice.name)
    assert choice.title == "bloom-demo" and Path(choice.name).is_absolute(), "known by its folder, shown by its name"
    handle = remote.submit(ask_it("一加一等于几？", temperature=0.5, top_p=0.85, top_k=30, max_new_tokens=30))
    assert "".join(handle) == handle.text != "" and handle.finish_reason == "stop" and handle.usage["prompt_tokens"] > 0
    assert "top_k" not in handle.provenance.sampling, "which it does not know"
    whole = "".join(remote.submit(ask_it("你叫什么名字？", temperature=0.0)))
    cut = remote.submit(ask_it("你叫什么名字？", temperature=0.0, stop=(whole[2],)))
    assert "".join(cut) == whole[: whole.index(whole[2])]
    endless = remote.submit(ask_it("考研答案是什么？", temperature=0.0, max_new_tokens=900))
    next(iter(endless))
    after = "".join(remote.submit(ask_it("你叫什么名字？", temperature=0.0)))
    assert endless.finish_reason == "cancelled" and after == whole
    silent = remote.submit(ask_it("天气" * 2000))
    silent.cancel()
    deadline = time.monotonic() + 2
    while not silent.done and time.monotonic() < deadline:
        time.sleep(0.01)
    assert silent.finish_reason == "cancelled", "though the server has said nothing yet"
    process.kill()
    process.wait()
    lost = remote.submit(ask_it("你好"))  # the list of models is remembered
    with pytest.raises(EngineUnavailable, match="127.0.0.1"):
        "".join(lost)


@pytest.mark.parametrize("listed", ['[{"id": "m"}, 5, {"name": "x"}]', '{"data": [{"id": "m"}]}'])
def test_a_server_may_list_its_models_bare_or_in_an_object(answering, listed):
    address, answers = answering
    answers["GET"] = listed
    assert [one.name for one in RemoteEngine(address).catalogue()] == ["m"]


@pytest.mark.parametrize("listed", ['{"data": 5}', '"models"', "{}", "null"])
def test_a_server_whose_list_is_none_is_an_error_that_says_so(answering, listed):
    address, answers = answering
    answers["GET"] = listed
    with pytest.raises(EngineUnavailable, match="no list of models"):
        RemoteEngine(address).catalogue()


def test_a_stream_that_holds_no_events_is_an_error_that_says_so(answering):
    address, answers = answering
    answers["POST"] = 'data: ["你好"]\n\ndata: [DONE]\n\n'
    handle = RemoteEngine(address).submit(ask(model=""))
    with pytest.raises(EngineUnavailable, match="no event"):
        "".join(handle)


def test_what_needs_the_model_itself_is_refused_with_a_sentence(answering):
    remote = RemoteEngine(answering[0])
    model = remote.find("")
    for act in (remote.fits, remote.log_likelihoods, remote.first_token_distributions):
        with pytest.raises(EngineUnavailable):
            act(model, [])


@pytest.fixture
def narrow():
    """A stand-in for vLLM that takes four messages and 32 tokens of an answer; gives its address and what it was asked."""
    asked = []

    class Handler(StandIn):
        def do_GET(self):
            served = [{"id": "ws/exports/chatglm3-6b", "max_model_len": 128}, {"id": "THUDM/own-model"}]
            self.answer(200, json.dumps({"data": served}))

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(body)
            if not 0 < body.get("top_p", 1) <= 1:
                self.answer(400, json.dumps({"error": {"message": "top_p must be in (0, 1]"}}))
            elif len(body["messages"]) > 4 or body["max_tokens"] > 32:
                why = "This model's maximum context length is 128 tokens. However, you requested more."
                self.answer(400, json.dumps({"error": {"message": why, "code": 400}}))
            else:
                chunk = {"choices": [{"delta": {"content": "好"}, "finish_reason": "stop"}]}
                self.answer(200, f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", "text/event-stream")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    remote = RemoteEngine(f"http://127.0.0.1:{server.server_port}/v1")
    yield remote, asked, server
    remote.close()
    server.shutdown()
    server.server_close()


def open_request(**fields):
    """A question that leaves the sampling to whoever answers."""
    return Request(**{"messages": ({"role": "user", "content": "你好"},), "max_new_tokens": 8} | fields)


def talk(rounds):
    past = [{"role": "system", "content": "你叫小明"}]
    for number in range(rounds):
        past += [{"role": "user", "content": f"问{number}"}, {"role": "assistant", "content": f"答{number}"}]
    return (*past, {"role": "user", "content": "最后一问"})


def test_what_a_request_leaves_open_is_sent_as_the_family_has_it_and_told(narrow):
    remote, asked, _ = narrow
    handle = remote.submit(open_request())
    assert "".join(handle) == "好"
    assert (asked[-1]["temperature"], asked[-1]["top_p"]) == (0.8, 0.8)
    assert handle.provenance.sampling == {"temperature": 0.8, "top_p": 0.8}
    assert "0.8" in handle.provenance.sentence() and "贪心" not in handle.provenance.sentence()
    "".join(remote.submit(open_request(temperature=0.0)))
    assert asked[-1]["temperature"] == 0.0


def test_a_model_of_no_known_family_samples_as_its_server_does_and_the_sentence_says_so(narrow):
    remote, asked, _ = narrow
    handle = remote.submit(open_request(model="THUDM/own-model"))
    assert "".join(handle) == "好" and "temperature" not in asked[-1]
    assert "那边的默认值" in handle.provenance.sentence() and "贪心" not in handle.provenance.sentence()


@pytest.mark.parametrize(
    ("name", "temperature"),
    [
        ("exports/ChatGLM3-6B-20261129-1", 0.8),
        ("bloom-demo-7f3a", 0.7),
        ("bloom-demonstration", None),
        ("gpt-oss", None),
    ],
)
def test_an_export_is_of_the_family_of_its_base(name, temperature, workspace):
    assert remote_request.official_sampling(name).get("temperature") == temperature


def test_no_mass_at_all_is_sent_as_the_least_that_servers_take(narrow):
    remote, asked, _ = narrow
    assert "".join(remote.submit(open_request(top_p=0.0))) == "好"
    assert 0 < asked[-1]["top_p"] < 1e-3


def test_a_long_conversation_loses_its_oldest_turns(narrow):
    remote, asked, _ = narrow
    handle = remote.submit(replace(open_request(), messages=talk(12)))
    assert "".join(handle) == "好"
    kept = [one["content"] for one in asked[-1]["messages"]]
    assert kept == ["你叫小明", "问11", "答11", "最后一问"] and handle.dropped_turns == 11


def test_an_answer_leaves_room_for_the_conversation(narrow):
    remote, asked, _ = narrow
    handle = remote.submit(open_request(max_new_tokens=4000))
    assert "".join(handle) == "好" and asked[-1]["max_tokens"] == 32 and not handle.dropped_turns


def test_one_question_that_is_too_long_is_refused_in_the_words_of_the_server(narrow):
    remote, asked, _ = narrow
    one = [{"role": "system", "content": str(number)} for number in range(5)]
    handle = remote.submit(replace(open_request(), messages=(*one, {"role": "user", "content": "问"})))
    with pytest.raises(RequestError, match="maximum context length"):
        "".join(handle)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("ws/exports/bloom", "bloom"),
        ("./bloom", "bloom"),
        ("/srv/models/bloom/", "bloom"),
        ("C:\\models\\bloom", "bloom"),
        ("THUDM/chatglm3-6b", "THUDM/chatglm3-6b"),
        ("bloom", "bloom"),
        ("/", "/"),
    ],
)
def test_folders_are_shown_by_their_last_part(name, title):
    assert remote_request.title(name) == title


def test_a_server_that_went_away_is_noticed(narrow, monkeypatch):
    remote, _, server = narrow
    monkeypatch.setattr(remote_module, "REACHED_SECONDS", 0.0)
    remote.check()
    server.shutdown()
    server.server_close()
    with pytest.raises(EngineUnavailable, match="127.0.0.1"):
        remote.check()
    with pytest.raises(EngineUnavailable):
        remote.catalogue()


def test_health_tells_that_the_server_is_gone(narrow, monkeypatch):
    remote, _, server = narrow
    monkeypatch.setattr(remote_module, "REACHED_SECONDS", 0.0)
    client = TestClient(Starlette(routes=routes(lambda: remote)))
    assert client.get("/health").json()["status"] == "ok"
    server.shutdown()
    server.server_close()
    answer = client.get("/health")
    assert answer.status_code == 503 and "127.0.0.1" in answer.json()["error"]["message"]


@pytest.fixture
def answering():
    """A server that sends what it is told to; gives its address, and the texts by method."""
    answers = {"GET": '{"data": [{"id": "m"}]}', "POST": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(answers["GET"])

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self._send(answers["POST"])

        def _send(self, text):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", answers
    server.shutdown()
    server.server_close()
