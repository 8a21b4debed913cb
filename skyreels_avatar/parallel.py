"""Work on several pieces at once, or one ahead, with the results in order and few in memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

import cv2
import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_turn = threading.RLock()
_MOST_WORKERS = 4  # each holds a piece in memory


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int | None = None
) -> Iterator[Result]:
    """Yield function(item) for each item in order, computed ahead in as many threads as cores.

    At most one result more than there are threads waits to be taken. PyTorch and OpenCV leave the
    interpreter's lock while they work, and many of their loops use one core only.
    """
    num_workers = num_workers or min(_MOST_WORKERS, _num_cores())
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(num_workers, thread_name_prefix="pipeline") as pool:
        try:
            for item in items:
                pending.append(pool.submit(copy_context().run, _without_grad, function, item))
                if len(pending) > num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def one_ahead(items: Iterator[Item], on_wait: Callable[[], object]) -> Iterator[Item]:
    """Yield the items of an iterator; while one is in use, the next is made in another thread.

    Args:
        on_wait: called ten times a second while the caller has to wait; may raise.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="pipeline") as pool:
        pending = pool.submit(copy_context().run, _without_grad, _next_of, items)
        while found := _waited(pending, on_wait):
            pending = pool.submit(copy_context().run, _without_grad, _next_of, items)
            yield found[0]


@contextmanager
def one_core_per_thread() -> Iterator[None]:
    """Keep PyTorch and OpenCV from splitting each loop among the cores while threads share them.

    On two cores, two threads that start two more each for every small loop mostly wait.
    """
    with exclusive():  # both settings are the whole process's
        torch_threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
        torch.set_num_threads(1)  # threads that begin now take it over
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            torch.set_num_threads(torch_threads)
            cv2.setNumThreads(opencv_threads)


@contextmanager
def exclusive(on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Let one thread of this process at a time make pictures; others wait here for their turn.

    Mediapipe's graphs and the number of threads of PyTorch and OpenCV are shared by all, and that
    number decides bits of the result. One pass uses all cores already.

    Args:
        on_wait: called ten times a second while the caller has to wait; may raise.
    """
    while not _turn.acquire(timeout=0.1):
        on_wait()
    try:
        yield
    finally:
        _turn.release()


def _next_of(items: Iterator[Item]) -> tuple[Item] | None:
    for item in items:
        return (item,)
    return None


def _waited(pending: Future[Result], on_wait: Callable[[], object]) -> Result:
    while True:
        try:
            return pending.result(timeout=0.1)
        except FutureTimeoutError:
            if pending.done():  # the work itself ran out of time
                raise
            on_wait()


def _without_grad(function: Callable[[Item], Result], item: Item) -> Result:
    with torch.no_grad():  # the caller's own mode does not reach into other threads
        return function(item)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
