"""/v1/responses as OpenAI's own client reads it, on a model whose chat format knows neither tools nor thoughts."""

import json

import openai
import pydantic
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from glm_core.api.prometheus import ApiMetrics
from glm_core.api.response_objects import ResponseObject
from glm_core.api.schemas import Function, ResponsesRequest
from glm_core.api.tools import Calls
from glm_core.models.call_formats import Call
from glm_core.serving import Request
from glm_core.serving.request_handle import RequestHandle

GREEDY = {"model": "tiny", "input": "你好", "temperature": 0, "max_output_tokens": 200}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "今天的天气",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["北京", "上海"]}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
    "strict": True,
}
CLOCK = {"type": "function", "name": "clock"}
TWO = Calls((Function(name="a"), Function(name="b")), forced=False)


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=6)
    age: int = pydantic.Field(ge=0, le=99)


def test_the_newer_form_answers_as_the_older_one(client):
    chat = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "你好"}], temperature=0, max_tokens=12
    )
    answer = client.responses.create(**GREEDY | {"max_output_tokens": 12})
    assert answer.output_text == chat.choices[0].message.content and answer.status == "incomplete"
    assert answer.usage.output_tokens == chat.usage.completion_tokens
    items = [{"role": "user", "content": [{"type": "input_text", "text": "你好"}]}]
    kinds, text = [], ""
    for event in client.responses.create(**GREEDY | {"input": items, "max_output_tokens": 12}, stream=True):
        kinds.append(event.type)
        text += event.delta if event.type == "response.output_text.delta" else ""
    assert text == answer.output_text
    assert kinds[0] == "response.created" and kinds[-1] == "response.incomplete"


def test_the_newer_form_parses_into_an_object(client):
    answer = client.responses.parse(model="tiny", input="你好", text_format=Person, temperature=0)
    assert isinstance(answer.output_parsed, Person)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_forced_call_has_valid_arguments(client, choice, stream):
    asked = GREEDY | {"tools": [WEATHER, CLOCK], "tool_choice": choice}
    if stream:
        *events, last = client.responses.create(**asked, stream=True)
        answer = last.response
        pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert "".join(pieces) == answer.output[0].arguments
    else:
        answer = client.responses.create(**asked)
    (call,) = answer.output
    assert call.type == "function_call" and call.status == answer.status == "completed" and answer.output_text == ""
    found = json.loads(call.arguments)
    assert found == {} if call.name == "clock" else found["city"] in ("北京", "上海") and 1 <= found["days"] <= 7
    assert [one.name for one in answer.tools] == ["get_weather", "clock"]
    assert answer.tool_choice == choice or answer.tool_choice.name == "get_weather"


@pytest.mark.parametrize("most", [40, 46])
def test_a_forced_call_that_is_cut_off_is_incomplete(client, most):
    asked = GREEDY | {"tools": [WEATHER], "tool_choice": "required", "max_output_tokens": most}
    whole = client.responses.create(**asked)
    *_, last = client.responses.create(**asked, stream=True)
    for answer in (whole, last.response):
        assert answer.status == answer.output[0].status == "incomplete" and answer.output[0].type == "function_call"


def test_a_call_and_its_result_are_told_as_the_older_form_tells_them(client):
    made = {"name": "get_weather", "arguments": '{"city":"北京"}'}
    older = client.chat.completions.create(
        model="tiny",
        temperature=0,
        max_tokens=12,
        messages=[
            {"role": "user", "content": "你好"},
            {"role": "assistant", "content": "好", "tool_calls": [{"id": "c", "type": "function", "function": made}]},
            {"role": "tool", "tool_call_id": "c", "content": "晴，三十度"},
        ],
    )
    told = [
        {"role": "user", "content": "你好"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "assistant", "content": [{"type": "output_text", "text": "好"}]},
        {"type": "function_call", "call_id": "c", "id": "fc_1", "status": "completed", **made},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "晴，三十度"}]},
    ]
    newer = client.responses.create(**GREEDY | {"input": told, "max_output_tokens": 12})
    assert newer.output_text == older.choices[0].message.content
    assert newer.usage.input_tokens == older.usage.prompt_tokens


@pytest.mark.parametrize(
    "sent, field, said",
    [
        ({"tools": [CLOCK, {"type": "web_search"}]}, "tools[1].type", "function"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools[0].type", "function"),
        ({"tools": [CLOCK], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice", "not in tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing"),
        ({"tools": [CLOCK], "text": {"format": {"type": "json_object"}}}, "text", "tools"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type", "not kept"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "not kept"),
    ],
)
def test_what_is_not_served_is_named(http, sent, field, said):
    refused = http.post("/v1/responses", json=GREEDY | sent, headers={"accept-language": "en"})
    error = refused.json()["error"]
    assert refused.status_code == 400 and error["param"] == field and said in error["message"]


def test_built_in_tools_are_named_in_the_older_form_too(http):
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "web_search"}]}
    error = http.post("/v1/chat/completions", json=body).json()["error"]
    assert error["param"] == "tools[0].type" and "function" in error["message"]


@pytest.fixture
def thinker():
    """The handle of an answer that thinks, says something and calls two tools in its own format."""
    handle = RequestHandle(Request(({"role": "user", "content": "x"},), "tiny", tools=({"function": {"name": "a"}},)))
    handle.tells_calls = True
    return handle


def _finish(handle):
    handle.think("先想", ended=True)
    handle.add("好的")
    handle.tool_calls = (Call("a", '{"x": 1}'), Call("b", "{}"))
    handle.finish("stop")


@pytest.mark.parametrize("stream", [False, True])
def test_a_thought_text_and_calls_are_items_in_this_order(thinker, stream):
    async def answer(http):
        made = ResponseObject(thinker, ResponsesRequest(model="tiny", input="x"), TWO, ApiMetrics())
        return await (made.streamed(http) if stream else made.complete(http))

    _finish(thinker)
    with TestClient(Starlette(routes=[Route("/v1/responses", answer, methods=["POST"])])) as served:
        client = openai.OpenAI(base_url="http://testserver/v1", api_key="-", http_client=served)
        if stream:
            events = list(client.responses.create(model="tiny", input="x", stream=True))
            added = [event for event in events if event.type == "response.output_item.added"]
            assert [event.output_index for event in added] == [0, 1, 2, 3]
            assert "".join(e.delta for e in events if e.type == "response.reasoning_text.delta") == "先想"
            found = events[-1].response
        else:
            found = client.responses.create(model="tiny", input="x")
    assert [item.type for item in found.output] == ["reasoning", "message", "function_call", "function_call"]
    assert found.output[0].content[0].text == "先想" and found.output_text == "好的"
    assert [item.name for item in found.output[2:]] == ["a", "b"]
    assert {item.status for item in found.output} == {"completed"}
