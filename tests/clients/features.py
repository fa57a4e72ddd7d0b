"""What each client is asked to do: (client, feature) -> a function of the server's address that fails where it does not work.

A client that is not installed raises ImportError in its function.
"""

import json
from collections.abc import Callable
from typing import Literal

import pydantic

MODEL = "bloom-demo"
MESSAGES = [{"role": "user", "content": "给我介绍一个人"}]
SHORT = {"model": MODEL, "messages": MESSAGES, "temperature": 0, "max_tokens": 16}
LONG = SHORT | {"max_tokens": 200}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "今天的天气",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["北京", "上海"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
FEATURES: dict[tuple[str, str], Callable[[str], None]] = {}


class Person(pydantic.BaseModel):
    """A person."""

    name: str = pydantic.Field(max_length=6)
    age: int = pydantic.Field(ge=0, le=99)


def feature(client: str, name: str):
    """Register a function as what `client` does for the feature `name`."""

    def register(act: Callable[[str], None]) -> Callable[[str], None]:
        FEATURES[client, name] = act
        return act

    return register


def _openai(url: str):
    import openai

    return openai.OpenAI(base_url=url, api_key="any", max_retries=0, timeout=120)


@feature("openai", "answer")
def openai_answer(url):
    assert _openai(url).chat.completions.create(**SHORT).choices[0].message.content


@feature("openai", "stream")
def openai_stream(url):
    whole = _openai(url).chat.completions.create(**SHORT).choices[0].message.content
    chunks = _openai(url).chat.completions.create(**SHORT, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


@feature("openai", "schema")
def openai_schema(url):
    answer = _openai(url).chat.completions.parse(**LONG, response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


@feature("openai", "tools")
def openai_tools(url):
    answer = _openai(url).chat.completions.create(**LONG, tools=[TOOL], tool_choice="required")
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments)["city"] in ("北京", "上海")


@feature("openai", "logprobs")
def openai_logprobs(url):
    answer = _openai(url).chat.completions.create(**SHORT, logprobs=True, top_logprobs=2)
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2


@feature("openai", "responses")
def openai_responses(url):
    assert _openai(url).responses.create(model=MODEL, input="你好", max_output_tokens=16).output_text
    events = list(_openai(url).responses.create(model=MODEL, input="你好", max_output_tokens=16, stream=True))
    assert events[-1].type in ("response.completed", "response.incomplete")
    tool = {"type": "function", **TOOL["function"]}
    called = _openai(url).responses.create(model=MODEL, input="天气", tools=[tool], tool_choice="required")
    assert json.loads(called.output[0].arguments)["city"] in ("北京", "上海")


def _langchain(url: str, **fields):
    from langchain_openai import ChatOpenAI

    fields = {"temperature": 0, "max_tokens": 200, **fields}
    return ChatOpenAI(model=MODEL, base_url=url, api_key="any", max_retries=0, **fields)


@feature("langchain-openai", "answer")
def langchain_answer(url):
    assert _langchain(url, max_tokens=16).invoke("你好").content
    assert len(_langchain(url, max_tokens=4).batch(["你好"] * 20)) == 20


@feature("langchain-openai", "stream")
def langchain_stream(url):
    assert "".join(chunk.content for chunk in _langchain(url, max_tokens=16).stream("你好"))


@feature("langchain-openai", "schema")
def langchain_schema(url):
    for method in ("json_schema", "function_calling"):
        found = _langchain(url).with_structured_output(Person, method=method).invoke("给我介绍一个人")
        assert isinstance(found, Person), method


@feature("langchain-openai", "tools")
def langchain_tools(url):
    bound = _langchain(url).bind_tools([TOOL], tool_choice="any")
    assert bound.invoke("天气").tool_calls[0]["args"]["city"] in ("北京", "上海")
    assert _langchain(url).bind_tools([TOOL]).invoke("天气") is not None


@feature("langchain-openai", "logprobs")
def langchain_logprobs(url):
    answer = _langchain(url, max_tokens=4).bind(logprobs=True).invoke("你好")
    assert answer.response_metadata["logprobs"]["content"]


@feature("langchain-openai", "responses")
def langchain_responses(url):
    assert _langchain(url, max_tokens=16, use_responses_api=True).invoke("你好").text
    bound = _langchain(url, use_responses_api=True).bind_tools([TOOL], tool_choice="any")
    assert bound.invoke("天气").tool_calls[0]["args"]["city"] in ("北京", "上海")


def _litellm(url: str, **fields):
    import litellm

    return litellm.completion(
        **{
            "model": f"openai/{MODEL}",
            "messages": MESSAGES,
            "api_base": url,
            "api_key": "any",
            "temperature": 0,
            **fields,
        }
    )


@feature("litellm", "answer")
def litellm_answer(url):
    assert _litellm(url, max_tokens=16).choices[0].message.content


@feature("litellm", "stream")
def litellm_stream(url):
    assert "".join(chunk.choices[0].delta.content or "" for chunk in _litellm(url, max_tokens=16, stream=True))


@feature("litellm", "schema")
def litellm_schema(url):
    answer = _litellm(url, max_tokens=200, response_format=Person)
    Person.model_validate_json(answer.choices[0].message.content)


@feature("litellm", "logprobs")
def litellm_logprobs(url):
    answer = _litellm(url, max_tokens=4, logprobs=True, top_logprobs=2)
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2


@feature("litellm", "responses")
def litellm_responses(url):
    import litellm

    answer = litellm.responses(model=f"openai/{MODEL}", input="你好", api_base=url, api_key="any", max_output_tokens=16)
    assert answer.output[-1].content[0].text


@feature("litellm", "tools")
def litellm_tools(url):
    answer = _litellm(url, max_tokens=200, tools=[TOOL], tool_choice="required")
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments)


@feature("instructor", "stream")
def instructor_stream(url):
    import instructor

    client = instructor.from_openai(_openai(url), mode=instructor.Mode.JSON_SCHEMA)
    grown = list(client.chat.completions.create_partial(**LONG, response_model=Person, max_retries=0))
    assert len(grown) > 1 and isinstance(grown[-1].age, int)


@feature("instructor", "schema")
def instructor_schema(url):
    import instructor

    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        client = instructor.from_openai(_openai(url), mode=mode)
        found = client.chat.completions.create(**LONG, response_model=Person, max_retries=0)
        assert isinstance(found, Person), mode


def _llama_index(url: str, **fields):
    from llama_index.llms.openai_like import OpenAILike

    fields = {"is_chat_model": True, "temperature": 0, "max_tokens": 16, "max_retries": 0, **fields}
    return OpenAILike(model=MODEL, api_base=url, api_key="any", **fields)


@feature("llama-index", "answer")
def llama_index_answer(url):
    from llama_index.core.llms import ChatMessage

    assert _llama_index(url).chat([ChatMessage(role="user", content="你好")]).message.content


@feature("llama-index", "stream")
def llama_index_stream(url):
    from llama_index.core.llms import ChatMessage

    assert list(_llama_index(url).stream_chat([ChatMessage(role="user", content="你好")]))[-1].message.content


@feature("llama-index", "schema")
def llama_index_schema(url):
    from llama_index.core.prompts import PromptTemplate

    llm = _llama_index(url, max_tokens=200, is_function_calling_model=True)
    assert isinstance(llm.structured_predict(Person, PromptTemplate("给我介绍一个人")), Person)


@feature("llama-index", "tools")
def llama_index_tools(url):
    from llama_index.core.tools import FunctionTool

    def get_weather(city: Literal["北京", "上海"]) -> str:
        """今天的天气"""
        return f"{city}晴"

    llm = _llama_index(url, max_tokens=200, is_function_calling_model=True)
    answer = llm.chat_with_tools([FunctionTool.from_defaults(get_weather)], user_msg="天气", tool_required=True)
    assert llm.get_tool_calls_from_response(answer)[0].tool_kwargs["city"] in ("北京", "上海")


@feature("llama-index", "logprobs")
def llama_index_logprobs(url):
    from llama_index.core.llms import ChatMessage

    llm = _llama_index(url, max_tokens=4, logprobs=True, top_logprobs=2)
    answer = llm.chat([ChatMessage(role="user", content="你好")])
    assert answer.logprobs
