"""Make the windows of shots in parallel: by processes of this machine, or on a Ray cluster.

Workers write to the work folder, which all of them must reach under the same path; only requests,
paths and numbers are sent. When all windows are there, the shot is joined as a resumed run would
be, so which worker made which window does not show in the bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyreels_avatar.checks import user_path
from skyreels_avatar.errors import AvatarError, Cancelled, InputError
from skyreels_avatar.workers.ray_pool import RayPool
from skyreels_avatar.workers.worker_pool import ProcessPool, WorkerPool

if TYPE_CHECKING:
    from skyreels_avatar.progress import Progress
    from skyreels_avatar.request.generation_request import GenerationRequest

ENGINES = ("local", "ray")
_ATTEMPTS = 4  # of a task whose workers die


@dataclass(frozen=True)
class Task:
    """Some windows of one of the shots.

    Attributes:
        shot: index of the request.
        kind: "sample" makes latents, "render" makes a piece.
        windows: their indices.
        num_pictures: of the piece.
    """

    shot: int
    kind: str
    windows: tuple[int, ...]
    num_pictures: int = 0


def make_windows(
    requests: Sequence[GenerationRequest],
    work_folder: str | Path,
    engine: str = "local",
    num_workers: int | None = None,
    address: str | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> int:
    """Make the missing windows of some shots, and return how many frames were there already.

    `generate_request(request, work_folder=work_folder)` then joins each shot.

    Args:
        engine: "local" = processes of this machine; "ray" = actors of a Ray cluster.
        num_workers: None = one for two cores here, or as many as the cluster has room for.
        address: of a Ray cluster; None starts one on this machine.
        on_progress: called with the pictures of all shots together; returning False stops.

    Raises:
        InputError: a request, the folder, the engine or the number of workers cannot be used.
        MissingExtraError: Ray is asked for and not installed.
        Cancelled: `on_progress` returned False; finished windows stay.
        AvatarError: a task failed, or its workers died four times.
    """
    if engine not in ENGINES:
        raise InputError(f"engine is one of {', '.join(ENGINES)}, got {engine!r}")
    if num_workers is not None and num_workers < 1:
        raise InputError(f"there must be at least 1 worker, got {num_workers}")
    folder = user_path(work_folder).absolute()
    tasks, num_found, total = _tasks(requests, folder)
    if not tasks:
        return num_found
    make_function = partial(_TaskRunner, [_portable(request) for request in requests], str(folder))
    if engine == "local":
        count = num_workers or max(1, (os.cpu_count() or 1) // 2)
        pool: WorkerPool = ProcessPool(make_function, count)
    else:
        pool = RayPool(make_function, num_workers, address, _wants_gpu(requests))
        count = pool.num_workers
    try:
        _run_tasks(tasks, pool, min(count, len(tasks)), _Pace(num_found, total, on_progress))
    finally:
        pool.shutdown()
    return num_found


@contextmanager
def shared_folder(work: Path | None, output: Path) -> Iterator[Path]:
    """Yield the user's work folder, or a folder beside the output that is removed at the end.

    After an error or Ctrl-C it stays, and the next run resumes from it.
    """
    if work is not None:
        yield work
        return
    folder = output.with_name(f"{output.name}.windows")  # .work is that of a film
    yield folder
    for shot in folder.glob("*"):  # what else lies in a folder of this name is the user's
        if re.fullmatch(r"[0-9a-f]{16}", shot.name):
            shutil.rmtree(shot, ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()


class _TaskRunner:
    """Runs tasks in a worker; the latest shot stays open."""

    def __init__(self, requests: Sequence[dict], work_folder: str):
        from skyreels_avatar.workers.allocator import reuse_freed_memory

        reuse_freed_memory()
        self._requests, self._work_folder = requests, work_folder
        self._open = -1

    def __call__(self, task: Task) -> int:
        from skyreels_avatar.request.generation_request import GenerationRequest
        from skyreels_avatar.workers.shot_worker import ShotWorker

        if self._open != task.shot:
            request = GenerationRequest.from_dict(self._requests[task.shot])
            self._worker, self._open = ShotWorker(request, self._work_folder), task.shot
        if task.kind == "sample":
            self._worker.sample(task.windows)
            return 0
        return sum(map(self._worker.render, task.windows))


class _Pace:
    """Reports the progress of all shots together."""

    def __init__(
        self, num_found: int, total: int, on_progress: Callable[[Progress], object] | None
    ):
        self._found = self._done = num_found
        self._total, self._on_progress = total, on_progress
        self._start = time.perf_counter()

    def add(self, num_pictures: int) -> None:
        self._done += num_pictures

    def report(self) -> None:
        from skyreels_avatar.progress import Progress

        if self._on_progress is None:
            return
        left = None
        if made := self._done - self._found:
            left = (time.perf_counter() - self._start) / made * (self._total - self._done)
        if self._on_progress(Progress("render", self._done, self._total, left)) is False:
            raise Cancelled("stopped by the caller during render")


def _tasks(requests: Sequence[GenerationRequest], folder: Path) -> tuple[list[Task], int, int]:
    """Return the tasks that remain, how many pictures are there, and how many there will be."""
    from skyreels_avatar.media.video import check_output
    from skyreels_avatar.workers.shot_worker import ShotWorker

    tasks: list[Task] = []
    found = total = 0
    for shot, request in enumerate(requests):
        check_output(request.output)
        worker = ShotWorker(request, folder)
        plan, remaining = worker.plan, worker.remaining()
        total += plan.num_frames
        found += plan.num_frames
        if not remaining:
            continue
        tasks += [Task(shot, "sample", tuple(group)) for group in worker.prerequisites()]
        for index in remaining:
            num_pictures = plan.num_pictures(plan.segments[index])
            tasks.append(Task(shot, "render", (index,), num_pictures))
            found -= num_pictures
    return tasks, found, total


def _run_tasks(tasks: list[Task], pool: WorkerPool, num_workers: int, pace: _Pace) -> None:
    """Run all tasks, latents of a shot before its pieces; a task whose worker died runs again."""
    waiting, running = list(tasks), dict[int, Task]()
    open_shots: dict[int, int] = {}
    attempts: dict[Task, int] = {}
    while waiting or running:
        for worker in range(num_workers):
            if worker in running:
                continue
            task = _next_task(waiting, running, open_shots.get(worker))
            if task is not None:
                waiting.remove(task)
                running[worker], open_shots[worker] = task, task.shot
                pool.submit(worker, task)
        for result in pool.poll():
            if result.worker not in running:  # it died while idle
                continue
            task = running.pop(result.worker)
            if result.error is not None:
                raise result.error
            if not result.died:
                pace.add(task.num_pictures)
                continue
            attempts[task] = attempts.get(task, 0) + 1
            if attempts[task] >= _ATTEMPTS:
                raise AvatarError(
                    f"{_ATTEMPTS} workers died making window {task.windows[0]}; is there "
                    "enough memory for so many? give fewer workers"
                )
            waiting.insert(0, task)
            open_shots.pop(result.worker, None)
        pace.report()


def _next_task(waiting: list[Task], running: dict[int, Task], shot: int | None) -> Task | None:
    """Return a task that can start, of the shot that the worker has open if there is one."""
    unready = {task.shot for task in (*waiting, *running.values()) if task.kind == "sample"}
    ready = [task for task in waiting if task.kind == "sample" or task.shot not in unready]
    return next((task for task in ready if task.shot == shot), ready[0] if ready else None)


def _portable(request: GenerationRequest) -> dict:
    """Return a request as plain values with absolute paths: workers run in other folders."""
    values = _with_absolute_paths(request).to_dict()
    if Path(request.tier).suffix in (".yaml", ".yml"):
        values["tier"] = str(Path(request.tier).absolute())
    return values


def _with_absolute_paths(value: Any) -> Any:
    """Return a request, or a value in it, with absolute paths, also of photos that name faces."""
    if isinstance(value, Path):
        return value.expanduser().absolute()
    if isinstance(value, tuple):
        return tuple(map(_with_absolute_paths, value))
    if not is_dataclass(value):
        return value
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    moved = {name: _with_absolute_paths(item) for name, item in found.items()}
    face = moved.get("face")
    if face and Path(face).is_file():
        moved["face"] = str(Path(face).absolute())
    changed = {name: item for name, item in moved.items() if item != found[name]}
    return replace(value, **changed)


def _wants_gpu(requests: Sequence[GenerationRequest]) -> bool:
    from skyreels_avatar.loading.tiers import load_tier

    return any(load_tier(request.tier).device.startswith("cuda") for request in requests)
