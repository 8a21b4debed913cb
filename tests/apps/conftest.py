"""What tests of the queue and the server share; they are skipped where the extra is not there."""

from __future__ import annotations

import pytest


@pytest.fixture
def queue(tmp_path):
    """Return an empty queue in a data folder of its own."""
    from skyreels_avatar.apps.jobs.database import Database
    from skyreels_avatar.apps.jobs.queue import JobQueue
    from skyreels_avatar.apps.jobs.storage import make_data_folder

    make_data_folder(tmp_path / "data")
    database = Database.in_folder(tmp_path / "data")
    yield JobQueue(database)
    database.close()


@pytest.fixture
def storage(tmp_path, queue):
    """Return the storage of the queue's data folder."""
    from skyreels_avatar.apps.jobs.storage import Storage

    return Storage(tmp_path / "data", queue.database)


@pytest.fixture
def add(queue):
    """Return a function that submits a job that speaks a text."""
    from skyreels_avatar.apps.jobs.records import NewJob

    def submit(user="anna", text="hello", **values):
        return queue.submit(NewJob(user, "speak", {"text": text}, **values))[0]

    return submit
