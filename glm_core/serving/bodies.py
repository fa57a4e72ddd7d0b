"""The body of a chat completion, checked field by field, as a `Request`.

Fields that would change the answer and that this engine cannot honour are refused, never ignored. Fields that only
label a request (`user`, `metadata`, `store` ...) are accepted.
"""

import json
from dataclasses import dataclass

from glm_core.serving.tickets import Request, RequestError, ServingError

DEFAULT_TOKENS = 2048
"The longest answer when the client sets none, as ChatGLM-6B's `max_length`; the context may end it earlier."

_ROLES = {"developer": "system"}
# field -> values that mean "not used"; anything else is refused
_UNSUPPORTED = {
    "n": (None, 1),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logit_bias": (None, {}),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "tools": (None, []),
    "functions": (None, []),
    "tool_choice": (None, "none", "auto"),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "audio": (None,),
}


class BodyError(ServingError):
    """A request that cannot be read at all, or an address that does not exist."""

    def __init__(self, key: str, status: int = 400, code: str = "invalid_request", **values):
        super().__init__(key, **values)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Completion:
    """A checked body: what to ask the engine, and how to send the answer."""

    request: Request
    stream: bool
    include_usage: bool


def parse(body: bytes, owner: str = "") -> Completion:
    """Check and convert the JSON `body`.

    Raises:
        BodyError: it is no JSON object.
        RequestError: a field has the wrong type, is out of range or is not supported; the error names it.
    """
    record = _object(body)
    for name, unused in _UNSUPPORTED.items():
        value = record.get(name)
        if not any(isinstance(value, bool) == isinstance(none, bool) and value == none for none in unused):
            raise RequestError("serving.unsupported", name, value=json.dumps(value, ensure_ascii=False)[:60])
    stream = _boolean(record, "stream")
    options = record.get("stream_options")
    if options is not None and (not isinstance(options, dict) or not stream):
        raise RequestError("serving.bad_stream_options", "stream_options")
    return Completion(_request(record, owner), stream, _boolean(options or {}, "include_usage"))


def _object(body: bytes) -> dict:
    try:
        record = json.loads(body.decode("utf-8"))
        json.dumps(record, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text for any tokenizer
    except (ValueError, RecursionError) as error:
        raise BodyError("serving.no_json", detail=str(error)[:120]) from error
    if not isinstance(record, dict):
        raise BodyError("serving.no_json", detail=type(record).__name__)
    return record


def _request(record: dict, owner: str) -> Request:
    tokens = record.get("max_completion_tokens", record.get("max_tokens"))
    strength = record.get("strength")
    return Request(
        messages=_messages(record.get("messages")),
        model=_string(record, "model"),
        max_new_tokens=DEFAULT_TOKENS if tokens is None else tokens,
        temperature=record.get("temperature"),
        top_p=record.get("top_p"),
        top_k=record.get("top_k"),
        repetition_penalty=record.get("repetition_penalty"),
        seed=record.get("seed"),
        stop=_stop(record.get("stop")),
        strength=1.0 if strength is None else strength,
        owner=owner,
    )


def _messages(messages: object) -> tuple[dict, ...]:
    if not isinstance(messages, list) or not messages:
        raise RequestError("serving.no_messages")
    return tuple(_message(message, number) for number, message in enumerate(messages))


def _message(message: object, number: int) -> dict:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise RequestError("serving.bad_role", f"messages[{number}].role")
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_part(part, f"messages[{number}].content[{place}]") for place, part in enumerate(content))
    return {"role": _ROLES.get(message["role"], message["role"]), "content": content}


def _part(part: object, field: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise RequestError("serving.bad_part", field)
    return part["text"]


def _stop(stop: object) -> tuple[str, ...]:
    if stop is None:
        return ()
    if isinstance(stop, str):
        return (stop,)
    if not isinstance(stop, list):
        raise RequestError("serving.bad_stop", "stop", limit=16)
    return tuple(stop)


def _string(record: dict, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise RequestError("serving.no_model", name)
    return value


def _boolean(record: dict, name: str) -> bool:
    value = record.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError("serving.not_boolean", name)
    return bool(value)
