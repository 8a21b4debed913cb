"""Buckets of requests fill again."""

from __future__ import annotations

import pytest

from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.apps.server import rates
from skyreels_avatar.apps.server.rates import RateLimiter


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    return now


def test_a_bucket_is_emptied_says_when_and_fills_again(clock):
    limiter = RateLimiter()
    for _ in range(6):
        limiter.count("anna", 6)
    with pytest.raises(RequestError) as refused:
        limiter.count("anna", 6)
    assert refused.value.status == 429 and refused.value.retry_after_s == pytest.approx(10)
    limiter.count("ben", 6)
    clock[0] += 10.1
    limiter.count("anna", 6)
    with pytest.raises(RequestError):
        limiter.count("anna", 6)


def test_who_guesses_tokens_is_stopped_and_others_are_not(clock):
    limiter = RateLimiter()
    for _ in range(20):
        limiter.check_failures("1.2.3.4")
        limiter.count_failure("1.2.3.4")
    with pytest.raises(RequestError):
        limiter.check_failures("1.2.3.4")
    limiter.check_failures("5.6.7.8")
    clock[0] += 60
    limiter.check_failures("1.2.3.4")


def test_forgotten_buckets_do_not_fill_the_memory(clock, monkeypatch):
    monkeypatch.setattr(rates, "_MAX_BUCKETS", 10)
    limiter = RateLimiter()
    for number in range(50):
        limiter.count(str(number), 6)
        clock[0] += 10
    assert len(limiter._buckets) < 20
