"""What a server elsewhere is asked: OpenAI's fields and the common extensions, the family's sampling, fewer turns where it refuses.

Not here: sending it and reading the answer (engine.py).
"""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from glm_core.errors import EasyError
from glm_core.hub import published
from glm_core.models import describe, registry
from glm_core.models.registry import Family
from glm_core.models.thinking import SWITCH
from glm_core.models.tool_messages import keep_tools
from glm_core.serving import served_models
from glm_core.serving.conversation_turns import RESERVED_SHARE, turns
from glm_core.serving.request import Request
from glm_core.serving.tool_prompts import flattened

EXTENSIONS = ("top_k", "repetition_penalty", "chat_template_kwargs")
"What vLLM and SGLang take beside OpenAI's fields, and others (`transformers serve`) refuse."
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "seed")
UNUSED = {"top_k": 0, "repetition_penalty": 1.0}
"Values that change nothing and are not sent."
LEAST_TOP_P = 1e-6
"Sent for 0, which servers refuse: the likeliest token alone, too."
DROPPED_SHARE = 4
"One turn in this many is left out at a time while a server refuses a conversation for its length."
TOO_LONG = re.compile(r"context.{0,3}(length|size|window)|max_model_len|longer than the model|too many tokens", re.I)
"What vLLM, SGLang, llama.cpp and OpenAI say of a conversation that does not fit."


def official_sampling(name: str) -> dict:
    """Return the sampling defaults of the family that a server's model called `name` is of; empty where the name tells none.

    Args:
        name: as the server lists it: a run or a model of this workspace too, or a published model, by its folder too, or
            what an export of one is called: its name, a dash, and more.
    """
    own = PurePosixPath(name.replace("\\", "/")).name.lower()
    with suppress(EasyError):
        return dict(describe(served_models.find(name).base).family.sampling)
    known: dict[str, Family | None] = {one.name.lower(): registry.find(one.described) for one in published.PUBLISHED}
    for base in served_models.base_models():
        with suppress(EasyError):
            known[base.name.lower()] = describe(base.base).family
    fitting = [one for one in known if own == one or own.startswith(f"{one}-")]
    family = known[max(fitting, key=len)] if fitting else None
    return dict(family.sampling) if family else {}


def title(name: str) -> str:
    """Return a model's name as people see it: of one that a server calls by its folder the last part.

    `owner/name` is how hubs call a model, and stays.
    """
    plain = name.replace("\\", "/").rstrip("/")
    folder = plain.startswith(("/", ".", "~")) or plain.count("/") > 1 or "\\" in name
    return (Path(plain).name if folder else name) or name


def sampling(request: Request, official: dict) -> dict:
    """Return the sampling fields that are sent: the request's own, else the family's."""
    asked = {field: official.get(field) if (value := getattr(request, field)) is None else value for field in SAMPLING}
    return {field: value for field, value in asked.items() if value is not None and value != UNUSED.get(field)}


def body(request: Request, model: str, chosen: dict) -> dict:
    """Return the JSON that is posted; `chosen` as `sampling` returns it."""
    sent = {
        "model": model,
        "messages": flattened(request.messages, request.tools),
        "max_tokens": request.max_new_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **chosen,
    }
    if "top_p" in chosen:
        sent["top_p"] = max(chosen["top_p"], LEAST_TOP_P)
    if request.thinking is not None:
        sent["chat_template_kwargs"] = {SWITCH: request.thinking}
    if request.beginning:  # in the words of vLLM and SGLang
        sent["messages"].append({"role": "assistant", "content": request.beginning})
        sent |= {"continue_final_message": True, "add_generation_prompt": False}
    return sent | ({"stop": list(request.stop)} if request.stop else {})


def bounded(request: Request, context: int) -> Request:
    """Return `request` with an answer that leaves most of the server's context of `context` tokens to the conversation."""
    most = max(1, context // RESERVED_SHARE)
    return request if not context or request.max_new_tokens <= most else replace(request, max_new_tokens=most)


def shorter(request: Request) -> tuple[Request, int]:
    """Return `request` without some of its oldest turns, and how many those are: 0 where only one is left."""
    heads, starts = turns(request.messages)
    left = len(starts) - 1
    dropped = -(-left // DROPPED_SHARE)
    kept = keep_tools(request.messages, [*request.messages[:heads], *request.messages[starts[dropped] :]])
    return replace(request, messages=tuple(kept)), dropped
