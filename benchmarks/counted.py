"""`streamlit run app.py` that also writes down every answer as it ends, for `load.py`: counted.py LOG [options of streamlit].

One JSON line an answer: the question, the text, why and when it ended, when each token came and when it was cancelled (s since 1970).
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from streamlit.web import cli  # noqa: E402

from glm_core.serving.request import Ticket  # noqa: E402


def count_into(log: Path) -> None:
    """Make every ticket remember its times, and write them to `log` when it has ended."""
    add, cancel, finish = Ticket.add, Ticket.cancel, Ticket.finish
    output = log.open("a", encoding="utf-8", buffering=1)

    def added(ticket, piece):
        vars(ticket).setdefault("token_times", []).append(time.time())
        add(ticket, piece)

    def cancelled(ticket):
        if not ticket.done:
            vars(ticket).setdefault("cancelled_at", time.time())
        cancel(ticket)

    def finished(ticket, reason, *arguments, **named):
        if not ticket.done:
            finish(ticket, reason, *arguments, **named)
            output.write(json.dumps(record(ticket), ensure_ascii=False) + "\n")

    Ticket.add, Ticket.cancel, Ticket.finish = added, cancelled, finished


def record(ticket) -> dict:
    """What `load.py` wants to know of one answer."""
    return {
        "question": ticket.request.messages[-1]["content"],
        "text": ticket.text,
        "reason": ticket.finish_reason,
        "first_token_seconds": ticket.first_token_seconds,
        "ended": time.time(),
        "tokens": getattr(ticket, "token_times", []),
        "cancelled": getattr(ticket, "cancelled_at", None),
    }


if __name__ == "__main__":
    count_into(Path(sys.argv[1]))
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *sys.argv[2:]]
    cli.main()
