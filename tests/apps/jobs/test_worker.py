"""A worker reports what comes of a job: success, error, cancel, time, a lease that was lost."""

from __future__ import annotations

import logging
import time

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

from skyreels_avatar.apps.jobs import worker as worker_module
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.worker import Worker, _values, worker_name
from skyreels_avatar.errors import Cancelled, CheckpointError, FaceError
from skyreels_avatar.progress import Progress


@pytest.fixture
def do(queue, storage, add, monkeypatch):
    """Return a function that lets a worker do a job in a given way, and returns the job."""
    monkeypatch.setattr(worker_module, "_TICK_S", 0.02)

    def run(way, worker=None):
        monkeypatch.setattr(worker_module, "run_job", way)
        add()
        one = worker or Worker(queue, storage)
        job = queue.claim(one.name)
        one.do(job)
        return queue.get("anna", job.id)

    return run


def _until_stopped(on_progress):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if on_progress(Progress("decode", 3, 10, 1.0)) is False:
            raise Cancelled("stopped")
        time.sleep(0.01)
    raise AssertionError("nobody stopped it")


def test_a_result_and_what_was_logged_are_kept(do, queue):
    def way(job, folder, on_progress, engine):
        on_progress(Progress("decode", 3, 10, 1.0))
        logging.getLogger("skyreels_avatar.x").warning("%s/me.png is dark", folder)
        return {"audio": "a.wav"}

    job = do(way)
    assert (job.status, job.result) == ("succeeded", {"audio": "a.wav"})
    lines = [line.message for line in queue.log.read(job.id)]
    assert lines == ["started", "decode", "me.png is dark"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FaceError("/data/jobs/x/me.png: no face", parameter="face"), "invalid_input", "me.png:"),
        (
            CheckpointError("weights of /srv/models/a.safetensors are gone"),
            "failed",
            "weights of a",
        ),
        (MemoryError(), "out_of_memory", "too little memory"),
        (RuntimeError("/secret/place broke"), "internal", "RuntimeError"),
    ],
)
def test_an_error_is_told_without_the_places_of_files(do, error, code, said):
    def way(*_):
        raise error

    job = do(way)
    assert job.status == "failed" and job.error["code"] == code and said in job.error["message"]
    assert job.error["fix"] and "/" not in job.error["message"]


def test_a_canceled_job_stops(do, queue):
    def way(job, folder, on_progress, engine):
        queue.cancel("anna", job.id)
        _until_stopped(on_progress)

    job = do(way)
    assert (job.status, job.done, job.total) == ("canceled", 3, 10)


def test_a_job_beyond_its_time_fails(do, queue, storage):
    quick = JobQueue(queue.database, Limits(job_s=0.05))
    job = do(lambda job, folder, report, engine: _until_stopped(report), Worker(quick, storage))
    assert job.status == "failed" and job.error["code"] == "time_limit"


def test_a_worker_that_is_to_stop_gives_its_job_back(do, queue, storage):
    worker = Worker(queue, storage)
    worker.parent = -1  # whose parent is gone
    job = do(lambda job, folder, report, engine: _until_stopped(report), worker)
    assert job.status == "queued" and queue.claim("host:2").id == job.id


def test_a_worker_without_its_lease_stops_and_writes_nothing(do, queue, monkeypatch):
    def way(job, folder, on_progress, engine):
        queue.release(worker_name(), crashed=False)
        assert queue.claim("host:2").id == job.id
        _until_stopped(on_progress)

    job = do(way)
    assert job.status == "running" and queue.running() == {job.id: "host:2"}


def test_what_a_job_leaves_is_removed_by_the_worker_that_ended_it_alone(do, queue, storage):
    def way(job, folder, on_progress, engine):
        (folder / "work").mkdir(parents=True)
        if job.user == "anna" and len(queue.list("anna")) == 2:  # it is another's by the end
            queue.release(worker_name(), crashed=False)
            queue.claim("host:2")
        return {}

    ended, lost = do(way), do(way)
    assert ended.status == "succeeded" and not (storage.job_folder(ended.id) / "work").exists()
    assert lost.status == "running" and (storage.job_folder(lost.id) / "work").is_dir()


def test_progress_never_falls_when_a_job_goes_on(queue, add):
    """A job that crashed in the middle of a window over and over looked as if it got on."""
    add()
    job = queue.claim("host:1")
    queue.renew(job, _values(Progress("decode", 60, 200, 1.0), job))
    queue.release("host:1")
    again = queue.claim("host:1")
    for report, done, total in [
        (Progress("read", 0, 0, None), 60, 200),  # nothing is counted yet
        (Progress("decode", 40, 200, None), 60, 200),  # a window that was lost is made again
        (Progress("decode", 90, 200, None), 90, 200),
        (Progress("decode", 10, 120, None), 90, 200),  # of a film: 120 frames are left to make
        (Progress("decode", 20, 120, None), 100, 200),
    ]:
        values = _values(report, again)
        assert (values["done"], values["total"]) == (done, total)
