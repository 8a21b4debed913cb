"""Workers that are actors of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from skyreels_avatar.errors import InputError, MissingExtraError
from skyreels_avatar.workers.worker_pool import (
    POLL_TIMEOUT_S,
    TaskFunction,
    TaskResult,
    run_task,
)

_OBJECT_STORE_BYTES = 100 * 2**20  # only paths and numbers are stored


class RayPool:
    """Actors of a Ray cluster, each with a core or a GPU.

    Args:
        make_function: called once in each actor, returns the function that runs tasks.
        num_workers: None takes one for each core of the cluster, or for each GPU.
        address: of a running cluster, "auto" to look for one; None starts one on this machine.
        on_gpu: whether a worker needs a GPU for itself.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: there is no cluster at the address, or none with a GPU.
    """

    def __init__(
        self,
        make_function: Callable[[], TaskFunction],
        num_workers: int | None = None,
        address: str | None = None,
        on_gpu: bool = False,
    ):
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "farm") from error
        self._ray = ray
        self._make_function = make_function
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}
        self._owns_connection = not ray.is_initialized()
        if self._owns_connection:
            _connect(ray, address)
        kind = "GPU" if on_gpu else "CPU"
        self.num_workers = num_workers or int(ray.cluster_resources().get(kind, 0))
        if not self.num_workers:
            self.shutdown()
            raise InputError(
                f"the Ray cluster has no {kind}; give another address", parameter="address"
            )
        self._actor = ray.remote(num_cpus=1, num_gpus=int(on_gpu), max_restarts=0)(_Actor)

    def submit(self, worker: int, task: Any) -> None:
        """See `WorkerPool`."""
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(self._make_function)
        self._pending[self._actors[worker].run.remote(task)] = worker

    def poll(self) -> list[TaskResult]:
        """See `WorkerPool`."""
        ready, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=POLL_TIMEOUT_S)
        return [self._result(reference) for reference in ready]

    def _result(self, reference: Any) -> TaskResult:
        worker = self._pending.pop(reference)
        try:
            return TaskResult(worker, *self._ray.get(reference))
        except self._ray.exceptions.RayError:
            self._ray.kill(self._actors.pop(worker))
            return TaskResult(worker, died=True)

    def shutdown(self) -> None:
        """See `WorkerPool`; a cluster that this pool started is ended, others are left."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        if self._owns_connection:
            self._ray.shutdown()


class _Actor:
    """What Ray runs elsewhere."""

    def __init__(self, make_function: Callable[[], TaskFunction]):
        self._function = make_function()

    def run(self, task: Any) -> tuple[Any, Exception | None]:
        return run_task(self._function, task)


def _connect(ray: Any, address: str | None) -> None:
    options = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        # "local" starts one even where the environment names another.
        store = {"object_store_memory": _OBJECT_STORE_BYTES}
        ray.init(address="local", include_dashboard=False, **store, **options)
        return
    try:
        ray.init(address=address, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r}; start one with `ray start --head`, or leave "
            "the address out to use this machine"
        ) from error
