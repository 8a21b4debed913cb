"""The queue: nothing is lost, nothing is done twice, everybody has their turn."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

import sqlalchemy as sql

from skyreels_avatar.apps.jobs import queue as queue_module
from skyreels_avatar.apps.jobs.database import Database, deliveries, jobs
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.queue import MAX_CRASHES, JobQueue
from skyreels_avatar.apps.jobs.records import NewJob, RequestError


def _expire(queue, job_id):
    with queue.database.write() as connection:
        connection.execute(
            jobs.update().where(jobs.c.id == job_id).values(lease_until=time.time() - 1)
        )


def test_a_job_is_claimed_once_and_ends_once(queue, add):
    submitted = add()
    job = queue.claim("host:1")
    assert job.id == submitted.id and job.status == "running"
    assert queue.claim("host:2") is None
    assert queue.finish(job, "succeeded", {"audio": "a.wav"})
    assert not queue.finish(job, "failed")
    found = queue.get("anna", job.id)
    assert (found.status, found.result, found.percent) == ("succeeded", {"audio": "a.wav"}, 100)
    assert found.expires_at > found.finished_at >= found.started_at >= found.created_at


def test_many_workers_never_claim_the_same_job(queue, add):
    ids = {add(text=str(n)).id for n in range(20)}
    claimed = []

    def work(name):
        while (job := queue.claim(name)) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=work, args=(f"host:{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)


def test_users_take_turns_and_each_users_jobs_come_in_order(queue, add):
    for number in range(4):
        add("anna", f"a{number}")
    for number in range(2):
        add("ben", f"b{number}")
    add("cleo", "c0")
    waiting = queue.list("anna") + queue.list("ben") + queue.list("cleo")
    positions = queue.positions([job.id for job in waiting])
    foretold = sorted(waiting, key=lambda job: positions[job.id])
    order = []
    while (job := queue.claim("host:1")) is not None:
        order.append(job.input["text"])
    assert order == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]
    assert [job.input["text"] for job in foretold] == order
    assert sorted(positions.values()) == list(range(7))


def test_who_was_served_last_waits_for_the_others(queue, add):
    add("anna", "a0")
    assert queue.claim("host:1").input["text"] == "a0"
    add("anna", "a1")
    add("ben", "b0")
    assert queue.claim("host:1").input["text"] == "b0"


def test_an_expired_lease_gives_the_job_to_another_worker_and_not_back(queue, add):
    add()
    first = queue.claim("host:1")
    _expire(queue, first.id)
    second = queue.claim("host:2")
    assert second.id == first.id and second.num_claims == 2
    assert queue.renew(first) == "lost"
    assert not queue.finish(first, "failed")
    assert queue.renew(second) == "go"
    assert queue.finish(second, "succeeded")


def test_progress_is_seen_and_renews_the_lease(queue, add):
    add()
    job = queue.claim("host:1")
    _expire(queue, job.id)
    queue.renew(job, {"stage": "decode", "done": 5, "total": 20, "seconds_left": 3.0})
    found = queue.get("anna", job.id)
    assert (found.stage, found.percent, found.seconds_left) == ("decode", 25.0, 3.0)
    assert found.version > job.version
    assert queue.claim("host:2") is None


def test_an_interrupted_job_goes_on_before_others_begin(queue, add):
    interrupted = add("anna", "a0")
    queue.claim("host:1")
    add("ben", "b0")
    assert queue.release("host:1") == [interrupted.id]
    assert queue.claim("host:1").input["text"] == "a0"


def test_a_job_that_crashes_its_worker_again_and_again_is_given_up(queue, add):
    job = add()
    for _ in range(MAX_CRASHES):
        assert queue.claim("host:1").id == job.id
        queue.release("host:1")
    found = queue.get("anna", job.id)
    assert found.status == "failed" and found.error["code"] == "worker_died"
    assert queue.claim("host:1") is None


def test_crashes_between_finished_windows_and_kills_do_not_count_against_a_job(queue, add):
    job = add()
    for number in range(3 * MAX_CRASHES):
        claimed = queue.claim("host:1")
        if number % 2:
            queue.renew(claimed, {"stage": "decode", "done": number, "total": 100,
                                  "seconds_left": None})  # fmt: skip
        queue.release("host:1", crashed=number % 2 == 1)
    assert queue.get("anna", job.id).status == "queued"


def test_cancel_ends_a_waiting_job_at_once_and_tells_the_worker_of_a_running_one(queue, add):
    waiting, running = add(), None
    assert queue.cancel("anna", waiting.id).status == "canceled"
    add()
    running = queue.claim("host:1")
    assert queue.cancel("anna", running.id).status == "running"
    assert queue.renew(running) == "cancel"
    queue.release("host:1")
    assert queue.get("anna", running.id).status == "canceled"
    assert queue.cancel("anna", running.id).status == "canceled"


def test_the_same_key_gives_the_same_job_and_another_request_is_refused(queue):
    new = NewJob("anna", "speak", {"text": "a"}, idempotency_key="k")
    job, is_new = queue.submit(new)
    again, is_new_again = queue.submit(NewJob("anna", "speak", {"text": "a"}, idempotency_key="k"))
    assert (is_new, is_new_again, again.id) == (True, False, job.id)
    with pytest.raises(RequestError, match="another request") as refused:
        queue.submit(NewJob("anna", "speak", {"text": "b"}, idempotency_key="k"))
    assert refused.value.status == 409
    other, _ = queue.submit(NewJob("ben", "speak", {"text": "a"}, idempotency_key="k"))
    assert other.id != job.id


def test_a_full_queue_says_when_to_come_again(queue, add):
    small = JobQueue(queue.database, Limits(queued_per_user=2, queued=3))
    for _ in range(2):
        small.submit(NewJob("anna", "speak", {"text": "x"}))
    with pytest.raises(RequestError, match="you have 2 jobs") as refused:
        small.submit(NewJob("anna", "speak", {"text": "x"}))
    assert refused.value.status == 429
    assert refused.value.retry_after_s == 60
    small.finish(small.claim("host:1"), "succeeded")
    small.submit(NewJob("anna", "speak", {"text": "x"}))
    with pytest.raises(RequestError) as refused:
        small.submit(NewJob("anna", "speak", {"text": "x"}))
    assert refused.value.retry_after_s == 5  # jobs are quick here
    small.submit(NewJob("ben", "speak", {"text": "x"}))
    with pytest.raises(RequestError, match="queue is full"):
        small.submit(NewJob("cleo", "speak", {"text": "x"}))


def test_users_do_not_reach_each_others_jobs(queue, add):
    job = add("anna")
    for action in (queue.get, queue.cancel, queue.delete):
        with pytest.raises(RequestError) as refused:
            action("ben", job.id)
        assert refused.value.status == 404
    assert queue.list("ben") == []
    assert queue.list("ben", before=job.id) == []


def test_a_running_job_is_not_deleted_and_an_ended_one_is_with_its_log(queue, add):
    job = add()
    running = queue.claim("host:1")
    with pytest.raises(RequestError, match="runs"):
        queue.delete("anna", job.id)
    queue.log.add(job.id, [("info", "line")])
    queue.finish(running, "succeeded")
    queue.delete("anna", job.id)
    assert queue.log.read(job.id) == [] and queue.list("anna") == []


def test_lists_are_paged_and_filtered(queue, add):
    ids = [add().id for _ in range(5)]
    queue.claim("host:1")
    assert [job.id for job in queue.list("anna", limit=2)] == ids[:2:-1]
    assert [job.id for job in queue.list("anna", before=ids[3])] == ids[2::-1]
    assert [job.id for job in queue.list("anna", status="running")] == [ids[0]]


def test_jobs_are_removed_when_their_time_has_passed(queue, add):
    brief = JobQueue(queue.database, Limits(keep_s=-1))
    add()
    kept = add()
    brief.finish(brief.claim("host:1"), "succeeded")
    assert len(brief.remove_expired()) == 1
    assert [job.id for job in queue.list("anna")] == [kept.id]


def test_a_webhook_is_due_once_in_the_transaction_of_the_end(queue):
    webhook = {"url": "https://example.com/", "events": ["completed"]}
    queue.submit(NewJob("anna", "speak", {"text": "x"}, webhook=webhook))
    job = queue.claim("host:1")
    queue.finish(job, "succeeded")
    queue.finish(job, "succeeded")
    with queue.database.read() as connection:
        rows = connection.execute(sql.select(deliveries)).all()
    assert [(row.job, row.event) for row in rows] == [(job.id, "completed")]


def test_a_queue_opened_again_holds_everything(queue, add):
    job = add()
    again = JobQueue(Database(queue.database.address))
    assert again.get("anna", job.id) == job
    assert again.claim("host:1").id == job.id
    again.database.close()


def test_logs_are_bounded(queue, add, monkeypatch):
    monkeypatch.setattr("skyreels_avatar.apps.jobs.job_log.MAX_LOG_LINES", 5)
    job = add()
    queue.log.add(job.id, [("info", str(n)) for n in range(4)])
    queue.log.add(job.id, [("info", str(n)) for n in range(4, 9)])
    lines = queue.log.read(job.id)
    assert [line.message for line in lines] == ["0", "1", "2", "3", "4"]
    assert queue.log.read(job.id, after=lines[2].sequence) == lines[3:]
    assert queue_module.LEASE_S > 10
