"""Reasons why an answer cannot be given, each with the HTTP status and the word of OpenAI's API for it."""

from glm_core.errors import EasyError


class ServingError(EasyError):
    """An answer that cannot be given. `status` is the HTTP status the API gives it, `code` OpenAI's word for it."""

    status = 500
    code = "server_error"


class RequestError(ServingError):
    """A request that is wrong in itself; `field` names the part."""

    status = 400
    code = "invalid_value"

    def __init__(self, key: str, field: str = "messages", **values):
        super().__init__(key, field=field, **values)
        self.field = field


class PromptTooLong(RequestError):
    """Even the last message alone does not fit the model's context."""

    code = "context_length_exceeded"


class UnknownModel(ServingError):
    """No base and no run has this name."""

    status = 404
    code = "model_not_found"


class EngineBusy(ServingError):
    """The queue is full; try again after `retry_after` seconds."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, key: str, retry_after: int, **values):
        super().__init__(key, retry_after=retry_after, **values)
        self.retry_after = retry_after


class EngineUnavailable(ServingError):
    """The model cannot be used now: it does not load, training has the memory, or the program is stopping."""

    status = 503
    code = "engine_unavailable"


class LoadingCancelled(EngineUnavailable):
    """Somebody broke the loading of the model off; the next question loads it again."""
