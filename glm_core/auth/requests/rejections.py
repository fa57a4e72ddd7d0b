"""Refusals of the middleware: a status, a sentence in the reader's language, and the form that API clients read."""

import json
from dataclasses import dataclass, field

from glm_core import i18n
from glm_core.auth import languages
from glm_core.i18n import t

ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    408: "invalid_request_error",
    429: "rate_limit_error",
    503: "server_error",
}
"Error types of the OpenAI API by HTTP status."


CODES = {"security.key": "invalid_api_key", "security.rate_limit": "rate_limit_exceeded"}
"OpenAI's words for what its clients look at."


@dataclass(frozen=True)
class Rejection:
    """The reason for refusing a request.

    Attributes:
        status: HTTP status.
        key: text key of the sentence; its last part is the error code of the API.
        headers: further headers.
        values: fill the sentence's placeholders.
    """

    status: int
    key: str
    headers: dict[str, str] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)


async def send_rejection(send, rejection: Rejection, *, as_json: bool, accepted_language: str) -> None:
    """Answer with the sentence of `rejection`.

    Args:
        send: ASGI's.
        as_json: in the form of the OpenAI API, otherwise as plain text.
        accepted_language: the request's `Accept-Language`; where empty, the language of the server.
    """
    if accepted_language:
        i18n.use(languages.of_browser(accepted_language))
    message = t(rejection.key, **rejection.values)
    if as_json:
        kind = ERROR_TYPES.get(rejection.status, "authentication_error")
        error = {
            "message": message,
            "type": kind,
            "param": None,
            "code": CODES.get(rejection.key, rejection.key.split(".")[1]),
        }
        body, content_type = json.dumps({"error": error}, ensure_ascii=False), "application/json; charset=utf-8"
    else:
        body, content_type = message + "\n", "text/plain; charset=utf-8"
    content = body.encode()
    fields = rejection.headers | {"content-type": content_type, "content-length": str(len(content))}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": rejection.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
