"""The queue of jobs: submit, claim, report, finish, cancel, delete.

A worker that claims a job gets a lease, which it renews while it works. What it reports counts only
while the lease is its own: a worker that was frozen and comes back cannot overwrite another's work.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import Database, deliveries, jobs, logs
from skyreels_avatar.apps.jobs.job_log import JobLog, add_lines
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.records import (
    CANCELED,
    FAILED,
    FINAL,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Job,
    NewJob,
    RequestError,
    new_id,
    not_found,
)
from skyreels_avatar.apps.jobs.turns import take_turn, waiting_jobs

LEASE_S = 30.0
MAX_CRASHES = 3
MAX_KILLS = 50
_JOB_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]
_GUESSED_JOB_S = 60.0


class JobQueue:
    """Jobs in a database, shared by any number of servers and workers."""

    def __init__(self, database: Database, limits: Limits | None = None):
        self.database, self.limits = database, limits or Limits()
        self.log = JobLog(database)

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Add a job; return it, and whether it is new.

        A key of the user's that was used before returns the job of that time.

        Raises:
            RequestError: too many jobs wait, or the key was used for another request.
        """
        try:
            return self._submit(new)
        except sql.exc.IntegrityError:  # another server has just used the same key
            return self._submit(new)

    def _submit(self, new: NewJob) -> tuple[Job, bool]:
        request_hash = _hash_of(new)
        with self.database.write() as connection:
            if new.idempotency_key is not None:
                query = sql.select(*_JOB_COLUMNS, jobs.c.request_hash).where(
                    jobs.c.user == new.user, jobs.c.idempotency_key == new.idempotency_key
                )
                if (row := connection.execute(query).one_or_none()) is not None:
                    return _same_job(row, request_hash), False
            self._check_room(connection, new.user)
            connection.execute(
                jobs.insert().values(
                    id=new.id, user=new.user, kind=new.kind, status=QUEUED, input=new.input,
                    files=new.files, consent=new.consent, dialect=new.dialect, webhook=new.webhook,
                    idempotency_key=new.idempotency_key, request_hash=request_hash,
                    created_at=time.time(),
                )
            )  # fmt: skip
            _notify(connection, new.id, new.webhook, "start")
            return _read(connection, new.id), True

    def claim(self, worker: str) -> Job | None:
        """Return a job whose turn it is, for this worker alone, or None.

        Jobs that were interrupted come first; then one job of each user in turn.

        Args:
            worker: its name, with which `release` finds what it had.
        """
        now = time.time()
        with self.database.write() as connection:
            self._free_expired(connection, now)
            waiting, order = waiting_jobs()
            query = sql.select(waiting).order_by(*order).limit(1)
            while (found := connection.execute(query).first()) is not None:
                claimed = connection.execute(
                    jobs.update()
                    .where(jobs.c.id == found.id, jobs.c.status == QUEUED)
                    .values(
                        status=RUNNING,
                        started_at=sql.func.coalesce(jobs.c.started_at, now),
                        lease=secrets.token_hex(16),
                        worker=worker,
                        lease_until=now + LEASE_S,
                        num_claims=jobs.c.num_claims + 1,
                        done_at_claim=jobs.c.done,
                        stage="start",
                        version=jobs.c.version + 1,
                    )
                )
                if claimed.rowcount:
                    if found.num_claims == 0:
                        take_turn(connection, found.user)
                    return _read(connection, found.id)
        return None

    def renew(self, job: Job, progress: dict[str, Any] | None = None) -> str:
        """Keep a job for another while; return "go", "cancel", or "lost" if it is another's.

        Args:
            progress: stage, done, total and seconds_left, where they have changed.
        """
        values: dict[str, Any] = {"lease_until": time.time() + LEASE_S}
        if progress is not None:
            values |= progress | {"version": jobs.c.version + 1}
        with self.database.write() as connection:
            kept = connection.execute(jobs.update().where(*_held(job)).values(**values))
            if not kept.rowcount:
                return "lost"
            asked = sql.select(jobs.c.cancel_requested).where(jobs.c.id == job.id)
            return "cancel" if connection.execute(asked).scalar() else "go"

    def finish(
        self,
        job: Job,
        status: str,
        result: dict[str, Any] | None = None,
        error: dict[str, str] | None = None,
    ) -> bool:
        """End a job; return whether this worker still had it."""
        with self.database.write() as connection:
            return self._end(connection, sql.and_(*_held(job)), job.id, status, result, error)

    def give_back(self, job: Job) -> None:
        """Let another worker go on with a job, as when this one is asked to stop."""
        with self.database.write() as connection:
            connection.execute(jobs.update().where(*_held(job)).values(**_queued_again()))

    def release(self, worker: str, crashed: bool = True) -> list[str]:
        """Free what a worker that is gone had; return the ids of its jobs.

        A job whose workers crash three times without a window finished between them is given up.

        Args:
            crashed: the worker ended by itself, as by a fault of memory; False: somebody killed
                it, which a job may suffer more often.
        """
        count = jobs.c.num_crashes if crashed else jobs.c.num_kills
        most = MAX_CRASHES if crashed else MAX_KILLS
        with self.database.write() as connection:
            query = sql.select(jobs).where(jobs.c.worker == worker, jobs.c.status == RUNNING)
            found = connection.execute(query).all()
            for row in found:
                before = 0 if row.done > row.done_at_claim else getattr(row, count.name)
                if before + 1 >= most:
                    self._end(connection, jobs.c.id == row.id, row.id, FAILED, None, _WORKER_DIED)
                elif row.cancel_requested:
                    self._end(connection, jobs.c.id == row.id, row.id, CANCELED, None, None)
                else:
                    again = {**_queued_again(), count.name: before + 1}
                    connection.execute(jobs.update().where(jobs.c.id == row.id).values(**again))
                    add_lines(
                        connection, row.id, [("warning", "the worker ended; the job goes on")]
                    )
            return [row.id for row in found]

    def running(self) -> dict[str, str]:
        """Return, by the ids of running jobs, the names of their workers."""
        query = sql.select(jobs.c.id, jobs.c.worker).where(jobs.c.status == RUNNING)
        with self.database.read() as connection:
            return {row.id: row.worker for row in connection.execute(query)}

    def cancel(self, user: str, job_id: str) -> Job:
        """Stop a job: at once if it waits, within seconds if it runs; return it.

        Raises:
            RequestError: there is no such job of this user.
        """
        with self.database.write() as connection:
            job = _read(connection, job_id, user)
            if job.status == QUEUED:
                self._end(connection, jobs.c.id == job_id, job_id, CANCELED, None, None)
            elif job.status == RUNNING:
                connection.execute(
                    jobs.update()
                    .where(jobs.c.id == job_id)
                    .values(cancel_requested=True, version=jobs.c.version + 1)
                )
            return _read(connection, job_id)

    def delete(self, user: str, job_id: str) -> Job:
        """Remove a job that has ended, or waits, and its log; return what it was.

        Raises:
            RequestError: there is no such job of this user, or it runs.
        """
        with self.database.write() as connection:
            job = _read(connection, job_id, user)
            if job.status == RUNNING:
                raise RequestError(
                    "job_runs", "the job runs", "cancel it, and delete it when it has ended", 409
                )
            _remove(connection, [job_id])
            return job

    def get(self, user: str, job_id: str) -> Job:
        """Return a job of a user.

        Raises:
            RequestError: there is none of that id.
        """
        with self.database.read() as connection:
            return _read(connection, job_id, user)

    def find(self, job_id: str) -> Job | None:
        """Return a job, whosever it is; None if it is gone."""
        with self.database.read() as connection:
            row = connection.execute(sql.select(*_JOB_COLUMNS).where(jobs.c.id == job_id)).first()
            return None if row is None else _job(row)

    def list(
        self, user: str, status: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[Job]:
        """Return jobs of a user, the newest first.

        Args:
            before: the id of a job; those that came before it.
        """
        query = sql.select(*_JOB_COLUMNS).where(jobs.c.user == user)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if before is not None:
            place = sql.select(jobs.c.sequence).where(jobs.c.id == before, jobs.c.user == user)
            query = query.where(jobs.c.sequence < place.scalar_subquery())
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(jobs.c.sequence.desc()).limit(limit))
            return [_job(row) for row in rows]

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the places of waiting jobs in the queue; 0 is the next one."""
        if not ids:
            return {}
        waiting, order = waiting_jobs()
        place = sql.func.row_number().over(order_by=order).label("place")
        ordered = sql.select(waiting.c.id, place).subquery()
        query = sql.select(ordered.c.id, ordered.c.place).where(ordered.c.id.in_(ids))
        with self.database.read() as connection:
            return {row.id: row.place - 1 for row in connection.execute(query)}

    def remove_expired(self) -> list[str]:
        """Remove the jobs whose time has passed; return their ids."""
        query = sql.select(jobs.c.id).where(
            jobs.c.status.in_(FINAL), jobs.c.expires_at < time.time()
        )
        with self.database.write() as connection:
            ids = list(connection.execute(query.limit(500)).scalars())
            _remove(connection, ids)
            return ids

    def all_ids(self) -> set[str]:
        """Return the ids of all jobs."""
        with self.database.read() as connection:
            return set(connection.execute(sql.select(jobs.c.id)).scalars())

    def _check_room(self, connection: sql.Connection, user: str) -> None:
        open_jobs = sql.select(sql.func.count()).where(jobs.c.status.in_((QUEUED, RUNNING)))
        own = connection.execute(open_jobs.where(jobs.c.user == user)).scalar()
        if own >= self.limits.queued_per_user:
            message = f"you have {own} jobs that wait or run, and may have no more"
            raise _queue_full(message, _usual_s(connection))
        everyone = connection.execute(open_jobs).scalar()
        if everyone >= self.limits.queued:
            raise _queue_full(f"the queue is full: {everyone} jobs", _usual_s(connection))

    def _free_expired(self, connection: sql.Connection, now: float) -> None:
        """Queue again what workers had that no longer renew their leases."""
        gone = jobs.c.status == RUNNING, jobs.c.lease_until < now
        query = sql.select(jobs.c.id).where(*gone, jobs.c.cancel_requested)
        for job_id in connection.execute(query).scalars().all():
            self._end(connection, jobs.c.id == job_id, job_id, CANCELED, None, None)
        connection.execute(jobs.update().where(*gone).values(**_queued_again()))

    def _end(
        self,
        connection: sql.Connection,
        where: Any,
        job_id: str,
        status: str,
        result: dict[str, Any] | None,
        error: dict[str, str] | None,
    ) -> bool:
        now = time.time()
        ended = connection.execute(
            jobs.update()
            .where(where)
            .values(
                status=status, result=result, error=error, finished_at=now,
                expires_at=now + self.limits.keep_s, lease=None, lease_until=None,
                seconds_left=None, stage=status, version=jobs.c.version + 1,
            )
        )  # fmt: skip
        if ended.rowcount:
            query = sql.select(jobs.c.webhook).where(jobs.c.id == job_id)
            _notify(connection, job_id, connection.execute(query).scalar(), "completed")
        return bool(ended.rowcount)


_WORKER_DIED = {
    "code": "worker_died",
    "message": "the worker of this job ended three times without getting on",
    "fix": "give a smaller size or a shorter sound; if that does not help, another picture",
}


def _hash_of(new: NewJob) -> str:
    text = json.dumps([new.kind, new.input, new.dialect], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _same_job(row: Any, request_hash: str) -> Job:
    if row.request_hash != request_hash:
        raise RequestError(
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request",
            "give every new request a key of its own",
            409,
        )
    return _job(row)


def _queue_full(message: str, after_s: float) -> RequestError:
    fix = f"come again in {after_s:.0f} seconds, when some are done"
    return RequestError("queue_full", message, fix, 429, after_s)


def _usual_s(connection: sql.Connection) -> float:
    """Return how long the latest jobs ran, on the average."""
    ran_s = (jobs.c.finished_at - jobs.c.started_at).label("ran_s")
    latest = sql.select(ran_s).where(jobs.c.status == SUCCEEDED)
    latest = latest.order_by(jobs.c.sequence.desc()).limit(20).subquery()
    usual = connection.execute(sql.select(sql.func.avg(latest.c.ran_s))).scalar()
    return _GUESSED_JOB_S if usual is None else min(3600.0, max(5.0, float(usual)))


def _held(job: Job) -> tuple[Any, ...]:
    return jobs.c.id == job.id, jobs.c.status == RUNNING, jobs.c.lease == job.lease


def _queued_again() -> dict[str, Any]:
    return {
        "status": QUEUED, "lease": None, "lease_until": None, "seconds_left": None,
        "stage": "queued again", "version": jobs.c.version + 1,
    }  # fmt: skip


def _notify(
    connection: sql.Connection, job_id: str, webhook: dict[str, Any] | None, event: str
) -> None:
    """Note that a webhook is to be called, in the transaction of the change that it tells of."""
    if webhook is None or event not in webhook.get("events", ("completed",)):
        return
    connection.execute(
        deliveries.insert().values(id=new_id("msg"), job=job_id, event=event, next_at=time.time())
    )


def _remove(connection: sql.Connection, ids: Sequence[str]) -> None:
    connection.execute(jobs.delete().where(jobs.c.id.in_(ids)))
    for table in (logs, deliveries):
        connection.execute(table.delete().where(table.c.job.in_(ids)))


def _read(connection: sql.Connection, job_id: str, user: str | None = None) -> Job:
    query = sql.select(*_JOB_COLUMNS).where(jobs.c.id == job_id)
    row = connection.execute(query).one_or_none()
    if row is None or (user is not None and row.user != user):
        raise not_found("job")
    return _job(row)


def _job(row: Any) -> Job:
    values = row._mapping
    return Job(**{name: values[name] for name in Job.__dataclass_fields__})
