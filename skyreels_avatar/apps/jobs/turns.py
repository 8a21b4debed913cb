"""Whose job is next: users take turns, and each user's jobs come in the order they were sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import jobs, turns
from skyreels_avatar.apps.jobs.records import QUEUED


def waiting_jobs() -> tuple[sql.Subquery, list[Any]]:
    """Return the waiting jobs, and the order in which they are claimed.

    Interrupted jobs come first. Then the first job of each user comes before the second of any; of
    the first ones, that of the user whose last turn was the longest ago.
    """
    own = sql.func.row_number().over(partition_by=jobs.c.user, order_by=jobs.c.sequence)
    waiting = (
        sql.select(
            jobs.c.id, jobs.c.user, jobs.c.num_claims, jobs.c.sequence, own.label("round"),
            sql.func.coalesce(turns.c.served, 0).label("served"),
        )
        .select_from(jobs.outerjoin(turns, turns.c.user == jobs.c.user))
        .where(jobs.c.status == QUEUED)
        .subquery("waiting")
    )  # fmt: skip
    c = waiting.c
    is_fresh = sql.case((c.num_claims == 0, 1), else_=0)
    return waiting, [is_fresh, c.round, c.served, c.sequence]


def take_turn(connection: sql.Connection, user: str) -> None:
    """Note that a user was served: the others come before the next time."""
    last = connection.execute(sql.select(sql.func.max(turns.c.served))).scalar() or 0
    moved = connection.execute(turns.update().where(turns.c.user == user).values(served=last + 1))
    if not moved.rowcount:
        connection.execute(turns.insert().values(user=user, served=last + 1))
