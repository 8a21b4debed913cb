"""Workers that run tasks in parallel, and the processes of this machine that do.

A worker may die at any moment; its task is given to another one. Tasks and results are small plain
values: large data lies in files that all workers reach.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from skyreels_avatar.errors import AvatarError
from skyreels_avatar.parallel import send

TaskFunction = Callable[[Any], Any]
POLL_TIMEOUT_S = 0.5


@dataclass(frozen=True)
class TaskResult:
    """The outcome of a task.

    Attributes:
        worker: that ran it.
        value: what it returned; None if it failed.
        error: what it raised.
        died: the worker is gone, and the task is not done.
    """

    worker: int
    value: Any = None
    error: Exception | None = None
    died: bool = False


class WorkerPool(Protocol):
    """Some workers, numbered from 0, each of which runs one task at a time."""

    def submit(self, worker: int, task: Any) -> None:
        """Start a task on a worker; one that died before is replaced."""

    def poll(self) -> list[TaskResult]:
        """Return the results since the last call; wait half a second for one at most."""

    def shutdown(self) -> None:
        """End all workers."""


class ProcessPool:
    """Processes of this machine, each with cores of its own.

    Args:
        make_function: called once in each process, returns the function that runs tasks; must be
            picklable.
    """

    def __init__(self, make_function: Callable[[], TaskFunction], num_workers: int):
        self._make_function, self._num_workers = make_function, num_workers
        self._context = multiprocessing.get_context("spawn")  # a fork would copy held locks
        self._processes: dict[int, tuple[Any, Connection]] = {}

    def submit(self, worker: int, task: Any) -> None:
        """See `WorkerPool`."""
        if worker not in self._processes:
            ours, theirs = self._context.Pipe()
            cores = _cores_of(worker, self._num_workers)
            process = self._context.Process(
                target=_serve, args=(theirs, self._make_function, cores), daemon=True
            )
            process.start()
            theirs.close()  # so that the end of the process ends the pipe
            self._processes[worker] = process, ours
        with contextlib.suppress(OSError):  # it died while idle, which `poll` will see
            send(self._processes[worker][1], task)

    def poll(self) -> list[TaskResult]:
        """See `WorkerPool`."""
        pipes = {pipe: worker for worker, (_, pipe) in self._processes.items()}
        results = []
        for pipe in wait(list(pipes), timeout=POLL_TIMEOUT_S):
            worker = pipes[pipe]
            try:
                results.append(TaskResult(worker, *pipe.recv()))
            except (EOFError, OSError):
                self._processes.pop(worker)[0].join()
                results.append(TaskResult(worker, died=True))
        return results

    def shutdown(self) -> None:
        """See `WorkerPool`."""
        for process, pipe in self._processes.values():
            process.terminate()
            process.join()
            pipe.close()
        self._processes.clear()


def run_task(function: TaskFunction, task: Any) -> tuple[Any, Exception | None]:
    """Return what a task returned, and the error that it raised, as one that can be pickled."""
    try:
        return function(task), None
    except Exception as error:
        # Errors of other packages may not survive the way to another process.
        ours = isinstance(error, AvatarError) and len(error.args) == 1
        return None, error if ours else AvatarError(f"{type(error).__name__}: {error}")


def _serve(pipe: Connection, make_function: Callable[[], TaskFunction], cores: set[int]) -> None:
    """Run tasks from a pipe until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that submits
    if cores:
        os.sched_setaffinity(0, cores)
    function = make_function()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        send(pipe, run_task(function, task))


def _cores_of(worker: int, num_workers: int) -> set[int]:
    """Return the cores that a worker has for itself; empty where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    cores = sorted(os.sched_getaffinity(0))
    if num_workers >= len(cores):
        return {cores[worker % len(cores)]}
    return set(cores[worker::num_workers])
