"""What OpenAI's own client asks of a server beyond plain answers: schemas, tools, probabilities, histories."""

import json

import httpx
import pydantic
import pytest

from glm_core import workspace
from glm_core.models import load_tokenizer

HELLO = [{"role": "user", "content": "你好"}]
GREEDY = {"model": "tiny", "messages": HELLO, "temperature": 0, "max_tokens": 200}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "今天的天气",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["北京", "上海"]}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=6)
    age: int = pydantic.Field(ge=0, le=99)


@pytest.fixture
def causal(home, engine):
    """The name of a model that goes on from bare tokens."""
    (home / "models" / "causal").symlink_to(workspace.ASSETS / "models" / "bloom-demo")
    return "causal"


# structured output


@pytest.mark.parametrize("temperature", [0, 1.4])
def test_the_clients_own_parse_gets_its_object(client, temperature):
    answer = client.chat.completions.parse(
        **GREEDY | {"temperature": temperature}, response_format=Person, seed=3
    ).choices[0]
    assert isinstance(answer.message.parsed, Person) and answer.finish_reason == "stop"


def test_what_is_held_to_a_grammar_is_it_also_in_a_stream_and_for_several_choices(client):
    extra = {"guided_choice": ["正面", "负面"]}
    chunks = client.chat.completions.create(**GREEDY, stream=True, extra_body=extra)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) in extra["guided_choice"]
    several = client.chat.completions.create(
        **GREEDY | {"temperature": 1.5}, n=3, extra_body={"guided_regex": "[0-9]{4}"}
    )
    assert all(choice.message.content.isdecimal() and len(choice.message.content) == 4 for choice in several.choices)
    plain = client.completions.create(
        model="tiny", prompt="x", max_tokens=50, extra_body={"structured_outputs": {"json": {"enum": [1, 2]}}}
    )
    assert json.loads(plain.choices[0].text) in (1, 2)


# tools


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_forced_call_has_valid_arguments(client, choice, stream):
    asked = GREEDY | {"tools": [WEATHER, CLOCK], "tool_choice": choice}
    if not stream:
        answer = client.chat.completions.create(**asked).choices[0]
        call, reason = answer.message.tool_calls[0], answer.finish_reason
        assert call.id and answer.message.content is None
        name, arguments = call.function.name, call.function.arguments
    else:
        name = arguments = ""
        for chunk in client.chat.completions.create(**asked, stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
            reason = chunk.choices[0].finish_reason
    found = json.loads(arguments)
    assert reason == "tool_calls" and name in ("get_weather", "clock")
    if name == "get_weather":
        assert found["city"] in ("北京", "上海") and 1 <= found["days"] <= 7
    else:
        assert found == {}


def test_with_auto_an_answer_is_text_or_a_valid_call_and_with_none_it_is_text(client):
    plain = client.chat.completions.create(**GREEDY).choices[0].message.content
    none = client.chat.completions.create(**GREEDY, tools=[WEATHER], tool_choice="none").choices[0].message
    assert none.content == plain and not none.tool_calls
    for seed in range(4):
        drawn = GREEDY | {"temperature": 1.8, "max_tokens": 60, "seed": seed}
        message = client.chat.completions.create(**drawn, tools=[WEATHER]).choices[0].message
        assert message.tool_calls or not (message.content or "").startswith("{")


def test_calls_and_their_results_in_the_history_are_read(client):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"北京"}'}}
    history = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}]
    without = client.chat.completions.create(**GREEDY | {"messages": [*history, *HELLO]})
    with_result = [*history, {"role": "tool", "tool_call_id": "c1", "content": "晴，三十度"}]
    answer = client.chat.completions.create(**GREEDY | {"messages": with_result})
    assert answer.usage.prompt_tokens > 20 and answer.choices[0].message.content != without.choices[0].message.content


def test_the_older_form_of_a_call_in_the_history_is_the_newer_one(client):
    made = {"name": "get_weather", "arguments": '{"city":"北京"}'}
    older = {"role": "assistant", "content": None, "function_call": made}
    newer = {"role": "assistant", "content": None, "tool_calls": [{"id": "", "type": "function", "function": made}]}
    result = {"role": "function", "name": "get_weather", "content": "晴"}
    texts = [
        client.chat.completions.create(**GREEDY | {"messages": [*HELLO, one, result]}).choices[0].message.content
        for one in (older, newer)
    ]
    assert texts[0] == texts[1]


FORMS = {
    "response_format": {"type": "json_object"},
    "guided_choice": ["a", "b"],
    "structured_outputs": {"regex": "[0-9]{3}"},
}


@pytest.mark.parametrize("field", FORMS)
def test_a_form_beside_tools_or_another_form_is_refused_by_name(http, field):
    """One of the two would be ignored in silence."""
    form = {field: FORMS[field]}
    for other in ({"tools": [WEATHER]}, {"guided_regex": "[ab]{2}"}):
        refused = http.post("/v1/chat/completions", json=GREEDY | form | other)
        assert refused.status_code == 400, refused.json()
        error = refused.json()["error"]
        assert error["param"].split(".")[0] in (field, *other) and all(
            one in error["message"] for one in (field, *other)
        )
    for none in ({"tools": [WEATHER], "tool_choice": "none"}, {"tools": [WEATHER], "tool_choice": "required"}):
        assert http.post("/v1/chat/completions", json=GREEDY | {"max_tokens": 5} | form | none).status_code == 200


# histories


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "你是小明"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": " "}],
        [{"role": "user", "content": []}],
        [*HELLO, {"role": "assistant", "content": ""}],
        [{"role": "assistant", "content": "我"}],
        [{"role": "developer", "content": "短"}, {"role": "user", "content": "你好", "name": "a"}],
    ],
)
def test_histories_that_openai_takes_are_taken(client, messages):
    assert client.chat.completions.create(**GREEDY | {"messages": messages, "max_tokens": 4}).choices


def test_a_last_message_of_the_assistant_is_gone_on_from(client, engine):
    from tests.engine import ask

    messages = [*HELLO, {"role": "assistant", "content": "我叫小"}]
    answer = client.chat.completions.create(**GREEDY | {"messages": messages, "max_tokens": 12})
    expected = "".join(engine.submit(ask("你好", beginning="我叫小")))
    assert answer.choices[0].message.content == expected
    chunks = client.chat.completions.create(**GREEDY | {"messages": messages, "max_tokens": 12}, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected


@pytest.mark.parametrize(
    "last, field, fine",
    [
        ("user", "continue_final_message", False),
        ("user", "add_generation_prompt", True),
        ("assistant", "continue_final_message", True),
        ("assistant", "add_generation_prompt", False),
    ],
)
def test_what_is_not_done_with_the_last_message_is_refused(http, last, field, fine):
    asked = GREEDY | {"messages": [*HELLO, {"role": last, "content": "天"}], "max_tokens": 3}
    assert http.post("/v1/chat/completions", json=asked | {field: fine}).status_code == 200
    refused = http.post("/v1/chat/completions", json=asked | {field: not fine})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == field


# sampling


def test_a_null_limit_leaves_the_other_one_on(http):
    body = GREEDY | {"max_tokens": 3, "max_completion_tokens": None}
    assert http.post("/v1/chat/completions", json=body).json()["usage"]["completion_tokens"] <= 3
    assert http.post("/v1/chat/completions", json=body | {"top_k": -1}).status_code == 200


def test_bias_forbids_a_token(client):
    first = client.chat.completions.create(**GREEDY | {"max_tokens": 1}, logprobs=True, top_logprobs=2)
    content = first.choices[0].logprobs.content
    assert len(content) == 1 and content[0].top_logprobs[0].token == content[0].token
    assert content[0].logprob == pytest.approx(content[0].top_logprobs[0].logprob)


def test_bias_forces_and_forbids_a_token_of_a_bare_prompt(client, causal):
    def answer(bias):
        asked = client.completions.create(
            model=causal, prompt=[500, 600], max_tokens=3, temperature=0, logprobs=0, logit_bias=bias
        )
        return asked.choices[0].logprobs.tokens

    good, bad = (load_tokenizer(workspace.ASSETS / "models" / "bloom-demo").encode(text)[0] for text in "好不")
    assert answer({str(good): 100}) == ["好"] * 3 and answer({str(bad): 100}) == ["不"] * 3
    assert "好" not in answer({str(good): -100, str(bad): 50})


def test_a_network_that_cannot_go_on_from_bare_tokens_says_so(http):
    answer = http.post("/v1/completions", json={"model": "tiny", "prompt": [5, 6]})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "prompt"


def test_a_frequency_penalty_ends_a_repetition(client):
    plain = client.chat.completions.create(**GREEDY | {"max_tokens": 60}).choices[0].message.content
    less = client.chat.completions.create(**GREEDY | {"max_tokens": 60}, frequency_penalty=2, presence_penalty=1)
    assert len(set(less.choices[0].message.content)) > len(set(plain))


def test_min_p_of_one_is_greedy(client):
    greedy = client.chat.completions.create(**GREEDY | {"max_tokens": 20}).choices[0].message.content
    drawn = client.chat.completions.create(**GREEDY | {"max_tokens": 20, "temperature": 1}, extra_body={"min_p": 1.0})
    assert drawn.choices[0].message.content == greedy


# probabilities


def test_the_probabilities_of_a_stream_are_those_of_the_whole_answer(client):
    whole = (
        client.chat.completions.create(**GREEDY | {"max_tokens": 8}, logprobs=True, top_logprobs=3).choices[0].logprobs
    )
    parts = []
    for chunk in client.chat.completions.create(
        **GREEDY | {"max_tokens": 8}, logprobs=True, top_logprobs=3, stream=True
    ):
        if chunk.choices and chunk.choices[0].logprobs:
            parts += chunk.choices[0].logprobs.content
    assert [one.token for one in parts] == [one.token for one in whole.content] and len(parts) == 8
    assert all(len(one.top_logprobs) == 3 and one.logprob <= 0 for one in parts)


def test_echo_gives_the_probability_of_every_token_of_the_prompt(client, causal):
    ids = [500, 600, 700, 800]
    answer = client.completions.create(model=causal, prompt=ids, echo=True, logprobs=1, max_tokens=1, temperature=0)
    found = answer.choices[0].logprobs
    assert len(found.token_logprobs) == 5 and found.token_logprobs[0] is None and found.top_logprobs[0] is None
    assert all(value < 0 for value in found.token_logprobs[1:])
    for value, top in zip(found.token_logprobs[1:], found.top_logprobs[1:], strict=True):
        assert value <= max(top.values()) and value in top.values()
    shorter = client.completions.create(
        model=causal, prompt=ids[:3], echo=True, logprobs=1, max_tokens=1, temperature=0
    )
    assert answer.usage.prompt_tokens == 4 and len(shorter.choices[0].logprobs.tokens) == 4


# addresses and bodies


def test_addresses_that_do_not_exist_say_what_does(http):
    embeddings = http.post("/v1/embeddings", json={"model": "tiny", "input": "a"})
    assert embeddings.status_code == 404 and embeddings.json()["error"]["code"] == "model_not_found"
    for method, path in (("post", "/chat/completions"), ("get", "/models/tiny"), ("get", "/models"), ("get", "/v1")):
        answer = http.request(method, path, headers={"accept-language": "en"})
        assert answer.status_code == 404 and "/v1" in answer.json()["error"]["message"]
    assert http.get("/v1/models/").json() == http.get("/v1/models").json()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_bodies_from_windows_are_read(http, encoding):
    body = json.dumps(GREEDY | {"max_tokens": 4}, ensure_ascii=False).encode(encoding)
    plain = http.post("/v1/chat/completions", json=GREEDY | {"max_tokens": 4}).json()
    assert http.post("/v1/chat/completions", content=body).json()["choices"] == plain["choices"]


@pytest.mark.parametrize(
    "path, field", [("completions", "prompt"), ("responses", "input"), ("chat/completions", "messages")]
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_was_sent_too_long_is_named_by_its_own_field(http, path, field, stream):
    text = "天气" * 800
    sent = [{"role": "user", "content": text}] if field == "messages" else text
    error = http.post(f"/v1/{path}", json={"model": "tiny", field: sent, "stream": stream}).json()["error"]
    assert (error["param"], error["code"]) == (field, "context_length_exceeded")


def test_every_answer_has_a_request_id_and_the_clients_own_is_kept(http, caplog):
    caplog.set_level("INFO", "glm_core.api.routes")
    for answer in (http.get("/v1/models"), http.get("/v1/nothing"), http.post("/v1/chat/completions", json={})):
        assert answer.headers["x-request-id"].startswith("req_") and answer.headers["x-request-id"] in caplog.text
    assert http.get("/v1/models", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/v1/models", headers={"x-request-id": "a b"}).headers["x-request-id"].startswith("req_")


def test_a_body_that_is_too_large_gets_its_answer(server):
    answer = httpx.post(f"{server}/v1/chat/completions", content=b"x" * 8_000_000, timeout=30)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "request_too_large"


def test_sixty_four_prompts_are_one_call(client):
    answer = client.completions.create(model="tiny", prompt=["你好"] * 60 + ["天气"] * 4, max_tokens=2, temperature=0)
    texts = [choice.text for choice in answer.choices]
    assert len(texts) == 64 and len(set(texts[:60])) == 1


@pytest.mark.parametrize(
    "path, sent, field, said",
    [
        ("chat/completions", {"logprobs": 5}, "logprobs", "true or false"),
        ("chat/completions", {"logit_bias": {"5": 200}}, "logit_bias", "from -100 to 100"),
        ("chat/completions", {"top_p": "x"}, "top_p", "between 0.0 and 1.0"),
        ("responses", {"top_logprobs": 3, "input": "x"}, "top_logprobs", "not supported"),
        ("completions", {"prompt": ["x"] * 64, "n": 2}, "n", "at most 64"),
        ("completions", {"prompt": ["x"] * 65}, "prompt", "at most 64"),
    ],
)
def test_a_refusal_blames_the_field_that_is_wrong_and_says_nothing_that_the_value_keeps(http, path, sent, field, said):
    asked = {"model": "tiny"} | ({"messages": HELLO} if path == "chat/completions" else {}) | sent
    refused = http.post(f"/v1/{path}", json=asked, headers={"accept-language": "en"})
    error = refused.json()["error"]
    assert refused.status_code == 400 and error["param"] == field and said in error["message"]
