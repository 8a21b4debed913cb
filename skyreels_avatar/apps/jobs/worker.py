"""A worker: claims one job after the other, and keeps what it has loaded between them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.records import CANCELED, FAILED, SUCCEEDED, Job, without_folders
from skyreels_avatar.apps.jobs.run import Engine, remove_work, run_job
from skyreels_avatar.apps.jobs.storage import Storage
from skyreels_avatar.errors import AvatarError, Cancelled, InputError
from skyreels_avatar.progress import Progress

logger = logging.getLogger(__name__)

_TICK_S = 0.5
_IDLE_S = 0.3
_RENEW_S = 5.0


def worker_name(process_id: int | None = None) -> str:
    """Return the name of a worker: its machine and process."""
    return f"{socket.gethostname()}:{process_id or os.getpid()}"


@dataclass
class Worker:
    """A worker of a queue.

    Args:
        engine: what makes windows in parallel, if anything does.
        parent: the process whose end also ends the worker; None = it works on alone.
    """

    queue: JobQueue
    storage: Storage
    engine: Engine = field(default_factory=Engine)
    parent: int | None = None

    def __post_init__(self) -> None:
        self.name = worker_name()
        self._stop = threading.Event()

    def run(self) -> None:
        """Do jobs until asked to stop: by SIGTERM, or by the end of the parent."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while not self._should_stop():
            job = self.queue.claim(self.name)
            if job is None:
                self._stop.wait(_IDLE_S)
            else:
                self.do(job)

    def do(self, job: Job) -> None:
        """Do one job, and report what comes of it."""
        reports = _Reports(self.queue, job, self._should_stop)
        folder, ended = self.storage.job_folder(job.id), False
        with reports.written():
            try:
                result = run_job(job, folder, reports.on_progress, self.engine)
            except Cancelled:
                reports.close()
                ended = self._end_early(job, reports.answer)
            except Exception as error:
                reports.close()
                if not isinstance(error, AvatarError):
                    logger.exception("job %s failed", job.id)
                ended = self.queue.finish(job, FAILED, error=_describe(error))
            else:
                reports.close()
                ended = self.queue.finish(job, SUCCEEDED, result)
        if ended:
            remove_work(job, folder)

    def _end_early(self, job: Job, answer: str) -> bool:
        """End a job that was stopped, or leave it to another worker; return whether it ended."""
        if answer == "cancel":
            return self.queue.finish(job, CANCELED)
        if answer == "late":
            return self.queue.finish(job, FAILED, error=_too_long(self.queue.limits.job_s))
        if answer == "stop":
            self.queue.give_back(job)
        return False

    def _should_stop(self) -> bool:
        if self.parent is not None and os.getppid() != self.parent:
            return True
        return self._stop.is_set()


class _Reports:
    """What a job in progress tells: written to the database a few times a second by a thread.

    Attributes:
        answer: "go", or why the job is to end: "cancel", "lost", "late", "stop".
    """

    def __init__(self, queue: JobQueue, job: Job, should_stop: Callable[[], bool]):
        self.answer = "go"
        self._queue, self._job, self._should_stop = queue, job, should_stop
        self._progress: Progress | None = None
        self._lines: deque[tuple[str, str]] = deque(maxlen=500)
        self._stages: set[tuple[str, int]] = set()
        self._closed = threading.Event()
        self._until = time.monotonic() + queue.limits.job_s
        self._thread = threading.Thread(target=self._write, daemon=True, name="reports")

    def on_progress(self, progress: Progress) -> bool:
        """Take a report of the run; return False when it is to stop."""
        self._progress = progress
        place = progress.stage, getattr(progress, "number", 0)
        if place not in self._stages:  # later ones alternate between decoding and writing
            self._stages.add(place)
            shot = f"shot {place[1]}: " if place[1] else ""
            self._lines.append(("info", f"{shot}{progress.stage}"))
        return self.answer == "go"

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Write reports while the block runs, and what the library logs."""
        lines = logging.Handler(logging.INFO)
        lines.emit = lambda record: self._lines.append(
            (record.levelname.lower(), without_folders(record.getMessage()))
        )
        loggers = [logging.getLogger(name) for name in ("skyreels_avatar", "camera")]
        for one in loggers:
            one.addHandler(lines)
        again = ", again" if self._job.num_claims > 1 else ""
        self._lines.append(("info", f"started{again}"))
        self._thread.start()
        try:
            yield
        finally:
            for one in loggers:
                one.removeHandler(lines)
            self.close()

    def close(self) -> None:
        """Write what is left, and stop; before the job's end is written."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _write(self) -> None:
        written, renewed = None, time.monotonic()
        while True:
            closing = self._closed.wait(_TICK_S)
            with contextlib.suppress(Exception):  # a busy database; the lease lasts some time
                self._write_lines()
                changed, now = self._progress is not written, time.monotonic()
                if changed or now - renewed > _RENEW_S:
                    written = self._progress
                    told = self._queue.renew(
                        self._job, _values(written, self._job) if changed else None
                    )
                    renewed = now
                    if self.answer == "go":
                        self.answer = told
                if self.answer == "go":
                    self.answer = self._other_reason(now)
            if closing:
                return

    def _write_lines(self) -> None:
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        if lines:
            self._queue.log.add(self._job.id, lines)

    def _other_reason(self, now: float) -> str:
        if now > self._until:
            return "late"
        return "stop" if self._should_stop() else "go"


def _values(progress: Progress | None, job: Job) -> dict[str, Any] | None:
    """Return what is written of a report: how far the job as a whole is, which never falls.

    A run that goes on reports what is left to it: of a film the shots that are not made yet, of a
    shot nothing before its windows are counted.
    """
    if progress is None:
        return None
    total = max(job.total, progress.total)
    done = total - (progress.total - progress.done) if progress.total else 0
    return {
        "stage": progress.stage, "done": max(job.done, done), "total": total,
        "seconds_left": progress.seconds_left,
    }  # fmt: skip


def _describe(error: Exception) -> dict[str, str]:
    """Return an error as it may be shown to the user of a server."""
    if isinstance(error, InputError):
        fix = "change the input and submit the job again"
        if error.parameter is not None:
            fix = f"change {error.parameter} and submit the job again"
        return {"code": "invalid_input", "message": without_folders(str(error)), "fix": fix}
    if isinstance(error, MemoryError):
        fix = "give a smaller size or a shorter sound"
        return {"code": "out_of_memory", "message": "there was too little memory", "fix": fix}
    if isinstance(error, AvatarError):
        fix = "tell the operator of the server"
        return {"code": "failed", "message": without_folders(str(error)), "fix": fix}
    message = f"the job ended with an internal error ({type(error).__name__})"
    return {"code": "internal", "message": message, "fix": "tell the operator of the server"}


def _too_long(seconds: float) -> dict[str, str]:
    return {
        "code": "time_limit",
        "message": f"the job ran longer than {seconds:.0f} seconds",
        "fix": "give a shorter sound or a smaller size",
    }
