"""The one rate limiter, for keys and sign-in: what it counts, refuses, forgives and forgets."""

import pytest

from glm_core.auth.rate_limits import RateLimiter


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_window_slides(clock):
    limiter = RateLimiter(60, clock=clock)
    assert [limiter.take({"a": 2}).allowed for _ in range(3)] == [True, True, False]
    clock.now = 59.9
    refused = limiter.take({"a": 2})
    assert not refused.allowed and refused.remaining == 0 and refused.reset == pytest.approx(0.1)
    clock.now = 60.1
    assert limiter.take({"a": 2}).allowed and limiter.take({"b": 2}).remaining == 1


def test_where_one_key_is_full_none_is_counted(clock):
    limiter = RateLimiter(60, clock=clock)
    limiter.take({"a": 1})
    assert not limiter.take({"a": 1, "b": 5}).allowed
    assert limiter.take({"b": 1}).allowed


def test_what_was_right_is_given_back(clock):
    limiter = RateLimiter(60, clock=clock)
    for _ in range(3):
        limiter.take({"here": 5, "address": 3})
        limiter.refund("address")
    assert limiter.take({"address": 3}).remaining == 2
    limiter.clear("here")
    assert limiter.take({"here": 5}).remaining == 4


def test_the_figures_are_those_that_clients_read(clock):
    limiter = RateLimiter(60, clock=clock)
    assert limiter.take({"a": 3}).headers() == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "60.0s",
    }


def test_keys_are_forgotten_in_time_and_in_number(clock):
    limiter = RateLimiter(60, most_keys=4, clock=clock)
    for number in range(50):
        limiter.take({number: 1})
    assert len(limiter) <= 4
    clock.now = 100
    limiter.take({"new": 1})
    assert len(limiter) == 1
