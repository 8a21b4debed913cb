"""The logs of jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import Database, logs
from skyreels_avatar.apps.jobs.records import LogLine

MAX_LOG_LINES = 2000  # of one job
_MAX_LETTERS = 2000


class JobLog:
    """Lines of the logs of all jobs."""

    def __init__(self, database: Database):
        self._database = database

    def add(self, job_id: str, lines: Sequence[tuple[str, str]]) -> None:
        """Append (level, message) lines to a job's log; beyond its limit they are dropped."""
        with self._database.write() as connection:
            add_lines(connection, job_id, lines)

    def read(self, job_id: str, after: int = 0, limit: int = MAX_LOG_LINES) -> list[LogLine]:
        """Return the lines of a job's log that follow a sequence number."""
        columns = logs.c.sequence, logs.c.time, logs.c.level, logs.c.message
        query = sql.select(*columns).where(logs.c.job == job_id, logs.c.sequence > after)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(logs.c.sequence).limit(limit))
            return [LogLine(*row) for row in rows]


def add_lines(connection: sql.Connection, job_id: str, lines: Sequence[tuple[str, str]]) -> None:
    """Append lines to a log within a transaction."""
    query = sql.select(sql.func.count()).where(logs.c.job == job_id)
    room = max(0, MAX_LOG_LINES - connection.execute(query).scalar())
    now = time.time()
    rows = [
        {"job": job_id, "time": now, "level": level, "message": message[:_MAX_LETTERS]}
        for level, message in lines[:room]
    ]
    if rows:
        connection.execute(logs.insert(), rows)
