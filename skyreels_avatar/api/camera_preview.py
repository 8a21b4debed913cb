"""The public verb `preview_camera`: a picture seen by a moving camera, nobody speaking."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.pipeline.reference_video import write_reference
from skyreels_avatar.progress import OnProgress
from skyreels_avatar.request.camera_spec import CameraLike


def preview_camera(
    image: str | Path,
    camera: CameraLike,
    output: str | Path = "reference.mp4",
    *,
    seconds: float = 4.0,
    size: str | None = None,
    fps: float = 25.0,
    face: str = "auto",
    on_progress: OnProgress | None = None,
) -> int:
    """Write a silent video of a camera move through a picture, and return its number of frames.

    It is what `generate` starts from, so it shows exactly the move of the finished video. No
    network of a tier is loaded.

    Args:
        image: the picture, which shows a face.
        camera: as in `generate`.
        output: an .mp4 file.
        seconds: length of the video, up to ten minutes.
        size, fps, face: as in `generate`.
        on_progress: as in `generate`.

    Raises:
        InputError: something given cannot be used; the message says what to do.
        Cancelled: `on_progress` returned False. No file is left then, nor after an error.
    """
    return write_reference(
        image, camera, output, seconds, size=size, fps=fps, face=face, on_progress=on_progress
    )
