"""Threads that compute results ahead, in order and with few of them in memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from contextvars import copy_context
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import TypeVar

import cv2
import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = threading.RLock()
_MAX_WORKERS = 4  # each holds a result in memory


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int | None = None
) -> Iterator[Result]:
    """Yield function(item) for each item in order, computed ahead in as many threads as cores.

    At most one more result than there are threads is kept. PyTorch and OpenCV leave the
    interpreter's lock while they work, and many of their loops use one core only.
    """
    num_workers = num_workers or min(_MAX_WORKERS, num_cores())
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


def prefetch(items: Iterator[Item], on_wait: Callable[[], object]) -> Iterator[Item]:
    """Yield the items of an iterator; while one is in use, the next is computed in a thread.

    Args:
        on_wait: called ten times a second while the caller has to wait; may raise.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="pipeline") as pool:
        pending = pool.submit(copy_context().run, _without_grad, _next_item, items)
        while found := _result(pending, on_wait):
            pending = pool.submit(copy_context().run, _without_grad, _next_item, items)
            yield found[0]


@contextmanager
def one_core_per_thread() -> Iterator[None]:
    """Give PyTorch and OpenCV one thread each while several threads share the cores.

    On two cores, two threads that start two more each for every small loop mostly wait.
    """
    with exclusive():  # both are settings of the whole process
        torch_threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
        torch.set_num_threads(1)  # new threads inherit it
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            torch.set_num_threads(torch_threads)
            cv2.setNumThreads(opencv_threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let this thread work alone, beside others that do: small work is not worth sharing.

    Both numbers are settings of the process; who leaves last gives them back.
    """
    _alone.enter()
    try:
        yield
    finally:
        _alone.leave()


def work_alone() -> None:
    """Let each thread of this process work alone, in a copy of a process whose threads are gone."""
    global _alone
    _alone = _Alone()  # one of those threads may have held the lock
    _alone.enter()


class _Alone:
    """The threads that work alone, and the numbers of threads before the first of them."""

    def __init__(self) -> None:
        self._lock, self._count, self._before = threading.Lock(), 0, (1, 1)

    def enter(self) -> None:
        with self._lock:
            if not self._count:
                self._before = torch.get_num_threads(), cv2.getNumThreads()
            self._count += 1
            self._set(1, 1)

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count:
                self._set(*self._before)

    def _set(self, torch_threads: int, opencv_threads: int) -> None:
        if torch.get_num_threads() != torch_threads:  # of this thread
            torch.set_num_threads(torch_threads)
        if cv2.getNumThreads() != opencv_threads:
            cv2.setNumThreads(opencv_threads)


_alone = _Alone()


@contextmanager
def exclusive(on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Let one thread of this process at a time generate; others wait here.

    The numbers of threads of PyTorch and OpenCV are settings of the whole process, and they change
    bits of the result. One run uses all cores already.

    Args:
        on_wait: called ten times a second while the caller has to wait; may raise.
    """
    while not _lock.acquire(timeout=0.1):
        on_wait()
    try:
        yield
    finally:
        _lock.release()


def _next_item(items: Iterator[Item]) -> tuple[Item] | None:
    for item in items:
        return (item,)
    return None


def _result(pending: Future[Result], on_wait: Callable[[], object]) -> Result:
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


def num_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def send(pipe: Connection, message: object) -> None:
    """Send an object through a pipe whose other end may be gone.

    As `pipe.send`, whose buffer crashes older Pythons when the error of a broken pipe is collected.

    Raises:
        OSError: the other end is gone.

    Source: github.com/python/cpython/issues/111049.
    """
    pipe.send_bytes(bytes(ForkingPickler.dumps(message)))
