"""`streamlit run app.py` that also writes down every answer as it ends, for `load.py`: counted.py LOG [options of streamlit].

One JSON line an answer: the question, the text, why and when it ended, when each token came and when it was cancelled (s since 1970).
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # and not this folder, whose pages.py would be taken for the app's pages

from streamlit.web import cli  # noqa: E402

from glm_core.serving.request_handle import RequestHandle  # noqa: E402


def count_into(log: Path) -> None:
    """Make every handle remember its times, and write them to `log` when it has ended."""
    add, cancel, finish = RequestHandle.add, RequestHandle.cancel, RequestHandle.finish
    output = log.open("a", encoding="utf-8", buffering=1)

    def added(handle, *arguments, **named):
        vars(handle).setdefault("token_times", []).append(time.time())
        add(handle, *arguments, **named)

    def cancelled(handle):
        if not handle.done:
            vars(handle).setdefault("cancelled_at", time.time())
        cancel(handle)

    def finished(handle, reason, *arguments, **named):
        if not handle.done:
            finish(handle, reason, *arguments, **named)
            output.write(json.dumps(record(handle), ensure_ascii=False) + "\n")

    RequestHandle.add, RequestHandle.cancel, RequestHandle.finish = added, cancelled, finished


def record(handle) -> dict:
    """Figures of one answer for `load.py`."""
    return {
        "question": handle.request.messages[-1]["content"],
        "text": handle.text,
        "reason": handle.finish_reason,
        "first_token_seconds": handle.first_token_seconds,
        "ended": time.time(),
        "tokens": getattr(handle, "token_times", []),
        "cancelled": getattr(handle, "cancelled_at", None),
    }


if __name__ == "__main__":
    count_into(Path(sys.argv[1]))
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *sys.argv[2:]]
    cli.main()
