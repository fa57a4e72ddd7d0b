"""Many requests at once through any engine, a bounded number on their way: question sets, reports, before and after."""

import time
from collections.abc import Callable, Iterator, Sequence

from glm_core.serving.base import Engine
from glm_core.serving.errors import EngineBusy
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle

POLL_SECONDS = 0.02
TOGETHER = 24
"More than the engine computes at a time, so that a row that ends leaves no hole; the rest of its queue is for people."


def ask_all(
    engine: Engine, requests: Sequence[Request], together: int = TOGETHER, check: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, RequestHandle]]:
    """Ask everything and yield each (number of the request, finished handle) as soon as it is done, in any order.

    A busy engine is waited for, so that a long list leaves room for people. Leaving the loop cancels what is open. Long
    questions come first and like ones together, which the engine computes in one forward.

    Args:
        engine: an `Engine` or `RemoteEngine`.
        together: requests on their way at a time.
        check: called many times a second while waiting; what it raises ends the loop.

    Raises:
        UnknownModel, EngineUnavailable: from `submit`; errors of single answers stay on their handles.
    """
    waiting = sorted(enumerate(requests), key=lambda entry: sum(len(one["content"]) for one in entry[1].messages))
    running: dict[int, RequestHandle] = {}
    try:
        while waiting or running:
            check()
            while waiting and len(running) < together:
                number, request = waiting[-1]
                try:
                    running[number] = engine.submit(request)
                except EngineBusy:
                    break
                waiting.pop()
            for number in [number for number, handle in running.items() if handle.done]:
                yield number, running.pop(number)
            time.sleep(POLL_SECONDS)
    finally:
        for handle in running.values():
            handle.cancel()
