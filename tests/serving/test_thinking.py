"""Thoughts while answering: kept apart from the answer in engine, API and conversations; learned from rows that have them."""

import json

import httpx
import pytest

from glm_core.chat.conversations import Conversation
from glm_core.serving.engine import LocalEngine
from glm_core.serving.request import Request
from glm_core.training.run import run
from glm_core.training.settings import TrainingSettings
from tests.engine import serve
from tests.models.thinkers import write_thinker

ROWS = (
    ("hello", "hello", "world"),
    ("你好", "你好 hello", "很高兴见到你 hello world"),
)
SETTINGS = TrainingSettings(
    max_steps=60, learning_rate=2e-2, lora_rank=16, lora_targets="all-linear", lora_dropout=0.0, micro_batch=4
)


def messages_of(question, thought, answer):
    kept = {"reasoning_content": thought} if thought else {}
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **kept}]


@pytest.fixture(scope="module")
def workspace_of_thinkers(tmp_path_factory):
    """A workspace with a thinking base and a run that learned rows with thoughts, and the run's folder."""
    home = tmp_path_factory.mktemp("home")
    base = write_thinker(home / "models" / "thinker")
    folder = home / "runs" / "thoughtful"
    folder.mkdir(parents=True)
    rows = [messages_of(*row) for row in ROWS] * 2 + [messages_of("world", "", "hello world")] * 2
    lines = "".join(json.dumps({"messages": row}) + "\n" for row in rows)
    (folder / "dataset.jsonl").write_text(lines, encoding="utf-8")
    record = {"id": "thoughtful", "name": "thoughtful", "created": 1.0, "model": str(base), "model_name": "thinker"}
    record |= {"settings": SETTINGS.to_dict(), "questions": ["world"], "dataset": {"id": "x", "name": "x", "rows": 6}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYAIGC_HOME", str(home))
        assert run(folder) == 0, (folder / "train.log").read_text(encoding="utf-8")
    return home, folder


@pytest.fixture(scope="module")
def one_engine():
    engine = LocalEngine(waiting=16)
    yield engine
    engine.close()


@pytest.fixture
def thinker(workspace_of_thinkers, one_engine, monkeypatch):
    monkeypatch.setenv("EASYAIGC_HOME", str(workspace_of_thinkers[0]))
    return one_engine


def ask(engine, question, tokens=40, **fields):
    asked = ({"role": "user", "content": question},)
    handle = engine.submit(Request(asked, "thoughtful", temperature=0.0, max_new_tokens=tokens, **fields))
    return "".join(handle), handle


@pytest.mark.parametrize("question, thought, answer", ROWS)
def test_a_row_with_a_thought_is_learned_and_its_answer_arrives_alone(thinker, question, thought, answer):
    text, handle = ask(thinker, question)
    assert (handle.reasoning, text, handle.text) == (thought, answer, answer)
    assert 0 < handle.reasoning_tokens < handle.completion_tokens and handle.reasoning_seconds > 0


def test_a_row_without_a_thought_is_learned_for_an_answer_at_once(thinker):
    text, handle = ask(thinker, "world", thinking=False)
    assert (text, handle.reasoning, handle.reasoning_seconds) == ("hello world", "", None)
    assert handle.provenance.thinking is False


def test_the_log_says_how_many_thoughts_are_learned(workspace_of_thinkers):
    status = json.loads((workspace_of_thinkers[1] / "status.json").read_text())
    assert status["thoughts"] == 4


def test_samples_of_a_run_have_no_thoughts(workspace_of_thinkers):
    lines = (workspace_of_thinkers[1] / "samples.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["answer"] == "hello world"


def test_a_grammar_holds_for_the_answer_and_leaves_no_thought(thinker):
    from glm_core.serving.batching import grammar

    text, handle = ask(thinker, "hello", grammar=grammar.choice(["yes", "no"], "guided_choice"))
    assert text in ("yes", "no") and handle.reasoning == ""


def test_a_conversation_keeps_the_thought_out_of_history_and_title(thinker):
    talk = Conversation("someone")
    talk.ask("hello")
    text, handle = ask(thinker, "hello")
    talk.note(handle)
    talk.save()
    kept = talk.messages[-1]
    assert (kept["content"], kept["reasoning_content"]) == ("world", "hello") and kept["reasoning_seconds"] > 0
    talk.ask("again")
    assert "reasoning_content" not in json.dumps(talk.prompt()) and talk.name == "hello"


def test_an_answer_goes_on_behind_its_own_thought(thinker):
    whole, handle = ask(thinker, "你好")
    begun, cut = ask(thinker, "你好", tokens=handle.completion_tokens - 1)
    assert cut.reasoning == handle.reasoning and whole.startswith(begun) and 0 < len(begun) < len(whole)
    _, later = ask(thinker, "你好", beginning=begun, thought=cut.reasoning)
    assert later.text == whole and later.reasoning == handle.reasoning


@pytest.fixture
def api(thinker):
    with serve(thinker) as address:
        yield address


BODY = {"model": "thoughtful", "temperature": 0, "max_tokens": 40, "messages": [{"role": "user", "content": "hello"}]}


def test_an_api_answer_has_its_thought_apart(api):
    found = httpx.post(f"{api}/v1/chat/completions", json=BODY, timeout=60).json()
    message = found["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("world", "hello")
    assert found["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_a_stream_has_the_thought_as_deltas_before_the_text(api):
    lines = httpx.post(f"{api}/v1/chat/completions", json=BODY | {"stream": True}, timeout=60).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "hello"
    assert "".join(delta.get("content", "") for delta in deltas) == "world"
    kinds = [next(iter(delta)) for delta in deltas if delta and "role" not in delta]
    assert kinds == sorted(kinds, reverse=True)  # reasoning_content first


def test_a_client_switches_thoughts_off(api):
    body = BODY | {"messages": [{"role": "user", "content": "world"}]}
    body["chat_template_kwargs"] = {"enable_thinking": False}
    message = httpx.post(f"{api}/v1/chat/completions", json=body, timeout=60).json()["choices"][0]["message"]
    assert message["content"] == "hello world" and "reasoning_content" not in message


def test_another_option_of_a_template_is_refused_by_name(api):
    body = BODY | {"chat_template_kwargs": {"style": "x"}}
    found = httpx.post(f"{api}/v1/chat/completions", json=body, timeout=60)
    assert found.status_code == 400 and "chat_template_kwargs.style" in found.json()["error"]["param"]
