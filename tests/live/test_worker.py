"""A thread that works in the order in which it is asked."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from skyreels_avatar.live.worker import Worker, done, one_thread


def test_work_is_done_in_order_by_one_thread_without_gradients():
    worker, seen = Worker("test"), []

    def work(number):
        seen.append((number, threading.get_ident(), torch.is_grad_enabled()))
        return number

    futures = [worker.submit(work, number) for number in range(20)]
    assert [future.result() for future in futures] == list(range(20))
    assert [number for number, _, _ in seen] == list(range(20))
    assert len({thread for _, thread, _ in seen} - {threading.get_ident()}) == 1
    assert not any(has_gradients for _, _, has_gradients in seen)


def test_time_is_counted_of_the_core_and_of_the_clock():
    worker = Worker("test")
    worker.submit(time.sleep, 0.1).result()
    worker.submit(int).result()  # the one before has been counted
    assert worker.busy_s >= 0.1 > 5 * worker.spent_s


def test_what_waits_is_dropped_when_it_is_closed():
    worker, begun = Worker("test"), threading.Event()
    running = worker.submit(lambda: begun.set() or time.sleep(0.1))
    waiting = worker.submit(int)
    begun.wait()
    worker.close()
    assert waiting.cancelled()
    running.result()
    with pytest.raises(RuntimeError):
        worker.submit(int)


def test_the_number_of_threads_is_given_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert done(3).result() == 3
