"""A thread that does the work of a stream, one piece after the other, ahead of its reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


class Worker:
    """Runs functions in the order in which they are submitted; without gradients, on one core.

    The thread begins with the first of them, and ends with `close`, or when nobody needs it.

    Args:
        name: of the thread.

    Attributes:
        spent_s, busy_s: seconds of a core that it has worked, and of the clock.
    """

    def __init__(self, name: str):
        self.spent_s = self.busy_s = 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Return what a function of some arguments will return.

        Raises:
            RuntimeError: it is closed.
        """
        return self._pool.submit(self._alone, function, *arguments)

    def close(self) -> None:
        """Drop what waits; the thread ends with what it is working at."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _alone(self, function: Callable[..., Result], *arguments: Any) -> Result:
        spent_s, begun_s = time.thread_time(), time.perf_counter()
        with torch.no_grad(), one_thread():
            result = function(*arguments)
        self.spent_s += time.thread_time() - spent_s
        self.busy_s += time.perf_counter() - begun_s
        return result


def done(result: Result) -> Future[Result]:
    """Return a future that has its result."""
    future: Future[Result] = Future()
    future.set_result(result)
    return future


@contextmanager
def one_thread() -> Iterator[None]:
    """Let this thread work alone: small pieces of work are not worth sharing."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
