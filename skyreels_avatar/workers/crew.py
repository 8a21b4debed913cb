"""Workers that do tasks beside each other: processes of this machine, or actors of a Ray cluster.

A worker may die at any moment; its task is given to another one. Tasks and results are small plain
values: what is large lies in files that all workers reach.
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

from skyreels_avatar.errors import AvatarError, InputError, MissingExtraError

Work = Callable[[Any], Any]
_PATIENCE_S = 0.5
_STORE_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Answer:
    """What became of a task.

    Attributes:
        worker: who had it.
        result: what it returned; None if it failed.
        error: what it raised.
        died: the worker is gone, and the task is not done.
    """

    worker: int
    result: Any = None
    error: Exception | None = None
    died: bool = False


class Crew(Protocol):
    """Some workers, numbered from 0."""

    def give(self, worker: int, task: Any) -> None:
        """Let a worker begin a task; one that died before is replaced."""

    def answers(self) -> list[Answer]:
        """Return what has happened; waits for half a second at most."""

    def stop(self) -> None:
        """End all workers."""


class LocalCrew:
    """Processes of this machine.

    Args:
        make_work: called once in each process, returns what does the tasks; can be pickled.
    """

    def __init__(self, make_work: Callable[[], Work], num_workers: int):
        self._make_work, self._num_workers = make_work, num_workers
        self._context = multiprocessing.get_context("spawn")  # a fork would copy held locks
        self._processes: dict[int, tuple[Any, Connection]] = {}

    def give(self, worker: int, task: Any) -> None:
        """See `Crew`."""
        if worker not in self._processes:
            ours, theirs = self._context.Pipe()
            cores = _cores_of(worker, self._num_workers)
            process = self._context.Process(
                target=_serve, args=(theirs, self._make_work, cores), daemon=True
            )
            process.start()
            theirs.close()  # so that the end of the process ends the pipe
            self._processes[worker] = process, ours
        with contextlib.suppress(OSError):  # it died at rest, which `answers` will see
            self._processes[worker][1].send(task)

    def answers(self) -> list[Answer]:
        """See `Crew`."""
        pipes = {pipe: worker for worker, (_, pipe) in self._processes.items()}
        answers = []
        for pipe in wait(list(pipes), timeout=_PATIENCE_S):
            worker = pipes[pipe]
            try:
                result, error = pipe.recv()
                answers.append(Answer(worker, result, error))
            except (EOFError, OSError):
                self._processes.pop(worker)[0].join()
                answers.append(Answer(worker, died=True))
        return answers

    def stop(self) -> None:
        """See `Crew`."""
        for process, pipe in self._processes.values():
            process.terminate()
            process.join()
            pipe.close()
        self._processes.clear()


class RayCrew:
    """Actors of a Ray cluster.

    Args:
        make_work: called once in each actor.
        num_workers: None takes one for each core of the cluster, or for each GPU.
        address: of a cluster that runs, "auto" to look for one; None starts one on this machine.
        on_gpu: whether a worker needs a GPU for itself.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: there is no cluster at the address, or none with a GPU.
    """

    def __init__(
        self,
        make_work: Callable[[], Work],
        num_workers: int | None = None,
        address: str | None = None,
        on_gpu: bool = False,
    ):
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "farm") from error
        self._ray = ray
        self._make_work = make_work
        self._began = not ray.is_initialized()
        if self._began:
            _join_cluster(ray, address)
        kind = "GPU" if on_gpu else "CPU"
        self.num_workers = num_workers or int(ray.cluster_resources().get(kind, 0))
        if not self.num_workers:
            self.stop()
            raise InputError(
                f"the Ray cluster has no {kind}; give another address", parameter="address"
            )
        self._actor = ray.remote(num_cpus=1, num_gpus=int(on_gpu), max_restarts=0)(_Actor)
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}

    def give(self, worker: int, task: Any) -> None:
        """See `Crew`."""
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(self._make_work)
        self._pending[self._actors[worker].do.remote(task)] = worker

    def answers(self) -> list[Answer]:
        """See `Crew`."""
        ready, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=_PATIENCE_S)
        return [self._answer(reference) for reference in ready]

    def _answer(self, reference: Any) -> Answer:
        worker = self._pending.pop(reference)
        try:
            result, error = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            self._ray.kill(self._actors.pop(worker))
            return Answer(worker, died=True)
        return Answer(worker, result, error)

    def stop(self) -> None:
        """See `Crew`; a cluster that was started for this is ended, others are left."""
        for actor in getattr(self, "_actors", {}).values():
            self._ray.kill(actor)
        if self._began:
            self._ray.shutdown()


def _join_cluster(ray: Any, address: str | None) -> None:
    options = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        # "local" starts one even where the environment names another; only paths lie in its store.
        ray.init(
            address="local", include_dashboard=False, object_store_memory=_STORE_BYTES, **options
        )
        return
    try:
        ray.init(address=address, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r}; start one with `ray start --head`, or leave "
            "the address out to use this machine"
        ) from error


class _Actor:
    """What Ray runs elsewhere."""

    def __init__(self, make_work: Callable[[], Work]):
        self._work = make_work()

    def do(self, task: Any) -> tuple[Any, Exception | None]:
        return _done(self._work, task)


def _serve(pipe: Connection, make_work: Callable[[], Work], cores: set[int]) -> None:
    """Do tasks from a pipe until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gave the tasks
    if cores:
        os.sched_setaffinity(0, cores)
    work = make_work()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_done(work, task))


def _done(work: Work, task: Any) -> tuple[Any, Exception | None]:
    try:
        return work(task), None
    except Exception as error:
        # Errors of other packages may not survive the way to another process.
        ours = isinstance(error, AvatarError) and len(error.args) == 1
        return None, error if ours else AvatarError(f"{type(error).__name__}: {error}")


def _cores_of(worker: int, num_workers: int) -> set[int]:
    """Return the cores that a worker has for itself; empty where that cannot be said."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    cores = sorted(os.sched_getaffinity(0))
    if num_workers >= len(cores):
        return {cores[worker % len(cores)]}
    return set(cores[worker::num_workers])
