"""Keeps worker processes running, gives back what they had when they die, and removes old files."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.run import Engine
from skyreels_avatar.apps.jobs.storage import Storage
from skyreels_avatar.apps.jobs.worker import worker_name

logger = logging.getLogger(__name__)

_WATCH_S = 0.3
_CLEAN_S = 300.0
_QUICK_DEATH_S = 20.0
_MAX_PAUSE_S = 60.0
STOP_S = 20.0
_OOM_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


@dataclass
class _Slot:
    """A place for a worker: its process, and when the next one may start after a death."""

    cores: list[int]
    process: subprocess.Popen | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause_s: float = 0.0


@dataclass
class Supervisor:
    """Worker processes of this machine.

    Args:
        num_workers: how many; 0 = workers elsewhere do the jobs.
        verbose: workers print what they log.
    """

    queue: JobQueue
    storage: Storage
    num_workers: int = 1
    engine: Engine = field(default_factory=Engine)
    verbose: bool = False

    def __post_init__(self) -> None:
        cores = _shared_cores(self.num_workers)
        self._slots = [_Slot(cores[index]) for index in range(self.num_workers)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="supervisor")
        self._num_oom = 0

    def start(self) -> None:
        """Free what dead workers of this machine had, and start the workers."""
        free_dead_workers(self.queue)
        self._num_oom = num_oom_kills()
        for slot in self._slots:
            self._start(slot)
        self._thread.start()

    def stop(self) -> None:
        """Ask the workers to give their jobs back and end; end those that do not."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for process in processes:
            process.terminate()
        until = time.monotonic() + STOP_S
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.queue.release(worker_name(process.pid), crashed=False)

    def process_ids(self) -> list[int]:
        """Return the process ids of the workers that run."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def _watch(self) -> None:
        cleaned = 0.0
        while not self._stopped.wait(_WATCH_S):
            for slot in self._slots:
                with contextlib.suppress(Exception):  # a busy database: looked at again
                    self._look_after(slot)
            if time.monotonic() - cleaned > _CLEAN_S:
                cleaned = time.monotonic()
                _attempt(lambda: clean_up(self.queue, self.storage))

    def _look_after(self, slot: _Slot) -> None:
        if slot.process is None:
            if time.monotonic() >= slot.start_at:
                self._start(slot)
            return
        code = slot.process.poll()
        if code is None:
            return
        freed = self.queue.release(worker_name(slot.process.pid), self._is_crash(code))
        if code:
            logger.warning(
                "a worker ended (%s); %s", _exit_words(code),
                f"its job goes on: {', '.join(freed)}" if freed else "it had no job",
            )  # fmt: skip
        quick = time.monotonic() - slot.started < _QUICK_DEATH_S
        # One that cannot even start must not be started ten times a second.
        idle_death = quick and not freed and code > 0
        slot.pause_s = min(_MAX_PAUSE_S, max(1.0, 2 * slot.pause_s)) if idle_death else 0.0
        slot.process, slot.start_at = None, time.monotonic() + slot.pause_s

    def _is_crash(self, code: int) -> bool:
        """Tell whether a worker ended by what it did, and was not killed by somebody."""
        num_oom, before = num_oom_kills(), self._num_oom
        self._num_oom = num_oom
        if code == -signal.SIGKILL:
            return num_oom > before
        return code not in (0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)

    def _start(self, slot: _Slot) -> None:
        address = self.queue.database.address
        settings = {
            "data": str(self.storage.root), "database": address, "cores": slot.cores,
            "limits": asdict(self.queue.limits), "engine": asdict(self.engine),
            "parent": os.getpid(), "verbose": self.verbose,
            "network": not self.queue.database.is_sqlite or self.engine.name is not None,
        }  # fmt: skip
        command = [sys.executable, "-m", "skyreels_avatar.apps.jobs"]
        slot.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        # Not as an argument, which everybody on the machine can read: a password may be in it.
        with contextlib.suppress(OSError):  # it ended already, which is seen later
            slot.process.stdin.write(json.dumps(settings).encode())
            slot.process.stdin.close()
        slot.started = time.monotonic()


def free_dead_workers(queue: JobQueue) -> None:
    """Queue again at once what workers of this machine had that no longer run."""
    here = worker_name(0).rpartition(":")[0]
    for name in set(queue.running().values()):
        host, _, process_id = name.rpartition(":")
        if host == here and not _is_running(int(process_id)):
            queue.release(name, crashed=False)


def clean_up(queue: JobQueue, storage: Storage) -> None:
    """Remove jobs and uploads whose time has passed, and what killed servers left behind."""
    for job_id in queue.remove_expired():
        storage.remove_job(job_id)
    storage.remove_expired()
    storage.remove_orphans(queue.all_ids())


def num_oom_kills() -> int:
    """Return how many processes the system has killed for memory, in this container or at all."""
    for path in _OOM_COUNTERS:
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text(encoding="ascii").splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return 0


def _attempt(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:
        logger.warning("cleaning up failed, and is tried again later: %s", error)


def _shared_cores(num_workers: int) -> list[list[int]]:
    """Return the cores of each worker: all of one, and equally many of several.

    The number of threads decides bits of the result: every worker has as many as the others.
    """
    if num_workers <= 1 or not hasattr(os, "sched_getaffinity"):
        return [[]] * num_workers
    cores = sorted(os.sched_getaffinity(0))
    share = max(1, len(cores) // num_workers)
    return [
        [cores[(index * share + step) % len(cores)] for step in range(share)]
        for index in range(num_workers)
    ]


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _is_running(process_id: int) -> bool:
    """Tell whether a process is a worker that runs: numbers are given again after a restart."""
    if not Path("/proc/self/cmdline").exists():
        try:
            os.kill(process_id, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:
            return True
        return True
    try:  # of a process that has ended and was not waited for it is empty
        return b"skyreels_avatar" in Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return False
