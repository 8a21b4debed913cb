"""The tables of the queue, in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyreels_avatar.errors import InputError, MissingExtraError

try:
    import sqlalchemy as sql
except ImportError as error:
    raise MissingExtraError("sqlalchemy", "serve") from error

SCHEMA_VERSION = 1
_BUSY_S = 30.0

metadata = sql.MetaData()

_SEQUENCE = sql.BigInteger().with_variant(sql.Integer, "sqlite")

versions = sql.Table("schema_version", metadata, sql.Column("version", sql.Integer))

jobs = sql.Table(
    "jobs",
    metadata,
    sql.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sql.Column("id", sql.String(64), nullable=False, unique=True),
    sql.Column("user", sql.String(100), nullable=False),
    sql.Column("kind", sql.String(20), nullable=False),
    sql.Column("status", sql.String(20), nullable=False),
    sql.Column("input", sql.JSON(none_as_null=True), nullable=False),
    sql.Column(
        "files", sql.JSON(none_as_null=True), nullable=False
    ),  # name of an upload -> path in the job's folder
    sql.Column("consent", sql.JSON(none_as_null=True)),
    sql.Column("dialect", sql.String(20), nullable=False, default="v1"),
    sql.Column("webhook", sql.JSON(none_as_null=True)),
    sql.Column("idempotency_key", sql.String(255)),
    sql.Column("request_hash", sql.String(64)),
    sql.Column("version", sql.Integer, nullable=False, default=1),  # grows with every change
    sql.Column("stage", sql.String(40), nullable=False, default=""),
    sql.Column("done", sql.Integer, nullable=False, default=0),
    sql.Column("total", sql.Integer, nullable=False, default=0),
    sql.Column("seconds_left", sql.Float),
    sql.Column("created_at", sql.Float, nullable=False),
    sql.Column("started_at", sql.Float),
    sql.Column("finished_at", sql.Float),
    sql.Column("expires_at", sql.Float),
    sql.Column("error", sql.JSON(none_as_null=True)),
    sql.Column("result", sql.JSON(none_as_null=True)),
    sql.Column("cancel_requested", sql.Boolean, nullable=False, default=False),
    sql.Column("lease", sql.String(64)),  # a new one with every claim
    sql.Column("worker", sql.String(200)),
    sql.Column("lease_until", sql.Float),
    sql.Column("num_claims", sql.Integer, nullable=False, default=0),
    sql.Column("num_crashes", sql.Integer, nullable=False, default=0),  # without progress between
    sql.Column("num_kills", sql.Integer, nullable=False, default=0),
    sql.Column("done_at_claim", sql.Integer, nullable=False, default=0),
    sql.UniqueConstraint("user", "idempotency_key"),
    sql.Index("jobs_by_status", "status", "sequence"),
    sql.Index("jobs_by_user", "user", "sequence"),
)

logs = sql.Table(
    "job_logs",
    metadata,
    sql.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sql.Column("job", sql.String(64), nullable=False),
    sql.Column("time", sql.Float, nullable=False),
    sql.Column("level", sql.String(10), nullable=False),
    sql.Column("message", sql.Text, nullable=False),
    sql.Index("logs_by_job", "job", "sequence"),
)

uploads = sql.Table(
    "uploads",
    metadata,
    sql.Column("id", sql.String(64), primary_key=True),
    sql.Column("user", sql.String(100), nullable=False),
    sql.Column("kind", sql.String(10), nullable=False),
    sql.Column("name", sql.String(255), nullable=False),
    sql.Column("suffix", sql.String(10), nullable=False),
    sql.Column("content_type", sql.String(100), nullable=False),
    sql.Column("num_bytes", sql.BigInteger, nullable=False),
    sql.Column("sha256", sql.String(64), nullable=False),
    sql.Column("width", sql.Integer),
    sql.Column("height", sql.Integer),
    sql.Column("duration_s", sql.Float),
    sql.Column("created_at", sql.Float, nullable=False),
    sql.Column("expires_at", sql.Float, nullable=False),
    sql.Index("uploads_by_user", "user"),
)

# When each user was last served: the next is the one who has waited longest.
turns = sql.Table(
    "turns",
    metadata,
    sql.Column("user", sql.String(100), primary_key=True),
    sql.Column("served", _SEQUENCE, nullable=False),
)

deliveries = sql.Table(
    "webhook_deliveries",
    metadata,
    sql.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    sql.Column("id", sql.String(64), nullable=False, unique=True),
    sql.Column("job", sql.String(64), nullable=False),
    sql.Column("event", sql.String(40), nullable=False),
    sql.Column("num_attempts", sql.Integer, nullable=False, default=0),
    sql.Column("next_at", sql.Float),  # None: delivered, or given up
    sql.Column("last_error", sql.Text),
    sql.Index("deliveries_due", "next_at"),
)


class Database:
    """A connection to the queue's tables, which are made if they are not there.

    Args:
        address: `sqlite:///file` or `postgresql+psycopg://user@host/name`.

    Raises:
        InputError: the database cannot be used.
    """

    def __init__(self, address: str):
        self.address = address
        try:
            url = sql.make_url(address)
        except sql.exc.ArgumentError as error:
            raise InputError(
                "the database is an address like sqlite:///jobs.sqlite3 or "
                f"postgresql+psycopg://user@host/name, got {address!r}"
            ) from error
        self.is_sqlite = url.get_backend_name() == "sqlite"
        try:
            self._engine = sql.create_engine(
                url, connect_args={"timeout": _BUSY_S} if self.is_sqlite else {}, pool_pre_ping=True
            )
            if self.is_sqlite:
                sql.event.listen(self._engine, "connect", _set_up_sqlite)
                sql.event.listen(self._engine, "begin", _begin_sqlite)
            with self.write() as connection:
                metadata.create_all(connection)
                _check_version(connection)
        except ModuleNotFoundError as error:
            raise InputError(
                f"the database {url.get_backend_name()} needs the package {error.name}; install it"
            ) from error
        except (sql.exc.DBAPIError, sql.exc.NoSuchModuleError) as error:
            reason = str(getattr(error, "orig", error)).splitlines()[0]
            raise InputError(
                f"the database {url.render_as_string()} cannot be used: {reason}"
            ) from error

    @classmethod
    def in_folder(cls, folder: Path) -> Database:
        """Return the SQLite database of a data folder."""
        return cls(f"sqlite:///{folder / 'jobs.sqlite3'}")

    @contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """Yield a connection that sees one state of the database."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sql.Connection]:
        """Yield a connection whose changes are all kept when the block ends, or none of them."""
        connecting = self._engine.connect().execution_options(writes=True)
        with connecting as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _set_up_sqlite(connection, _) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # what was answered survives a loss of power
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: sql.Connection) -> None:
    # A transaction that reads first and writes later would fail where another has written between.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check_version(connection: sql.Connection) -> None:
    found = connection.execute(sql.select(versions.c.version)).scalar()
    if found is None:
        connection.execute(versions.insert().values(version=SCHEMA_VERSION))
    elif found != SCHEMA_VERSION:
        raise InputError(
            f"the database was made by another version (schema {found}, this one has "
            f"{SCHEMA_VERSION}); give another data folder"
        )
