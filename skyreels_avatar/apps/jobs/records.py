"""What the queue holds: jobs, uploads, log lines."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from skyreels_avatar.errors import AvatarError

KINDS = ("generate", "retalk", "film", "speak")
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELED = (
    "queued", "running", "succeeded", "failed", "canceled",
)  # fmt: skip
FINAL = (SUCCEEDED, FAILED, CANCELED)


@dataclass(frozen=True)
class Job:
    """One job, as it is in the database.

    Attributes:
        id: cannot be guessed.
        user: whose it is.
        kind: one of `KINDS`.
        status: queued, running, succeeded, failed or canceled.
        input: what was asked for; uploads stand in it by their ids.
        files: by the id of an upload, its copy's name in the job's folder.
        consent: what the user stated about the persons shown and heard.
        dialect: in which form webhooks speak of it.
        webhook: its url, secret and events; None = none.
        version: grows with every change.
        stage, done, total, seconds_left: see `Progress`.
        created_at, started_at, finished_at, expires_at: seconds since 1970, UTC.
        error: code, message and fix.
        result: names of files in the job's folder, and what they are.
        lease: of the worker that has it; another one is given with every claim.
    """

    id: str
    user: str
    kind: str
    status: str
    input: dict[str, Any]
    files: dict[str, str]
    consent: dict[str, Any] | None
    dialect: str
    webhook: dict[str, Any] | None
    version: int
    stage: str
    done: int
    total: int
    seconds_left: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    expires_at: float | None
    error: dict[str, str] | None
    result: dict[str, Any] | None
    cancel_requested: bool
    lease: str | None
    num_claims: int

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL

    @property
    def percent(self) -> float:
        """How much is done, 0 to 100."""
        if self.status == SUCCEEDED:
            return 100.0
        return round(min(99.0, 100 * self.done / self.total), 1) if self.total else 0.0


@dataclass(frozen=True)
class NewJob:
    """What a user submits; see `Job`."""

    user: str
    kind: str
    input: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    consent: dict[str, Any] | None = None
    dialect: str = "v1"
    webhook: dict[str, Any] | None = None
    idempotency_key: str | None = None
    id: str = field(default_factory=lambda: new_id("job"))


@dataclass(frozen=True)
class Upload:
    """A file that a user has sent, checked.

    Attributes:
        kind: "image", "audio" or "video".
        suffix: of its name on disk, given by its content.
    """

    id: str
    user: str
    kind: str
    name: str
    suffix: str
    content_type: str
    num_bytes: int
    sha256: str
    width: int | None
    height: int | None
    duration_s: float | None
    created_at: float
    expires_at: float


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log; `sequence` grows."""

    sequence: int
    time: float
    level: str
    message: str


class RequestError(AvatarError):
    """Report a request that is refused.

    Attributes:
        code: a word for programs, such as "queue_full".
        fix: what to do.
        status: of HTTP.
        retry_after_s: when to come again, where that helps.
        field: of the input that is to be changed, where it is one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        fix: str,
        status: int,
        retry_after_s: float | None = None,
        field: str | None = None,
    ):
        super().__init__(message)
        self.code, self.message, self.fix = code, message, fix
        self.status, self.retry_after_s, self.field = status, retry_after_s, field


def not_found(noun: str) -> RequestError:
    """Return the error of something that is not there, or is somebody else's."""
    return RequestError(
        "not_found", f"there is no such {noun}", "check the id; it may have expired", 404
    )


_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^/\s'\"]+/)+")


def without_folders(text: str) -> str:
    """Return a message in which files stand without the folders that they lie in on this machine.

    Addresses of the web stay as they are.
    """
    return _FOLDERS.sub("", text)


def new_id(prefix: str) -> str:
    """Return an id that cannot be guessed: 128 bits from the system."""
    return f"{prefix}_{secrets.token_hex(16)}"
