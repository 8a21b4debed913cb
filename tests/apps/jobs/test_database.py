"""The database: changes are whole or none, and what cannot be used is said."""

from __future__ import annotations

import sqlite3
import threading

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra serve")

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import Database, turns
from skyreels_avatar.errors import InputError


def test_a_block_that_fails_changes_nothing(queue):
    with pytest.raises(KeyError), queue.database.write() as connection:
        connection.execute(turns.insert().values(user="anna", served=1))
        raise KeyError
    with queue.database.read() as connection:
        assert connection.execute(sql.select(turns)).all() == []


def test_writers_wait_for_each_other(queue):
    with queue.database.write() as connection:
        connection.execute(turns.insert().values(user="anna", served=0))

    def count():
        for _ in range(20):
            with queue.database.write() as connection:
                served = connection.execute(sql.select(turns.c.served)).scalar()
                connection.execute(turns.update().values(served=served + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with queue.database.read() as connection:
        assert connection.execute(sql.select(turns.c.served)).scalar() == 80


def test_sqlite_keeps_a_write_ahead_log(queue, tmp_path):
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite3") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "is an address like"),
        ("sqlite:////no/such/folder/jobs.sqlite3", "cannot be used"),
        ("oracle+nothing://host/name", "oracle"),
    ],
)
def test_an_address_that_cannot_be_used_is_said(address, said):
    with pytest.raises(InputError, match=said):
        Database(address)


def test_a_database_of_another_version_is_refused(queue):
    with queue.database.write() as connection:
        connection.execute(sql.text("UPDATE schema_version SET version = 99"))
    with pytest.raises(InputError, match="another version"):
        Database(queue.database.address)
