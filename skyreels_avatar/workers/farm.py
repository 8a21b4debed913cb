"""Make the windows of shots side by side: by processes of this machine, or on a Ray cluster.

What workers make lies in the work folder, which all of them must reach under the same path; only
requests, paths and numbers travel. When all is there, the shot is joined as a run that was stopped
would be, so who made what does not show in the bytes.
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
from skyreels_avatar.workers.crew import Crew, LocalCrew, RayCrew

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
    """Make the windows of some shots that are not in the work folder, return the frames that were.

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
    make_work = partial(_Maker, [_portable(request) for request in requests], str(folder))
    if engine == "local":
        count = num_workers or max(1, (os.cpu_count() or 1) // 2)
        crew: Crew = LocalCrew(make_work, count)
    else:
        crew = RayCrew(make_work, num_workers, address, _wants_gpu(requests))
        count = crew.num_workers
    try:
        _work_off(tasks, crew, min(count, len(tasks)), _Pace(num_found, total, on_progress))
    finally:
        crew.stop()
    return num_found


@contextmanager
def shared_folder(work: Path | None, output: Path) -> Iterator[Path]:
    """Yield the user's work folder; without one a folder beside the output, gone when all is done.

    After an error or Ctrl-C it stays, and the next run finds it.
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


class _Maker:
    """What a worker does; the latest shot stays open."""

    def __init__(self, requests: Sequence[dict], work_folder: str):
        from skyreels_avatar.workers.freed_memory import keep_freed_memory

        keep_freed_memory()
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
    """Tells the caller how far all shots together are."""

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
    """Return what is to be done, and how many pictures are there of how many."""
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
        tasks += [Task(shot, "sample", tuple(group)) for group in worker.foundations()]
        for index in remaining:
            num_pictures = plan.num_pictures(plan.segments[index])
            tasks.append(Task(shot, "render", (index,), num_pictures))
            found -= num_pictures
    return tasks, found, total


def _work_off(tasks: list[Task], crew: Crew, num_workers: int, pace: _Pace) -> None:
    """Let a crew do all tasks: latents of a shot before its pieces, each task until it is done."""
    waiting, busy = list(tasks), dict[int, Task]()
    opened: dict[int, int] = {}
    attempts: dict[Task, int] = {}
    while waiting or busy:
        for worker in range(num_workers):
            task = None if worker in busy else _next_task(waiting, busy, opened.get(worker))
            if task is not None:
                waiting.remove(task)
                busy[worker], opened[worker] = task, task.shot
                crew.give(worker, task)
        for answer in crew.answers():
            if answer.worker not in busy:  # it died at rest
                continue
            task = busy.pop(answer.worker)
            if answer.error is not None:
                raise answer.error
            if answer.died:
                attempts[task] = attempts.get(task, 0) + 1
                if attempts[task] >= _ATTEMPTS:
                    raise AvatarError(
                        f"{_ATTEMPTS} workers died making window {task.windows[0]}; is there "
                        "enough memory for so many? give fewer workers"
                    )
                waiting.insert(0, task)
                opened.pop(answer.worker, None)
            else:
                pace.add(task.num_pictures)
        pace.report()


def _next_task(waiting: list[Task], busy: dict[int, Task], opened: int | None) -> Task | None:
    """Return a task that need not wait, of the shot that the worker has open if there is one."""
    unready = {task.shot for task in (*waiting, *busy.values()) if task.kind == "sample"}
    ready = [task for task in waiting if task.kind == "sample" or task.shot not in unready]
    return next((task for task in ready if task.shot == opened), ready[0] if ready else None)


def _portable(request: GenerationRequest) -> dict:
    """Return a request as plain values with absolute paths: workers stand elsewhere."""
    values = _with_absolute_paths(request).to_dict()
    if Path(request.tier).suffix in (".yaml", ".yml"):
        values["tier"] = str(Path(request.tier).absolute())
    return values


def _with_absolute_paths(value: Any) -> Any:
    """Return a value of `script` with all paths in it made absolute, and photos of faces."""
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
