"""Faults that the schemas find in a body, as errors in our words that name the field."""

import json
from collections.abc import Sequence

from glm_core.api import schemas
from glm_core.serving.errors import RequestError
from glm_core.serving.request import BIAS_LIMIT, RANGES, STOP_LIMIT

ENGINE_NAMES = {"max_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens"}
ENGINE_NAMES["max_output_tokens"] = "max_new_tokens"
BOUNDS = {
    "n": (1, schemas.CHOICES),
    "top_logprobs": (0, 20),
    "logprobs": (0, schemas.LEGACY_LOGPROBS),
    "top_k": (-1, 1000),
}


def fault_of(record: dict, faults: Sequence[dict]) -> RequestError:
    """The most telling of pydantic's faults in our words. Of a union's branches the one that got furthest is meant."""
    if named := _refused_kind(record):
        return named
    fault = max(faults, key=lambda one: len(_path(record, one["loc"])))
    path, kind = _path(record, fault["loc"]), fault["type"]
    field = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).lstrip(".")
    top = str(path[0]) if path else ""
    value = json.dumps(_at(record, path), ensure_ascii=False)[:60]
    if kind == "missing":
        keys = {"model": "serving.no_model", "messages": "serving.no_messages"}
        return RequestError(keys.get(field, "serving.missing"), field)
    if kind == "extra_forbidden":
        return _unknown(field, value)
    bounds = BOUNDS.get(top) or RANGES.get(ENGINE_NAMES.get(top, top))
    if kind == "bool_type" and len(path) == 1:
        return RequestError("serving.not_boolean", top)
    if len(path) == 1 and bounds and not _is_within(record[top], *bounds):
        return RequestError("serving.out_of_range", field, low=bounds[0], high=bounds[1], value=value)
    if top == "messages" and len(path) > 1:
        return _message_fault(path, field)
    if top == "prompt" and isinstance(record[top], list) and len(record[top]) > schemas.PROMPTS:
        return RequestError("serving.too_many_prompts", "prompt", most=schemas.PROMPTS, value=len(record[top]))
    plain = {"messages": "no_messages", "prompt": "bad_prompt"}
    plain |= {"stream_options": "bad_stream_options", "model": "no_model"}
    if top in plain:
        return RequestError(f"serving.{plain[top]}", top)
    if top == "logit_bias":
        return RequestError("serving.bad_bias", top, most=BIAS_LIMIT)
    if top == "stop":
        return RequestError("serving.bad_stop", "stop", limit=STOP_LIMIT)
    return RequestError("serving.unsupported", field, value=value)


def _refused_kind(record: dict) -> RequestError | None:
    """The error of a tool that is no function, or of another answer that is only named, where the body has one."""
    if earlier := record.get("previous_response_id"):
        return RequestError("serving.no_stored_items", "previous_response_id", value=json.dumps(earlier)[:60])
    for name, refused, key in (
        ("tools", lambda kind: kind not in (None, "function"), "serving.built_in_tool"),
        ("input", lambda kind: kind == "item_reference", "serving.no_stored_items"),
    ):
        entries = record.get(name)
        for place, one in enumerate(entries if isinstance(entries, list) else ()):
            kind = one.get("type") if isinstance(one, dict) else None
            if isinstance(kind, str | None) and refused(kind):
                return RequestError(key, f"{name}[{place}].type", value=str(kind)[:60])
    return None


def _is_within(value: object, low: float, high: float) -> bool:
    """Return whether `value` is no number that a range refuses: then it is refused for another reason."""
    if isinstance(value, bool | list | dict):
        return True
    return isinstance(value, int if isinstance(low, int) else int | float) and low <= value <= high


def _message_fault(path: Sequence[str | int], field: str) -> RequestError:
    if len(path) > 3 and path[2] == "content":
        return RequestError("serving.bad_part", f"messages[{path[1]}].content[{path[3]}]")
    known = {"role": "serving.bad_role", "content": "serving.bad_content"}
    return RequestError(known.get(str(path[2]) if len(path) > 2 else "", "serving.bad_message"), field)


def _unknown(field: str, value: str) -> RequestError:
    error = RequestError("serving.unsupported", field, value=value)
    error.code = "unknown_parameter"
    return error


def _path(record: object, location: Sequence[str | int]) -> list[str | int]:
    """The part of a fault's location that is a place in the body; names of a union's branches are not."""
    path, inside = [], record
    for step in location:
        inner = isinstance(inside, list) and isinstance(step, int) and step < len(inside)
        if inner or (isinstance(inside, dict) and step in inside):
            path.append(step)
            inside = inside[step]
        elif step == location[-1] and isinstance(inside, dict) and isinstance(step, str) and step.islower():
            path.append(step)
    return path


def _at(record: object, path: Sequence[str | int]) -> object:
    for step in path:
        try:
            record = record[step]
        except (KeyError, IndexError, TypeError):
            return None
    return record
