"""Work on several pieces at once, with the results in order and few of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

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
                pending.append(pool.submit(_without_grad, function, item))
                if len(pending) > num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _without_grad(function: Callable[[Item], Result], item: Item) -> Result:
    with torch.no_grad():  # the caller's own mode does not reach into other threads
        return function(item)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
