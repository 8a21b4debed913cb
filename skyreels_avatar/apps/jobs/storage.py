"""The data folder: uploads, and a folder of its own for every job.

DATA/jobs.sqlite3       the queue, unless a database is named
DATA/secret.key         signs addresses of files
DATA/uploads/ID.png     checked uploads
DATA/incoming/          uploads on their way
DATA/jobs/ID/           copies of a job's uploads, its work folder, what it makes
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sql

from skyreels_avatar.apps.jobs.database import Database, uploads
from skyreels_avatar.apps.jobs.records import RequestError, Upload, not_found
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.files import atomic_write

_STALE_S = 3600.0
_COLUMNS = [uploads.c[name] for name in Upload.__dataclass_fields__]


def default_data_folder() -> Path:
    """Return where a server of this user keeps its jobs unless told otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "skyreels-avatar" / "server"


class Storage:
    """Files of uploads and jobs, and the table of uploads.

    Raises:
        InputError: the folder cannot be made or written.
    """

    def __init__(self, root: Path, database: Database):
        self.root, self._database = root, database
        self.incoming = root / "incoming"

    def upload_path(self, upload: Upload) -> Path:
        """Return where the file of an upload is."""
        return self.root / "uploads" / f"{upload.id}{upload.suffix}"

    def job_folder(self, job_id: str) -> Path:
        """Return the folder of a job."""
        return self.root / "jobs" / job_id

    def add(self, upload: Upload, incoming: Path) -> None:
        """Keep a file that has been checked; it is moved.

        Raises:
            RequestError: there is an upload of that id already.
        """
        try:
            with self._database.write() as connection:
                connection.execute(uploads.insert().values(**vars(upload)))
                os.replace(incoming, self.upload_path(upload))
        except sql.exc.IntegrityError as error:
            raise RequestError(
                "exists", "there is a file at this address already", "ask for another address", 409
            ) from error

    def upload(self, user: str, upload_id: str) -> Upload:
        """Return an upload of a user.

        Raises:
            RequestError: there is none of that id.
        """
        query = sql.select(*_COLUMNS).where(uploads.c.id == upload_id, uploads.c.user == user)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise not_found(f"upload {upload_id[:80]!r}")
        return Upload(**row._mapping)

    def used_bytes(self, user: str) -> int:
        """Return how much the uploads of a user take."""
        query = sql.select(sql.func.sum(uploads.c.num_bytes)).where(uploads.c.user == user)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar() or 0)

    def copy_inputs(
        self, job_id: str, found: Mapping[str, Upload], with_suffix: bool = True
    ) -> dict[str, str]:
        """Copy the uploads of a job into its folder; return their names there by their ids.

        The job keeps them though the uploads expire. They are not links: a link that is made or
        removed elsewhere changes the file's times, and a run refuses files that change under it.
        """
        folder = self.job_folder(job_id)
        folder.mkdir(parents=True, exist_ok=True)
        names = {}
        for upload_id, upload in found.items():
            names[upload_id] = f"{upload_id}{upload.suffix}" if with_suffix else upload_id
            with atomic_write(folder / names[upload_id]) as partial:
                shutil.copyfile(self.upload_path(upload), partial)
        return names

    def remove_job(self, job_id: str) -> None:
        """Remove the folder of a job."""
        shutil.rmtree(self.job_folder(job_id), ignore_errors=True)

    def remove_upload(self, upload: Upload) -> None:
        """Remove an upload."""
        with self._database.write() as connection:
            connection.execute(uploads.delete().where(uploads.c.id == upload.id))
        for path in (self.root / "uploads").glob(f"{upload.id}*"):
            path.unlink(missing_ok=True)

    def remove_expired(self) -> int:
        """Remove uploads whose time has passed; return how many."""
        query = sql.select(*_COLUMNS).where(uploads.c.expires_at < time.time())
        with self._database.read() as connection:
            expired = [Upload(**row._mapping) for row in connection.execute(query.limit(500))]
        for upload in expired:
            self.remove_upload(upload)
        return len(expired)

    def remove_orphans(self, job_ids: set[str]) -> None:
        """Remove what a server that was killed left half done: folders without a job, old parts."""
        before = time.time() - _STALE_S
        for folder in (self.root / "jobs").iterdir():
            if folder.name not in job_ids and folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)
        for part in self.incoming.iterdir():
            if part.stat().st_mtime < before:
                part.unlink(missing_ok=True)


def make_data_folder(root: Path) -> None:
    """Make a data folder that only this user can read.

    Raises:
        InputError: it cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("uploads", "incoming", "jobs"):
            (root / name).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"cannot make the data folder {root}: {error}") from error


def read_secret(root: Path) -> bytes:
    """Return the key that signs addresses; it is made once, readable by this user alone."""
    path = root / "secret.key"
    if not path.exists():
        with atomic_write(path) as partial:
            partial.touch(mode=0o600)
            partial.write_text(secrets.token_hex(32), encoding="ascii")
            if path.exists():  # another process was faster
                return bytes.fromhex(path.read_text(encoding="ascii"))
    return bytes.fromhex(path.read_text(encoding="ascii"))
