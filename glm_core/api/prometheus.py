"""Counters of the API's answers for the operator, in the form that Prometheus reads."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from glm_core.serving.base import Engine
from glm_core.serving.request_handle import RequestHandle

SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ApiMetrics:
    """Counters of one process, for any number of threads."""

    def __init__(self):
        self._registry = CollectorRegistry()
        made: dict[str, Any] = {"namespace": "easyaigc", "registry": self._registry}
        self._requests = Counter(
            "requests", "Answers by how they ended; refused ones by their HTTP status.", ("ended", "status"), **made
        )
        self._prompt_tokens = Counter("prompt_tokens", "Tokens read.", **made)
        self._completion_tokens = Counter("completion_tokens", "Tokens written.", **made)
        self._first_token = Histogram(
            "first_token_seconds", "Seconds from a request to its first token.", buckets=SECONDS, **made
        )
        self._waiting = Gauge("waiting", "Requests in the queue, the pages' too.", **made)
        self._answering = Gauge("answering", "Requests being answered, the pages' too.", **made)
        self._loaded = Gauge("model_loaded", "Whether a model is in memory.", **made)

    def answered(self, handles: Sequence[RequestHandle]) -> None:
        """Count answers that have ended, each once: a failed one as refused."""
        for handle in handles:
            if handle.error is not None:
                self.refused(handle.error.status)
            else:
                self._requests.labels(handle.finish_reason or "cancelled", "").inc()
            self._prompt_tokens.inc(handle.prompt_tokens)
            self._completion_tokens.inc(handle.completion_tokens)
            if handle.first_token_seconds is not None:
                self._first_token.observe(handle.first_token_seconds)

    def refused(self, status: int) -> None:
        """Count a request that got an error instead of an answer."""
        self._requests.labels("refused", str(status)).inc()

    def text(self, engine: Engine) -> str:
        """All counters, and the state of the engine now."""
        self._waiting.set(engine.waiting)
        self._answering.set(engine.answering)
        self._loaded.set(engine.loaded is not None)
        return generate_latest(self._registry).decode()
