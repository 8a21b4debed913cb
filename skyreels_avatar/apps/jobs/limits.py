"""How much one user, and all of them, may ask for."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 10**6


@dataclass(frozen=True)
class Limits:
    """Limits of a server.

    Attributes:
        upload_mb: of one file.
        storage_mb: of all files that one user keeps.
        queued_per_user, queued: jobs that wait or run.
        audio_s, video_s: length of one sound, of one video that is retalked.
        picture_px: of one picture.
        shots: of one film.
        text_chars: of a text that is said, or a prompt.
        side_px: longest side of a video.
        job_s: time that a job may run.
        keep_s: how long results stay after the job's end.
        upload_keep_s: how long uploads stay.
        requests_per_minute: of one user.
        streams: event streams that one user may hold open.
    """

    upload_mb: float = 512
    storage_mb: float = 5000
    queued_per_user: int = 100
    queued: int = 1000
    audio_s: float = 600
    video_s: float = 600
    picture_px: int = 64_000_000
    shots: int = 100
    text_chars: int = 5000
    side_px: int = 1920
    job_s: float = 4 * 3600
    keep_s: float = 7 * 86400
    upload_keep_s: float = 86400
    requests_per_minute: int = 600
    streams: int = 32
