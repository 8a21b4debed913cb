"""Jobs and uploads as clients see them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from skyreels_avatar.apps.jobs.records import QUEUED, Job, LogLine, Upload
from skyreels_avatar.apps.server.state import ServerState

CONTENT_TYPES = {
    ".mp4": "video/mp4", ".jpg": "image/jpeg", ".wav": "audio/wav", ".png": "image/png",
    ".webp": "image/webp", ".gif": "image/gif", ".flac": "audio/flac", ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg", ".webm": "video/webm", ".m4a": "audio/mp4", ".heic": "image/heic",
}  # fmt: skip


def timestamp(seconds: float | None) -> str | None:
    """Return a time in ISO 8601, UTC, to the millisecond."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_json(
    state: ServerState, job: Job, base_url: str, positions: dict[str, int] | None = None
) -> dict[str, Any]:
    """Return a job as JSON.

    Args:
        positions: of waiting jobs in the queue; None = it is looked up.
    """
    if positions is None:
        positions = state.queue.positions([job.id]) if job.status == QUEUED else {}
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "position": positions.get(job.id),
        "stage": job.stage or job.status,
        "percent": job.percent,
        "seconds_left": None if job.seconds_left is None else round(job.seconds_left, 1),
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at),
        "finished_at": timestamp(job.finished_at),
        "expires_at": timestamp(job.expires_at),
        "input": job.input,
        "consent": job.consent,
        "error": job.error,
        "result": _result_json(state, job, base_url),
        "events": f"{base_url}/v1/jobs/{job.id}/events",
    }


def _result_json(state: ServerState, job: Job, base_url: str) -> dict[str, Any] | None:
    if job.result is None:
        return None
    result = dict(job.result)
    for key in ("video", "picture", "audio"):
        if key in result:
            result[key] = file_json(state, job.id, result[key], base_url)
    return result


def file_json(state: ServerState, owner_id: str, name: str, base_url: str) -> dict[str, Any]:
    """Return the signed address of a file, its size and type."""
    path = file_path(state, owner_id, name)
    return {
        "url": state.file_url(base_url, owner_id, name),
        "num_bytes": path.stat().st_size if path.is_file() else 0,
        "content_type": CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
    }


def file_path(state: ServerState, owner_id: str, name: str) -> Any:
    """Return where a file of a job or an upload lies; both names are checked by the caller."""
    if owner_id.startswith("job_"):
        return state.storage.job_folder(owner_id) / name
    return state.storage.root / "uploads" / name


def upload_json(upload: Upload, url: str | None = None) -> dict[str, Any]:
    """Return an upload as JSON."""
    found = {
        "id": upload.id, "kind": upload.kind, "name": upload.name,
        "content_type": upload.content_type, "num_bytes": upload.num_bytes,
        "sha256": upload.sha256, "width": upload.width, "height": upload.height,
        "duration_s": upload.duration_s, "expires_at": timestamp(upload.expires_at), "url": url,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def log_json(line: LogLine) -> dict[str, Any]:
    """Return a line of a log as JSON."""
    return {"time": timestamp(line.time), "level": line.level, "message": line.message}
