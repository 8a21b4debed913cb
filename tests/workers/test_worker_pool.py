"""Processes run tasks, and what goes wrong in them is reported here."""

from __future__ import annotations

import os
import signal

from skyreels_avatar.errors import AvatarError
from skyreels_avatar.workers.worker_pool import ProcessPool, TaskResult


def _results(pool: ProcessPool) -> list[TaskResult]:
    results = []
    while not results:
        results = pool.poll()
    return results


def _failing(_):
    raise ZeroDivisionError("of theirs")


def _make_failing():
    return _failing


def _make_pid():
    return lambda task: (os.getpid(), task)


def test_what_goes_wrong_in_a_process_is_said_here():
    pool = ProcessPool(_make_failing, 1)
    try:
        pool.submit(0, None)
        results = _results(pool)
    finally:
        pool.shutdown()
    assert str(results[0].error) == "ZeroDivisionError: of theirs"
    assert isinstance(results[0].error, AvatarError)


def test_a_worker_that_died_is_reported_and_replaced():
    pool = ProcessPool(_make_pid, 1)
    try:
        pool.submit(0, "a")
        (first,) = _results(pool)
        os.kill(first.value[0], signal.SIGKILL)
        assert _results(pool) == [TaskResult(0, died=True)]
        pool.submit(0, "b")
        (second,) = _results(pool)
    finally:
        pool.shutdown()
    assert first.value[1] == "a" and second.value[1] == "b" and first.value[0] != second.value[0]
