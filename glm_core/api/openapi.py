"""The API as an OpenAPI 3.1 description (/openapi.json), for programs that write clients or test them.

The bodies are the models that check them (`schemas.py`). Its words are English, as OpenAPI's are.
"""

import contextlib
from typing import Any

from pydantic.json_schema import models_json_schema

from glm_core import __version__, workspace
from glm_core.api import schemas
from glm_core.errors import EasyError
from glm_core.i18n import t
from glm_core.serving.base import Engine

ERRORS = {
    400: "A field is wrong, or the conversation does not fit the model; `error.param` names the field.",
    401: "No key, or not a valid one. Only while the server is shared.",
    403: "The name in the address, or the site that asks, is not allowed.",
    404: "No model of that name.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    429: "The queue is full, or the key's requests of this minute are used up; `Retry-After` says how long.",
    500: "A defect of the program; the message has the number under which the server's log explains it.",
    503: "The model cannot be used now; `Retry-After` says when to try again.",
}
RATE_HEADERS = {
    "x-ratelimit-limit-requests": "Requests a minute.",
    "x-ratelimit-remaining-requests": "How many of them are left.",
    "x-ratelimit-reset-requests": "Until there is room for one more, as `12.5s`.",
}

EVENT = {"type": "string", "description": "A piece of the answer as OpenAI's chunk, in JSON; at last `[DONE]`."}


def description() -> dict:
    """The whole description, plain values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "easyAIGC",
            "version": __version__,
            "description": "OpenAI's chat API on models tuned at home.",
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {}],
        "paths": {
            "/v1/chat/completions": {"post": _asking("chat", "Answer a conversation.", "ChatRequest", "ChatAnswer")},
            "/v1/completions": {
                "post": _asking("complete", "Ask each prompt as one question.", "TextRequest", "TextAnswer")
            },
            "/v1/responses": {
                "post": _asking("respond", "Answer in the newer form.", "ResponsesRequest", "ResponseObject")
            },
            "/v1/models": {"get": _reading("models", "Bases and tuned models.", "Models", 401, 403, 429, 500, 503)},
            "/v1/models/{name}": {"get": _one_model()},
            "/health": {
                "get": _reading("health", "Whether the server answers, and what it does.", "Health", 403, 500, 503)
            },
            "/metrics": {"get": _metrics()},
            "/openapi.json": {"get": _reading("description", "This.", "Description", 401, 403, 429, 500)},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "Made in the settings."}},
            "schemas": _schemas(),
        },
    }


def _asking(name: str, summary: str, body: str, answer: str) -> dict:
    operation = _reading(name, summary, answer, *ERRORS)
    operation["responses"]["200"]["content"]["text/event-stream"] = {"schema": _object({"data": EVENT})}
    return operation | {"requestBody": {"required": True, "content": _json(body)}}


MODEL_NAME = r"^[0-9A-Za-z\u4e00-\u9fff_][0-9A-Za-z\u4e00-\u9fff_.@:-]*$"
"What a name in an address is made of: the guard answers 400 where a path has slashes, dots alone or invisible characters."


def _one_model() -> dict:
    name = {"type": "string", "minLength": 1, "pattern": MODEL_NAME}
    parameter = {"name": "name", "in": "path", "required": True, "schema": name}
    return _reading("model", "One of them.", "Model", 400, 401, 403, 404, 429, 500, 503) | {"parameters": [parameter]}


def _metrics() -> dict:
    operation = _reading("metrics", "Figures for Prometheus.", "Health", 401, 403, 429, 500)
    operation["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return operation


def _reading(name: str, summary: str, schema: str, *errors: int) -> dict:
    headers = {header: {"description": words, "schema": {"type": "string"}} for header, words in RATE_HEADERS.items()}
    good = {"description": summary, "headers": headers, "content": _json(schema)}
    bad = {str(status): {"description": ERRORS[status], "content": _json("Error")} for status in errors}
    return {"operationId": name, "summary": summary, "responses": {"200": good} | bad}


def _json(schema: str) -> dict:
    return {"application/json": {"schema": _ref(schema)}}


def _ref(schema: str) -> dict:
    return {"$ref": f"#/components/schemas/{schema}"}


def _schemas() -> dict:
    bodies: list[Any] = [
        (model, "validation") for model in (schemas.ChatRequest, schemas.TextRequest, schemas.ResponsesRequest)
    ]
    described = models_json_schema(bodies, by_alias=True, ref_template="#/components/schemas/{model}")[1]["$defs"]
    return described | _answers()


def _answers() -> dict:
    text, whole, maybe = {"type": "string"}, {"type": "integer"}, {"type": ["string", "null"]}
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), whole)
    model = {"id": text, "object": {"const": "model"}, "created": whole, "owned_by": text}
    error = {"message": text, "type": text, "param": maybe, "code": text}
    output = {"type": "array", "items": {"type": "object"}}
    return {
        "Reply": _object({"role": {"const": "assistant"}, "content": maybe}),
        "ChatAnswer": _answer("chat.completion", {"message": _ref("Reply")}),
        "TextAnswer": _answer("text_completion", {"text": text}),
        "ResponseObject": _object({"id": text, "object": {"const": "response"}, "status": text, "output": output}),
        "Usage": _object(usage),
        "Model": _object(model),
        "Models": _object({"object": {"const": "list"}, "data": {"type": "array", "items": _ref("Model")}}),
        "Health": _object({"status": {"const": "ok"}}),
        "Description": _object({"openapi": text, "paths": {"type": "object"}}),
        "Error": _object({"error": _object(error)}),
    }


def _object(properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _answer(kind: str, what: dict) -> dict:
    choice = {"index": {"type": "integer"}, "finish_reason": {"enum": ["stop", "length", "tool_calls"]}} | what
    fields = {
        "id": {"type": "string"},
        "object": {"const": kind},
        "created": {"type": "integer"},
        "model": {"type": "string"},
        "system_fingerprint": {"type": ["string", "null"]},
        "choices": {"type": "array", "items": _object(choice), "minItems": 1},
        "usage": _ref("Usage"),
        "easyaigc": {"type": "object", "description": "What answered, and how many old turns did not fit."},
    }
    return _object(fields)


AUTH_HEADER = '  -H "Authorization: Bearer {key}" \\\n'
CURL_TEMPLATE = """curl {base}/v1/chat/completions \\
  -H "Content-Type: application/json" \\
{header}  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "{question}"}}], "stream": true}}'"""
PYTHON_TEMPLATE = """from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key="{key}")
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "{question}"}}],
)
print(answer.choices[0].message.content)"""


def curl_example(base: str, model: str, key: str) -> str:
    """A command that streams an answer of `model`; without `key` it sends none, as nobody needs one on this computer."""
    return CURL_TEMPLATE.format(
        base=base, model=model, question=t("settings.api_question"), header=AUTH_HEADER.format(key=key) if key else ""
    )


def python_example(base: str, model: str, key: str) -> str:
    """A script with OpenAI's client, which does not go without a key: any will do where none is needed."""
    return PYTHON_TEMPLATE.format(base=base, model=model, question=t("settings.api_question"), key=key or "local")


def example_model(engine: Engine) -> str:
    """The name of a model that answers; the embedded one's while a server elsewhere does not say.

    Args:
        engine: an `Engine` or `RemoteEngine`.
    """
    with contextlib.suppress(EasyError, IndexError):
        return engine.catalogue()[0].name
    return workspace.DEMO_MODEL.name
