"""Tools in published rows: the list of functions, the calls of an answer, and results, in the forms that files have them.

OpenAI's `tools`, `tool_calls` and role "tool", its older `functions` and `function_call`; ShareGPT's `function_call` and
`observation`; ChatGLM3's turns with `parameters` and `observation`; calls between tags in the answer's text (Hermes).
"""

import json
import re
from typing import Any

from glm_core.data.examples import RowError, is_blank

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
_RESULT = re.compile(r"\s*<tool_response>\s*(.*?)\s*</tool_response>\s*", re.DOTALL)
CALLING = ("function_call", "tool_call")
"Speakers of ShareGPT files whose turn is a call."
NAME = re.compile(r"[\w.\-/]{1,128}")


def tool_list(value: object, field: str) -> list[dict]:
    """The functions of a row, as OpenAI's `tools`; empty where there are none.

    Raises:
        RowError: it is no list of functions, nor JSON of one.
    """
    value = _parsed(value, field)
    if value in (None, "", [], {}):
        return []
    found = []
    for index, one in enumerate(value if isinstance(value, list) else [value]):
        function = one.get("function", one) if isinstance(one, dict) else None
        if not isinstance(function, dict) or not _is_name(function.get("name")):
            raise RowError("data.row.tool", f"{field}[{index}]")
        found.append({"type": "function", "function": function})
    return found


def call_list(value: object, field: str) -> list[dict]:
    """The calls of an answer, as OpenAI's `tool_calls` with the arguments as an object.

    Raises:
        RowError: one has no name, or arguments that are no JSON object.
    """
    value = _parsed(value, field)
    if value in (None, "", [], {}):
        return []
    several = value if isinstance(value, list) else [value]
    return [_call(one, f"{field}[{index}]" if isinstance(value, list) else field) for index, one in enumerate(several)]


def _call(value: object, field: str) -> dict:
    inner: Any = value.get("function", value) if isinstance(value, dict) else None
    if isinstance(inner, str) and isinstance(value, dict):  # {"function": name, "arguments": ...}
        inner = {"name": inner, **value}
    if not isinstance(inner, dict) or not _is_name(inner.get("name")):
        raise RowError("data.row.call", field)
    given = next((inner[key] for key in ("arguments", "parameters", "args", "input") if key in inner), {})
    if isinstance(given, str):
        given = _parsed(given, field) if given.strip() else {}
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise RowError("data.row.call", field)
    return {"type": "function", "function": {"name": inner["name"], "arguments": given}}


def calls_in_text(text: str, field: str) -> tuple[str, list[dict]]:
    """Return the text of an answer, and the calls that it writes between tags or is as a whole; none where it is no call."""
    if "<tool_call>" in text:
        found = [_call(_parsed(one, field), field) for one in _TAGGED.findall(text)]
        return _TAGGED.sub("", text).strip(), found
    try:
        return "", call_list(json.loads(text), field)
    except (ValueError, RecursionError, RowError):
        return text, []


def result_text(value: object) -> str:
    """The result of a call as text: objects as JSON, without the tags that some files put around it."""
    if is_blank(value):
        return ""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "text" in one for one in value):
        return "\n".join(str(one["text"]) for one in value)
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    tagged = _RESULT.fullmatch(value)
    return tagged[1] if tagged else value


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _parsed(value: object, field: str) -> Any:
    """A value, or what its JSON text says.

    Raises:
        RowError: the text is no JSON.
    """
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RowError("data.row.tool_text", field) from error
