"""Many requests at once through any engine, a bounded number on their way: question sets, reports, before and after."""

import time
from collections.abc import Iterator, Sequence

from glm_core.serving.tickets import EngineBusy, Request, Ticket

POLL_SECONDS = 0.02
TOGETHER = 8


def ask_all(engine, requests: Sequence[Request], together: int = TOGETHER) -> Iterator[tuple[int, Ticket]]:
    """Ask everything and yield each (number of the request, finished ticket) as soon as it is done, in any order.

    A busy engine is waited for, so that a long list leaves room for people. Leaving the loop cancels what is open.

    Args:
        engine: an `Engine` or `RemoteEngine`.
        together: requests on their way at a time; the engine computes them in one batch.

    Raises:
        UnknownModel, EngineUnavailable: from `submit`; errors of single answers stay on their tickets.
    """
    waiting = list(enumerate(requests))[::-1]
    running: dict[int, Ticket] = {}
    try:
        while waiting or running:
            while waiting and len(running) < together:
                number, request = waiting[-1]
                try:
                    running[number] = engine.submit(request)
                except EngineBusy:
                    break
                waiting.pop()
            for number in [number for number, ticket in running.items() if ticket.done]:
                yield number, running.pop(number)
            time.sleep(POLL_SECONDS)
    finally:
        for ticket in running.values():
            ticket.cancel()
