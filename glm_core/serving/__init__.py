"""Adapters become answers: one engine for chat, compare, API and evaluation.

`engine.Engine` answers `Request`s on `Ticket`s with the model of this process, `remote.RemoteEngine` with a server
elsewhere. Importing this package imports no torch.
"""

from glm_core.serving.request import (
    EngineBusy,
    EngineUnavailable,
    PromptTooLong,
    Request,
    RequestError,
    ServingError,
    Stamp,
    Ticket,
    UnknownModel,
)

__all__ = [
    "EngineBusy",
    "EngineUnavailable",
    "PromptTooLong",
    "Request",
    "RequestError",
    "ServingError",
    "Stamp",
    "Ticket",
    "UnknownModel",
]
