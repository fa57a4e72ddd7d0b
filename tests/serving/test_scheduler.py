"""The queue: whose turn it is, who waits for another base and how long, when to come back. No model anywhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from glm_core.serving import EngineBusy, EngineUnavailable, Request, RequestHandle
from glm_core.serving.scheduler import BASE_SECONDS, LINGER_SECONDS, Scheduler
from glm_core.serving.served_models import ServedModel

BASE, OTHER = Path("/models/base"), Path("/models/other")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def handle(owner="", base=BASE, **fields) -> RequestHandle:
    request = Request(({"role": "user", "content": "你好"},), base.name, owner=owner, **fields)
    return RequestHandle(request, ServedModel(base.name, base.name, base))


def taken(scheduler, base=BASE, running=0):
    """Everything that is given out, in order."""
    found = []
    while (one := scheduler.next(base, running)) is not None:
        found.append(one)
    return found


def test_it_needs_no_torch():
    code = "import sys, glm_core.serving.scheduler, glm_core.serving.base; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_owners_take_turns_and_places_are_numbered(clock):
    scheduler = Scheduler(clock=clock)
    mine, other = [handle("a") for _ in range(3)], handle("b")
    for one in (*mine, other):
        scheduler.add(one)
    assert [one.position for one in (*mine, other)] == [1, 3, 4, 2]
    assert taken(scheduler) == [mine[0], other, mine[1], mine[2]] and len(scheduler) == 0
    assert [one.position for one in (*mine, other)] == [0] * 4


def test_who_was_served_last_comes_after_who_was_not(clock):
    scheduler = Scheduler(clock=clock)
    scheduler.add(handle("a"))
    taken(scheduler)
    first, second = handle("a"), handle("b")
    scheduler.add(first)
    scheduler.add(second)
    assert taken(scheduler) == [second, first]


def test_no_more_than_the_rows_are_given_out():
    scheduler = Scheduler(rows=2)
    scheduler.add(handle())
    assert scheduler.next(BASE, 2) is None and scheduler.next(BASE, 1) is not None


def test_one_owner_may_have_the_whole_queue_unless_a_share_is_set():
    open_to_one, shares = Scheduler(waiting=5), [2, None]
    shared = Scheduler(waiting=5, each=lambda: shares[0])
    for _ in range(5):
        open_to_one.add(handle("a"))
    for _ in range(2):
        shared.add(handle("a"))
    for full in (open_to_one, shared):
        with pytest.raises(EngineBusy):
            full.add(handle("a"))
    shared.add(handle("b"))
    shares.pop(0)
    shared.add(handle("a"))


def test_the_time_to_come_back_is_rounded_up_and_counts_bases_to_load():
    scheduler = Scheduler(rows=1)
    for _ in range(40):
        scheduler.note_answer(0.3)
    assert scheduler.retry_after(BASE) == 1
    scheduler.note_load(7.2)
    scheduler.add(handle(base=OTHER))
    assert scheduler.retry_after(BASE) == 8 and scheduler.retry_after(OTHER) == 1


def test_requests_for_the_base_in_memory_go_first_but_not_for_ever(clock):
    scheduler = Scheduler(clock=clock)
    waiting = handle("b", OTHER)
    scheduler.add(waiting)
    scheduler.add(mine := handle("a"))
    assert scheduler.next(BASE, 1) is mine
    assert scheduler.next(BASE, 1) is None, "it waits for the running answers"
    clock.now += BASE_SECONDS + 1
    scheduler.add(late := handle("a"))
    assert scheduler.next(BASE, 1) is None, "its time has come: nobody overtakes it"
    assert scheduler.next(BASE, 0) is waiting
    assert scheduler.next(OTHER, 0) is late


def test_a_base_that_is_slow_to_load_stays_longer(clock):
    scheduler = Scheduler(clock=clock)
    scheduler.note_load(60)
    scheduler.add(handle("b", OTHER))
    scheduler.next(BASE, 1)
    clock.now += 100
    scheduler.add(mine := handle("a"))
    assert scheduler.next(BASE, 1) is mine


def test_two_clients_that_ask_two_bases_in_turn_do_not_load_at_every_request(clock):
    """Each asks again right after its answer; simulated, an answer takes 0.1 s and a load 1.6 s."""
    scheduler, base, loads = Scheduler(clock=clock), BASE, 0
    scheduler.note_load(1.6)
    for owner, wanted in (("a", BASE), ("b", OTHER)):
        scheduler.add(handle(owner, wanted))
    for _ in range(400):
        one = scheduler.next(base, 0)
        clock.now += 0.01
        if one is None:
            continue
        if one.choice.base != base:
            base, loads = one.choice.base, loads + 1
            clock.now += 1.6
        clock.now += 0.1
        scheduler.note_answer(0.1)
        scheduler.add(handle(one.request.owner, base))
    assert 2 <= loads <= 10


def test_a_base_nobody_asks_for_any_more_is_not_kept(clock):
    scheduler = Scheduler(clock=clock)
    scheduler.note_load(5)
    scheduler.note_answer(1)
    scheduler.add(other := handle("b", OTHER))
    assert scheduler.next(BASE, 0) is None
    clock.now += LINGER_SECONDS
    assert scheduler.next(BASE, 0) is other


def test_cancelled_and_overdue_requests_leave_the_queue():
    scheduler = Scheduler()
    gone, late, here = handle(), handle(timeout=0.0), handle()
    for one in (gone, late, here):
        scheduler.add(one)
    gone.cancel()
    scheduler.drop()
    assert (gone.finish_reason, late.finish_reason, here.done) == ("cancelled", "error", False)
    assert isinstance(late.error, EngineUnavailable) and len(scheduler) == 1 and here.position == 1


def test_at_the_end_everybody_is_told():
    scheduler = Scheduler()
    scheduler.add(one := handle())
    scheduler.clear(EngineUnavailable("serving.closing"))
    assert one.finish_reason == "error" and one.error.status == 503 and len(scheduler) == 0
