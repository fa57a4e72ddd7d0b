"""Adapters become answers: one engine for chat, compare, API and evaluation.

`engine.Engine` answers `Request`s on `RequestHandle`s with the model of this process, `remote.RemoteEngine` with a server
elsewhere. Importing this package imports no torch.
"""

from glm_core.serving.errors import (
    EngineBusy,
    EngineUnavailable,
    PromptTooLong,
    RequestError,
    ServingError,
    UnknownModel,
)
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle

__all__ = [
    "EngineBusy",
    "EngineUnavailable",
    "PromptTooLong",
    "Request",
    "RequestError",
    "ServingError",
    "RequestHandle",
    "UnknownModel",
]
