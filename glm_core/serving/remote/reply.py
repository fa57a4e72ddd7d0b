"""Reading what a server elsewhere replies: its models, its events, its words where it refuses."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from glm_core import workspace
from glm_core.serving.remote.body import (
    title,
)
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.text_stream import Stopper

LONGEST_REASON = 200
"Characters of a server's error that are passed on."


def entries(record: object) -> list[dict]:
    """The models in a server's list: an object with `data`, or as some servers send it the list itself.

    Raises:
        ValueError: it is no list of models.
    """
    data = record.get("data") if isinstance(record, dict) else record
    if not isinstance(data, list):
        raise ValueError("no list of models")
    return [entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def choice_of(entry: dict) -> ServedModel:
    """One of the server's models, with the context that vLLM and SGLang tell of it."""
    name = entry["id"]
    created, context = (value if type(value := entry.get(key)) is int else 0 for key in ("created", "max_model_len"))
    return ServedModel(name, title(name), Path(name), created=created, context=context)


def words_of(response: httpx.Response) -> str:
    """The sentence in a refusal, whichever of the usual forms it has."""
    try:
        record = response.json()
    except ValueError:
        record = None
    return reason_of(record) if isinstance(record, dict) else response.text[:LONGEST_REASON]


def reason_of(record: dict) -> str:
    """The reason in `{"error": {"message": ...}}`, `{"error": ...}` or `{"detail": ...}`."""
    found = record.get("error") or record.get("detail") or record
    return str(found.get("message", found) if isinstance(found, dict) else found)[:LONGEST_REASON]


async def events(response: httpx.Response) -> AsyncIterator[dict]:
    """The JSON of every server-sent event until `[DONE]` or, where a server sends none, the end."""
    async for line in response.aiter_lines():
        content = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if content == "[DONE]":
            return
        if content:
            event = workspace.parse_json(content)
            if not isinstance(event, dict):
                raise ValueError(f"no event: {content[:LONGEST_REASON]}")
            yield event


def take(handle: RequestHandle, event: dict, stopper: Stopper) -> str | None:
    """Put one event on the handle; returns the finish reason where it has one."""
    reason = None
    for choice in (event.get("choices") or [])[:1]:
        delta = choice.get("delta") or {}
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):  # vLLM has had both names
            handle.reasoning_tokens += 1
            handle.add("")
            handle.think(thought)
        if piece := delta.get("content"):
            handle.think("", ended=bool(handle.reasoning))
            handle.add(stopper.push(piece))
        reason = choice.get("finish_reason")
    if usage := event.get("usage"):
        handle.prompt_tokens = usage.get("prompt_tokens", handle.prompt_tokens)
        handle.completion_tokens = usage.get("completion_tokens", handle.completion_tokens)
    return reason
