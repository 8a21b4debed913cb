"""Files on their way into the storage: looked at, named, kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from skyreels_avatar.apps.jobs.limits import MEGABYTE, Limits
from skyreels_avatar.apps.jobs.probe import probe_file
from skyreels_avatar.apps.jobs.records import RequestError, Upload, new_id
from skyreels_avatar.apps.jobs.storage import Storage
from skyreels_avatar.media.files import existing_file


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file before anybody has looked into it.

    Attributes:
        name: as the user calls it.
        upload_id: the id that it gets; None = a new one.
    """

    user: str
    name: str
    num_bytes: int
    sha256: str
    upload_id: str | None = None


def keep_file(storage: Storage, limits: Limits, incoming: Path, facts: FileFacts) -> Upload:
    """Look at a file by its content, and move it into the storage.

    Raises:
        RequestError: it is nothing that can be used.
    """
    found = probe_file(incoming, limits)
    now = time.time()
    upload = Upload(
        facts.upload_id or new_id("file"), facts.user, found.kind,
        _plain_name(facts.name, found.suffix), found.suffix, found.content_type, facts.num_bytes,
        facts.sha256, found.width, found.height, found.duration_s, now, now + limits.upload_keep_s,
    )  # fmt: skip
    storage.add(upload, incoming)
    return upload


def import_file(storage: Storage, limits: Limits, user: str, path: str | Path) -> Upload:
    """Copy a file of this machine into the storage.

    Raises:
        InputError: there is no such file.
        RequestError: it is too large, or nothing that can be used.
    """
    source = existing_file(path, "file").absolute()
    if source.stat().st_size > limits.upload_mb * MEGABYTE:
        raise RequestError(
            "too_large", f"{source.name} is larger than {limits.upload_mb:.0f} MB",
            "give a smaller one", 413,
        )  # fmt: skip
    incoming = storage.incoming / secrets.token_hex(16)
    try:
        shutil.copyfile(source, incoming)
        with incoming.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
        size = incoming.stat().st_size
        facts = FileFacts(user, source.name, size, digest.hexdigest())
        return keep_file(storage, limits, incoming, facts)
    finally:
        incoming.unlink(missing_ok=True)


def _plain_name(name: str, suffix: str) -> str:
    """Return a name without folders and control characters."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[\x00-\x1f\x7f]", "", last).strip()[:255] or f"upload{suffix}"
