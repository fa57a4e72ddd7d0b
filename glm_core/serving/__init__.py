"""Adapters become answers: one engine for chat, compare, API and evaluation.

`engine.Engine` answers `Request`s on `RequestHandle`s with the model of this process, `remote.RemoteEngine` with a server
elsewhere. Importing this package imports no torch.
"""

from glm_core.serving.request import (
    EngineBusy,
    EngineUnavailable,
    PromptTooLong,
    Request,
    RequestError,
    RequestHandle,
    ServingError,
    UnknownModel,
)

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
