"""Errors as OpenAI's clients read them."""

from starlette.responses import JSONResponse

from glm_core.serving.errors import EngineBusy, EngineUnavailable, PromptTooLong, ServingError

RETRY_SECONDS = 10
"Retry-After when the engine is away (training has the memory, or a model is loading badly)."
ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}


def failure(error: ServingError) -> JSONResponse:
    """An error as OpenAI's clients read it, with Retry-After where trying again helps."""
    headers = {}
    if error.status == 413:
        headers["Connection"] = "close"  # nobody reads the rest of that body
    elif isinstance(error, EngineBusy):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, EngineUnavailable):
        headers["Retry-After"] = str(RETRY_SECONDS)
    return JSONResponse(error_body(error), status_code=error.status, headers=headers)


def blaming(error: ServingError, field: str) -> ServingError:
    """Return `error`; where the prompt is too long it names `field`, in which that was sent."""
    if isinstance(error, PromptTooLong):
        error.values["field"] = field
    return error


def error_body(error: ServingError) -> dict:
    """OpenAI's error object."""
    kind = ERROR_TYPES.get(error.status, "invalid_request_error")
    parameter = error.values.get("field")
    return {"error": {"message": str(error), "type": kind, "param": parameter, "code": error.code}}
