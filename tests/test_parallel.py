"""Results come in order, few are held, and errors and early stops are clean."""

from __future__ import annotations

import threading
import time
from multiprocessing import Pipe

import cv2
import pytest
import torch

from skyreels_avatar.parallel import one_core_per_thread, one_thread, ordered_map, prefetch, send


def test_results_keep_the_order_of_the_items():
    assert list(ordered_map(lambda x: x * x, range(50), num_workers=3)) == [
        x * x for x in range(50)
    ]


def test_only_a_few_results_are_made_ahead():
    made = []
    results = ordered_map(lambda x: made.append(x) or x, range(100), num_workers=2)
    next(results)
    results.close()
    assert len(made) <= 4


def test_an_error_reaches_the_caller():
    def fail(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(ordered_map(fail, range(10), num_workers=2))
    assert not any(t.name.startswith("pipeline") for t in threading.enumerate())


def test_one_item_is_made_while_another_is_in_use():
    made = []

    def items():
        for item in range(4):
            made.append(item)
            yield item

    seen = []
    for item in prefetch(items(), on_wait=lambda: None):
        until = time.monotonic() + 5
        while len(made) < min(item + 2, 4) and time.monotonic() < until:
            time.sleep(0.001)
        seen.append((item, len(made)))
    assert seen == [(0, 2), (1, 3), (2, 4), (3, 4)]


def test_who_waits_for_the_next_item_is_called_and_may_stop():
    done = threading.Event()

    def slow():
        done.wait(5)
        yield 1

    def stop():
        done.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(prefetch(slow(), stop))


def test_an_error_of_the_items_reaches_who_uses_them():
    def items():
        yield 1
        raise ValueError("two")

    with pytest.raises(ValueError, match="two"):
        list(prefetch(items(), lambda: None))


def test_threads_keep_to_one_core_each_only_inside():
    before = torch.get_num_threads(), cv2.getNumThreads()
    with one_core_per_thread():
        assert list(ordered_map(lambda _: torch.get_num_threads(), [0], num_workers=1)) == [1]
        assert cv2.getNumThreads() == 1
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_threads_that_work_alone_give_back_the_numbers_when_the_last_one_leaves():
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    inside, leave, seen = threading.Event(), threading.Event(), []

    def work():
        with one_thread():
            inside.set()
            leave.wait(5)
            seen.append((torch.get_num_threads(), cv2.getNumThreads()))

    other = threading.Thread(target=work)
    try:
        other.start()
        inside.wait(5)
        with one_thread():
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        leave.set()
        other.join()
        assert seen == [(1, 1)]
        with one_thread():
            pass
        assert cv2.getNumThreads() == 2
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_what_is_sent_arrives():
    ours, theirs = Pipe()
    send(ours, {"frames": [1, 2]})
    assert theirs.recv() == {"frames": [1, 2]}


def test_the_error_of_a_broken_pipe_holds_no_buffer():
    """Live streams whose second process was killed crashed Python 3.12.1 minutes later."""
    ours, theirs = Pipe()
    theirs.close()
    with pytest.raises(OSError) as caught:
        send(ours, [1, 2])
    for entry in caught.traceback:
        views = [one for one in entry.frame.f_locals.values() if isinstance(one, memoryview)]
        assert all(isinstance(view.obj, bytes) for view in views)
