"""What the API has answered, counted for the operator, in the text form that Prometheus reads."""

import threading
from collections import Counter
from collections.abc import Sequence

from glm_core.serving.base import Engine
from glm_core.serving.request import RequestHandle

HELP = {
    "easyaigc_requests_total": ("counter", "Answers by how they ended; refused ones by their HTTP status."),
    "easyaigc_prompt_tokens_total": ("counter", "Tokens read."),
    "easyaigc_completion_tokens_total": ("counter", "Tokens written."),
    "easyaigc_first_token_seconds_sum": ("counter", "Seconds from the request to its first token, added up."),
    "easyaigc_first_token_seconds_count": ("counter", "Answers that had a first token."),
    "easyaigc_waiting": ("gauge", "Requests in the queue, the pages' too."),
    "easyaigc_answering": ("gauge", "Requests being answered, the pages' too."),
    "easyaigc_model_loaded": ("gauge", "Whether a model is in memory."),
}


class ApiMetrics:
    """Counters of one process, for any number of threads."""

    def __init__(self):
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def answered(self, handles: Sequence[RequestHandle]) -> None:
        """Count answers that have ended, however they did."""
        with self._lock:
            for handle in handles:
                ended = handle.finish_reason or "cancelled"
                self._counts["easyaigc_requests_total", f'{{ended="{ended}"}}'] += 1
                self._counts["easyaigc_prompt_tokens_total", ""] += handle.prompt_tokens
                self._counts["easyaigc_completion_tokens_total", ""] += handle.completion_tokens
                if handle.first_token_seconds is not None:
                    self._counts["easyaigc_first_token_seconds_sum", ""] += handle.first_token_seconds
                    self._counts["easyaigc_first_token_seconds_count", ""] += 1

    def refused(self, status: int) -> None:
        """Count a request that got an error instead of an answer."""
        with self._lock:
            self._counts["easyaigc_requests_total", f'{{ended="refused",status="{status}"}}'] += 1

    def text(self, engine: Engine) -> str:
        """Everything counted, and how the engine is now."""
        with self._lock:
            values = dict(self._counts)
        values["easyaigc_waiting", ""] = engine.waiting
        values["easyaigc_answering", ""] = engine.answering
        values["easyaigc_model_loaded", ""] = int(engine.loaded is not None)
        lines = []
        for name, (kind, help) in HELP.items():
            lines += [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{labels} {value:g}" for (other, labels), value in sorted(values.items()) if other == name]
        return "\n".join(lines) + "\n"
