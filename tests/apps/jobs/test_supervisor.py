"""The supervisor gives back what dead workers had, starts others, and removes old files."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

from skyreels_avatar.apps.jobs import supervisor as supervisor_module
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.supervisor import (
    Supervisor,
    _shared_cores,
    clean_up,
    free_dead_workers,
    num_oom_kills,
)
from skyreels_avatar.apps.jobs.worker import worker_name


@pytest.fixture
def processes(monkeypatch):
    """Let workers be processes that run `code`, and return what was started."""
    started, real = [], subprocess.Popen

    def start(command, **options):
        process = real([sys.executable, "-c", started_code[0]], **options)
        started.append(process)
        return process

    started_code = ["import time; time.sleep(60)"]
    monkeypatch.setattr(supervisor_module.subprocess, "Popen", start)
    yield started, started_code
    for process in started:
        process.kill()
        process.wait()


def _wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_worker_that_is_killed_is_replaced_and_its_job_goes_on(queue, storage, add, processes):
    started, _ = processes
    supervisor = Supervisor(queue, storage, 1)
    supervisor.start()
    job = add()
    queue.claim(worker_name(supervisor.process_ids()[0]))
    started[0].kill()
    _wait_for(lambda: len(started) == 2)
    assert queue.get("anna", job.id).status == "queued"
    supervisor.stop()
    assert started[1].poll() is not None


def test_workers_that_cannot_start_are_not_started_without_end(queue, storage, processes):
    started, code = processes
    code[0] = "raise SystemExit(3)"
    supervisor = Supervisor(queue, storage, 1)
    supervisor.start()
    _wait_for(lambda: len(started) == 2)
    time.sleep(0.8)
    assert len(started) <= 3
    supervisor.stop()


def test_jobs_of_workers_that_are_gone_are_freed_at_once(queue, add):
    for name in ("a", "b", "c"):
        add(text=name)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    queue.claim(worker_name(gone.pid))
    queue.claim(worker_name(os.getpid()))  # it runs, but is not a worker: the number was reused
    queue.claim("elsewhere:1")
    free_dead_workers(queue)
    assert set(queue.running().values()) == {"elsewhere:1"}


def test_old_files_are_removed_and_others_stay(queue, storage, add, tmp_path):
    brief = JobQueue(queue.database, Limits(keep_s=-1))
    old, kept = add(), add()
    brief.finish(brief.claim("host:1"), "succeeded")
    for name in (old.id, kept.id, "job_orphan", "job_new"):
        storage.job_folder(name).mkdir(parents=True)
    (storage.incoming / "half").write_bytes(b"x")
    for path in (storage.job_folder("job_orphan"), storage.incoming / "half"):
        os.utime(path, (1, 1))
    clean_up(brief, storage)
    left = {path.name for path in (tmp_path / "data" / "jobs").iterdir()}
    assert left == {kept.id, "job_new"} and list(storage.incoming.iterdir()) == []


def test_every_worker_has_as_many_cores_as_the_others():
    for count in (1, 2, 3, 7):
        shares = _shared_cores(count)
        assert len(shares) == count and len({len(share) for share in shares}) == 1
    assert num_oom_kills() >= 0
