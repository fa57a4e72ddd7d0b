"""JSON bodies become checked `schemas`, and these the engine's `Request`s; every fault names its field in the client's language."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from glm_core.api import schemas, tools
from glm_core.api.body_faults import fault_of
from glm_core.models.tool_messages import CALLS, ROLE, call
from glm_core.serving.batching import grammar
from glm_core.serving.errors import RequestError, ServingError
from glm_core.serving.request import RANGES, Request

M = TypeVar("M", bound=schemas.Part)
ENCODINGS = ("utf-8-sig", "gb18030")


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
    calls: "tools.Calls | None" = None
    "How the answer is a call of a tool."

    @property
    def echo(self) -> bool:
        """Return whether the prompt is sent back before the answer."""
        return self.requests[0].echo

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
    asked = _checked(schemas.ChatRequest, body)
    choice = asked.tool_choice.function if isinstance(asked.tool_choice, schemas.NamedTool) else asked.tool_choice
    calls = tools.Calls.of([tool.function for tool in asked.tools or ()], choice)
    messages, beginning = _conversation([_message(one) for one in asked.messages])
    fields = _fields(asked, "max_completion_tokens", schemas.DEFAULT_TOKENS) | {"beginning": beginning, "owner": owner}
    fields["thinking"] = asked.chat_template_kwargs.enable_thinking if asked.chat_template_kwargs else None
    if asked.logprobs or asked.top_logprobs:
        fields["logprobs"] = asked.top_logprobs or 0
    _check_continuing(asked)
    fields |= _grammar(asked, calls) | _tools(calls)
    calls = calls and replace(calls, single=asked.parallel_tool_calls is False)
    return _completion(asked, [{"messages": messages}], fields, calls=calls)


def parse_legacy(body: bytes, owner: str = "") -> Completion:
    """The same for /v1/completions. These are chat models: a text is asked as one question of a user, unless it is
    token ids, or is to be echoed with its probabilities.

    Raises:
        BodyError, RequestError: as `parse`.
    """
    asked = _checked(schemas.TextRequest, body)
    prompts = (
        asked.prompt if isinstance(asked.prompt, list) and not isinstance(asked.prompt[0], int) else [asked.prompt]
    )
    n = asked.n or 1
    if n * len(prompts) > schemas.PROMPTS:
        raise RequestError("serving.too_many_answers", "n", most=schemas.PROMPTS, prompts=len(prompts), value=n)
    fields = _fields(asked, "max_tokens", schemas.LEGACY_TOKENS) | {"owner": owner} | _grammar(asked)
    fields |= {"logprobs": asked.logprobs, "echo": bool(asked.echo)}
    return _completion(asked, [_prompt(one, bool(asked.echo)) for one in prompts], fields, legacy=True)


def parse_responses(body: bytes, owner: str = "") -> tuple[Completion, schemas.ResponsesRequest]:
    """The same for /v1/responses, with the body itself, which its answer repeats.

    Raises:
        BodyError, RequestError: as `parse`.
    """
    asked = _checked(schemas.ResponsesRequest, body)
    calls = tools.Calls.of(asked.tools or [], asked.tool_choice)
    told = [{"role": "user", "content": asked.input}] if isinstance(asked.input, str) else _told(asked.input)
    messages, beginning = _conversation(told)
    if asked.instructions:
        messages = ({"role": "system", "content": asked.instructions}, *messages)
    form = asked.text.format if asked.text else None
    fields: dict[str, Any] = {
        "max_new_tokens": asked.max_output_tokens or schemas.DEFAULT_TOKENS,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "owner": owner,
        "beginning": beginning,
        **_only_grammar({"text": _format_grammar(form, "text")} if form and form.type != "text" else {}, calls),
        **_tools(calls),
    }
    calls = calls and replace(calls, single=asked.parallel_tool_calls is False)
    request = Request(messages, asked.model, **fields)
    return Completion((request,), 1, bool(asked.stream), False, calls=calls), asked


def _checked(model: type[M], body: bytes) -> M:
    record = {name: value for name, value in _object(body).items() if value is not None}
    try:
        return model.model_validate(record)
    except ValidationError as error:
        raise fault_of(record, list(map(dict, error.errors(include_url=False, include_context=False)))) from error


def _object(body: bytes) -> dict:
    """The JSON object in `body`: UTF-8 with or without a byte order mark, or GBK, as Windows consoles send it.

    Raises:
        BodyError: there is none.
    """
    why = ""
    for encoding in ENCODINGS:
        try:
            record = json.loads(body.decode(encoding))
            json.dumps(record, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text for any tokenizer
            break
        except UnicodeDecodeError as error:
            why = why or str(error)
        except (ValueError, RecursionError) as error:
            raise BodyError("serving.no_json", detail=str(error)[:120]) from error
    else:
        raise BodyError("serving.no_json", detail=why[:120])
    if not isinstance(record, dict):
        raise BodyError("serving.no_json", detail=type(record).__name__)
    return record


def _fields(asked: schemas.Generation, limit: str, default: int) -> dict:
    """The engine's fields that both kinds of completion share."""
    tokens = getattr(asked, limit) or asked.max_tokens or default
    bias = tuple((int(token), float(value)) for token, value in (asked.logit_bias or {}).items())
    names = ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "seed")
    return {name: getattr(asked, name) for name in names} | {
        "model": asked.model,
        "max_new_tokens": tokens,
        "top_k": None if asked.top_k is None else max(asked.top_k, 0),
        "logit_bias": bias,
        "stop": (asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        "strength": 1.0 if asked.strength is None else asked.strength,
    }


def _completion(
    asked: schemas.Generation, prompts: Sequence[dict], fields: dict, legacy: bool = False, calls=None
) -> Completion:
    """A choice's second answer draws with the next seed, since it shall be another one."""
    if asked.stream_options is not None and not asked.stream:
        raise RequestError("serving.bad_stream_options", "stream_options")
    n, seed = asked.n or 1, asked.seed
    seeds = [seed if seed is None else min(seed + turn, RANGES["seed"][1]) for turn in range(n)]
    requests = tuple(Request(**fields | prompt | {"seed": one}) for prompt in prompts for one in seeds)
    usage = bool(asked.stream_options and asked.stream_options.include_usage)
    return Completion(requests, n, bool(asked.stream), usage, legacy, calls)


def _prompt(prompt: str | list[int], echo: bool) -> dict:
    if isinstance(prompt, str) and not echo:
        return {"messages": ({"role": "user", "content": prompt},)}
    shown = prompt if isinstance(prompt, str) else ""
    return {"messages": ({"role": "user", "content": shown},), "prompt": shown or tuple(prompt)}


def _conversation(told: Sequence[dict]) -> tuple[tuple[dict, ...], str]:
    """The engine's messages, and the beginning of the answer where the last one is the assistant's."""
    found = list(told)
    begun = bool(found) and found[-1]["role"] == "assistant" and not found[-1].get(CALLS)
    beginning = found.pop()["content"] if begun else ""
    if not found or found[-1]["role"] not in ("user", ROLE):
        found.append({"role": "user", "content": ""})
    return tuple(found), beginning


def _message(message: schemas.Message) -> dict:
    text = _text(message.content)
    if message.role in ("tool", "function"):
        named = {"name": message.name, "tool_call_id": message.tool_call_id}
        return {"role": ROLE, "content": text} | {key: value for key, value in named.items() if value}
    role = "system" if message.role == "developer" else message.role
    made = _made_calls(message) if role == "assistant" else []
    if not made:
        return {"role": role, "content": text}
    calls = [call(one.function.name, _arguments(one.function.arguments)) | {"id": one.id} for one in made]
    return {"role": role, "content": text, CALLS: calls}


def _told(items: Sequence[schemas.Item]) -> list[dict]:
    """The messages of /v1/responses' items: calls that follow each other, and the text before them, are one."""
    found: list[dict] = []
    for item in items:
        if isinstance(item, schemas.InputItem):
            role = "system" if item.role == "developer" else item.role
            found.append({"role": role, "content": _text(item.content)})
        elif isinstance(item, schemas.InputCallOutput):
            found.append({"role": ROLE, "content": _text(item.output), "tool_call_id": item.call_id})
        elif isinstance(item, schemas.InputCall):
            if not found or found[-1]["role"] != "assistant":
                found.append({"role": "assistant", "content": ""})
            made = call(item.name, _arguments(item.arguments)) | {"id": item.call_id}
            found[-1].setdefault(CALLS, []).append(made)
    return found


def _text(content: str | Sequence[schemas.TextPart | schemas.InputText] | None) -> str:
    return content or "" if content is None or isinstance(content, str) else "".join(part.text for part in content)


def _made_calls(message: schemas.Message) -> list[schemas.ToolCall]:
    """The calls of an answer, also the one that OpenAI's older clients write."""
    older = [schemas.ToolCall(function=message.function_call)] if message.function_call else []
    return message.tool_calls or older


def _arguments(text: str) -> dict:
    """The arguments of a call of the history; what is no JSON object, as some models wrote it, is kept as text."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"arguments": text}


def _grammar(asked: schemas.Generation, calls: "tools.Calls | None" = None) -> dict[str, str]:
    """The engine's fields of the one form that the answer has to match, by OpenAI's field, vLLM's or a call of a tool.

    Raises:
        RequestError: there are several, or it cannot be followed.
    """
    form = asked.response_format if isinstance(asked, schemas.ChatRequest) else None
    outputs = asked.structured_outputs
    wanted = {
        "response_format": (_format_grammar, form if form is not None and form.type != "text" else None),
        "guided_json": (grammar.json_schema, asked.guided_json),
        "guided_regex": (grammar.regex, asked.guided_regex),
        "guided_choice": (grammar.choice, asked.guided_choice),
        "structured_outputs.json": (grammar.json_schema, outputs and outputs.json_),
        "structured_outputs.regex": (grammar.regex, outputs and outputs.regex),
        "structured_outputs.choice": (grammar.choice, outputs and outputs.choice),
        "structured_outputs.json_object": (
            grammar.json_schema,
            {"type": "object"} if outputs and outputs.json_object else None,
        ),
    }
    given = {field: (make, value) for field, (make, value) in wanted.items() if value is not None}
    if len(given) > 1:
        raise RequestError("serving.two_forms", list(given)[1], other=next(iter(given)))
    made = {}
    for field, (make, value) in given.items():
        if make is grammar.json_schema and isinstance(value, str):
            value = _schema_text(value, field)
        made[field] = make(value, field)
    return _only_grammar(made, calls)


def _only_grammar(made: dict[str, str], calls: "tools.Calls | None") -> dict[str, str]:
    """The engine's fields of the form that an answer has to match: `made` by its field, at most one, or a call."""
    if calls is not None:
        if made and not calls.forced:  # an answer that is no call would be free text
            raise RequestError("serving.two_forms", next(iter(made)), other="tools")
        return {"grammar": calls.grammar(), "grammar_field": "tools"}
    field, wanted = next(iter(made.items()), ("", ""))
    return {"grammar": wanted, "grammar_field": field} if field else {"grammar": ""}


def _tools(calls: "tools.Calls | None") -> dict[str, Any]:
    return {} if calls is None else {"tools": calls.offered(), "must_call": calls.forced}


def _check_continuing(asked: schemas.ChatRequest) -> None:
    """Refuse vLLM's two fields where they ask for anything but what is done: going on from an assistant's last message."""
    last = asked.messages[-1]
    continues = last.role == "assistant" and not _made_calls(last)
    for field, wanted in (("continue_final_message", True), ("add_generation_prompt", False)):
        value = getattr(asked, field)
        if value is not None and (value is wanted) is not continues:
            raise RequestError("serving.unsupported", field, value=json.dumps(value))


def _schema_text(text: str, field: str) -> dict:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("serving.bad_grammar", field, why=str(error)[:120]) from error


def _format_grammar(form, field: str = "response_format") -> str:
    if form.type == "text":
        return ""
    if form.type == "json_object":
        return grammar.json_object()
    schema = form.json_schema.schema_ if isinstance(form, schemas.SchemaFormat) else form.schema_
    return grammar.json_schema(schema, field)
