"""Tools on models that were never taught them: the prompt lists them, calls and results become plain messages.

A grammar then makes every call a valid one (`glm_core.api.tools`). Models whose chat format has tools are told in it.
"""

import json
from collections.abc import Mapping, Sequence

from glm_core.models.tool_messages import CALLS, ROLE, calls_of

INSTRUCTIONS = '你可以调用下面的工具。要调用时只写一行 JSON：{{"name": 工具名, "arguments": 参数}}。\n{tools}'


def flattened(messages: Sequence[Mapping], tools: Sequence[Mapping] = ()) -> list[dict]:
    """Return `messages` without any mark of tools; a system message lists those that may be called."""
    names = {}
    found = [instructions(tools)] if tools else []
    for message in messages:
        if message["role"] == ROLE:
            name = message.get("name") or names.get(message.get("tool_call_id"), "")
            found.append({"role": "user", "content": result(name, message["content"])})
            continue
        calls = calls_of(message)
        names |= {call.get("id"): call["function"]["name"] for call in message.get(CALLS) or ()}
        text = "\n".join(filter(None, [message["content"], *(written(*call) for call in calls)]))
        found.append({key: value for key, value in message.items() if key != CALLS} | {"content": text})
    return found


def instructions(tools: Sequence[Mapping]) -> dict:
    """The system message that tells the model of them."""
    listed = [json.dumps(tool["function"], ensure_ascii=False) for tool in tools]
    return {"role": "system", "content": INSTRUCTIONS.format(tools="\n".join(listed))}


def result(name: str, text: str) -> str:
    """A tool's result as a message that every model reads."""
    return f"工具 {name} 的结果：\n{text}" if name else f"工具的结果：\n{text}"


def written(name: str, arguments: Mapping) -> str:
    """A call of the history as the model would have written it."""
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False, separators=(",", ":"))
