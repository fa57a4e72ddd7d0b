"""Messages with tools, as OpenAI's: which keys carry them, and how they are put for templates and formats that spell them otherwise.

`tools` stand on the first message, as [{"type": "function", "function": {"name", "description", "parameters"}}]; an
assistant's message has `tool_calls`, as [{"type": "function", "function": {"name", "arguments"}}] with the arguments as an
object; the result of a call is a message of role "tool". Not here: how calls are read in an answer (tool_calls.py).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

TOOLS, CALLS, ROLE = "tools", "tool_calls", "tool"
METADATA, OBSERVATION = "metadata", "observation"
"Of GLM's own templates: the called function behind the role, and the role of a result."
GLM3_INSTRUCTION = "Answer the following questions as best as you can. You have access to the following tools:"
"System message of ChatGLM3 with tools, from its published demo."
GLM4_INSTRUCTION = (
    "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，"
    "你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具"
)
"System message of GLM-4 with tools, after its published template; that file is not among those at hand for a test."

Message = Mapping[str, Any]


def tools_of(messages: Sequence[Message]) -> list[dict]:
    """Return the tools that a conversation may call."""
    return list(messages[0].get(TOOLS) or ()) if messages else []


def with_tools(messages: Sequence[Message], tools: Sequence[Mapping]) -> list[dict]:
    """Return `messages` with `tools` on the first one."""
    kept = [{key: value for key, value in message.items() if key != TOOLS} for message in messages]
    if kept and tools:
        kept[0][TOOLS] = list(tools)
    return kept


def keep_tools(messages: Sequence[Message], kept: Sequence[Message]) -> list[dict]:
    """Return `kept`, some of `messages`, with the tools of all."""
    return with_tools(kept, tools_of(messages))


def use_tools(messages: Sequence[Message]) -> bool:
    """Return whether tools are offered, called or answered anywhere."""
    return any(one.get(TOOLS) or one.get(CALLS) or one["role"] == ROLE for one in messages)


def calls_of(message: Message) -> list[tuple[str, dict]]:
    """Return (name, arguments) of every call of a message."""
    return [(call["function"]["name"], call["function"]["arguments"]) for call in message.get(CALLS) or ()]


def call(name: str, arguments: dict) -> dict:
    """Return an entry of `tool_calls`."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def as_openai(messages: Sequence[Message], as_text: bool) -> list[dict]:
    """Return messages as templates for OpenAI's form take them: every call has an id, which its result names.

    Args:
        as_text: arguments as JSON text, which some templates ask for.
    """
    found, waiting, number = [], [], 0
    for message in messages:
        one = {key: value for key, value in message.items() if key != TOOLS}
        if calls := one.get(CALLS):
            waiting, kept = [], []
            for made in calls:
                number += 1
                identity = f"call{number:05d}"  # nine letters and digits, as Mistral's template demands
                given = made["function"]["arguments"]
                written = json.dumps(given, ensure_ascii=False) if as_text else given
                kept.append(
                    {"id": identity, "type": "function", "function": {**made["function"], "arguments": written}}
                )
                waiting.append((identity, made["function"]["name"]))
            one[CALLS] = kept
        elif one["role"] == ROLE:
            identity, name = waiting.pop(0) if waiting else ("call00000", one.get("name") or "tool")
            one |= {"tool_call_id": identity, "name": one.get("name") or name}
        found.append(one)
    return found


def as_metadata(messages: Sequence[Message]) -> list[dict]:
    """Return messages as GLM's own templates take them: a message for every call, its function behind the role."""
    found: list[dict] = []
    for message in messages:
        one = {key: value for key, value in message.items() if key not in (TOOLS, CALLS)}
        if one["role"] == ROLE:
            one = {"role": OBSERVATION, "content": one["content"]}
        calls = calls_of(message)
        if not calls or one["content"]:
            found.append(one)
        for name, given in calls:
            written = json.dumps(given, ensure_ascii=False)
            found.append({**one, METADATA: name, "content": written})
    return found


def as_glm3(messages: Sequence[Message]) -> list[dict]:
    """Return messages as ChatGLM3 writes them: tools in the system message, a call as Python."""
    tools = [tool["function"] for tool in tools_of(messages)]
    found = as_metadata(messages)
    for one in found:
        if METADATA in one:
            given = ", ".join(f"{name}={value!r}" for name, value in json.loads(one["content"]).items())
            one["content"] = f"```python\ntool_call({given})\n```"
    if not tools:
        return found
    own = found.pop(0)["content"] if found[0]["role"] == "system" else GLM3_INSTRUCTION
    listed = json.dumps(tools, ensure_ascii=False, indent=4)
    return [{"role": "system", "content": f"{own}\n{listed}"}, *found]


def as_glm4(messages: Sequence[Message]) -> list[dict]:
    """Return messages as GLM-4 writes them: tools in a system message of their own, a call as JSON."""
    tools = [tool["function"] for tool in tools_of(messages)]
    if not tools:
        return as_metadata(messages)
    listed = "".join(
        f"\n\n## {tool['name']}\n\n{json.dumps(tool, ensure_ascii=False, indent=4)}"
        "\n在调用上述函数时，请使用 Json 格式表示调用的参数。"
        for tool in tools
    )
    return [{"role": "system", "content": GLM4_INSTRUCTION + listed}, *as_metadata(messages)]
