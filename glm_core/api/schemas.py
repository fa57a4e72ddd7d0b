"""The body of a chat completion or of a plain completion, checked field by field, as `Request`s.

Fields that would change the answer and that this engine cannot honour are refused, never ignored. Fields that only
label a request (`user`, `metadata`, `store` ...) are accepted.
"""

import json
from dataclasses import dataclass

from glm_core.serving.request import Request, RequestError, ServingError

DEFAULT_TOKENS = 2048
"The longest answer when the client sets none, as ChatGLM-6B's `max_length`; the context may end it earlier."

LEGACY_TOKENS = 16
"The same for /v1/completions, where OpenAI's default is this."
CHOICES = 8
"Answers one call may ask for."

_ROLES = {"developer": "system"}
# field -> values that mean "not used"; anything else is refused
_UNSUPPORTED = {
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
_UNSUPPORTED_LEGACY = {"echo": (None, False), "suffix": (None, ""), "best_of": (None, 1)}


class BodyError(ServingError):
    """A request that cannot be read at all, or an address that does not exist."""

    def __init__(self, key: str, status: int = 400, code: str = "invalid_request", **values):
        super().__init__(key, **values)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Completion:
    """A checked body: what to ask the engine, and how to send the answer.

    `requests` has one entry a choice: `n` of the first prompt, then `n` of the next one.
    """

    requests: tuple[Request, ...]
    n: int
    stream: bool
    include_usage: bool
    legacy: bool = False
    "Whether it came to /v1/completions, whose answers look different."

    @property
    def model(self) -> str:
        """The model asked for."""
        return self.requests[0].model


def parse(body: bytes, owner: str = "") -> Completion:
    """Check and convert the JSON `body` of /v1/chat/completions.

    Raises:
        BodyError: it is no JSON object.
        RequestError: a field has the wrong type, is out of range or is not supported; the error names it.
    """
    record = _object(body)
    _refuse(record, _UNSUPPORTED)
    return _completion(record, [_messages(record.get("messages"))], owner, DEFAULT_TOKENS)


def parse_legacy(body: bytes, owner: str = "") -> Completion:
    """The same for /v1/completions. These are chat models: each prompt is asked as one question of a user.

    Raises:
        BodyError, RequestError: as `parse`.
    """
    record = _object(body)
    _refuse(record, _UNSUPPORTED | _UNSUPPORTED_LEGACY)
    prompts = record.get("prompt")
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise RequestError("serving.bad_prompt", "prompt")
    asked = [({"role": "user", "content": prompt},) for prompt in prompts]
    return _completion(record, asked, owner, LEGACY_TOKENS, legacy=True)


def _refuse(record: dict, unsupported: dict[str, tuple]) -> None:
    for name, unused in unsupported.items():
        value = record.get(name)
        if not any(isinstance(value, bool) == isinstance(none, bool) and value == none for none in unused):
            raise RequestError("serving.unsupported", name, value=json.dumps(value, ensure_ascii=False)[:60])


def _completion(
    record: dict, asked: list[tuple[dict, ...]], owner: str, tokens: int, legacy: bool = False
) -> Completion:
    stream = _boolean(record, "stream")
    options = record.get("stream_options")
    if options is not None and (not isinstance(options, dict) or not stream):
        raise RequestError("serving.bad_stream_options", "stream_options")
    n = _whole(record.get("n"))
    n = 1 if n is None else n
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n * len(asked) <= CHOICES:
        raise RequestError("serving.out_of_range", "n", low=1, high=CHOICES, value=repr(n)[:40])
    requests = tuple(_request(record, messages, owner, tokens, turn) for messages in asked for turn in range(n))
    return Completion(requests, n, stream, _boolean(options or {}, "include_usage"), legacy)


def _object(body: bytes) -> dict:
    try:
        record = json.loads(body.decode("utf-8"))
        json.dumps(record, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text for any tokenizer
    except (ValueError, RecursionError) as error:
        raise BodyError("serving.no_json", detail=str(error)[:120]) from error
    if not isinstance(record, dict):
        raise BodyError("serving.no_json", detail=type(record).__name__)
    return record


def _request(record: dict, messages: tuple[dict, ...], owner: str, default: int, turn: int) -> Request:
    """One choice; the second one of the same prompt draws with the next seed, since it shall be another answer."""
    seed, strength = _whole(record.get("seed")), record.get("strength")
    limit = "max_completion_tokens" if "max_completion_tokens" in record else "max_tokens"
    tokens = _whole(record.get(limit))
    try:
        return Request(
            messages=messages,
            model=_string(record, "model"),
            max_new_tokens=default if tokens is None else tokens,
            temperature=record.get("temperature"),
            top_p=record.get("top_p"),
            top_k=_whole(record.get("top_k")),
            repetition_penalty=record.get("repetition_penalty"),
            seed=seed + turn if turn and isinstance(seed, int) else seed,
            stop=_stop(record.get("stop")),
            strength=1.0 if strength is None else strength,
            owner=owner,
        )
    except RequestError as error:
        if error.field != "max_new_tokens":
            raise
        raise RequestError(error.key, **error.values | {"field": limit}) from None  # by the name that the client used


def _whole(value: object) -> object:
    """5.0 as 5: JSON does not tell them apart, and some clients write the former."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


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
