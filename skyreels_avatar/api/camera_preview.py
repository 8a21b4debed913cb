"""The public verb `preview_camera`: a picture seen by a moving camera, nobody speaking."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.video import VideoWriter, check_output
from skyreels_avatar.parallel import exclusive
from skyreels_avatar.pipeline.reference_video import reference_frames
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import OnProgress, Reporter
from skyreels_avatar.request.camera_spec import CameraLike, parse_camera

MAX_PREVIEW_S = 600.0


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
    path, moves = check_output(output), parse_camera(camera)
    check_outputs({"output": path}, [image, face])
    if not 0 < seconds <= MAX_PREVIEW_S:
        raise InputError(f"seconds must be above 0, at most {MAX_PREVIEW_S:g}, got {seconds:g}")
    plan = plan_shot(seconds, fps)
    reporter = Reporter(on_progress)
    with reporter.stage("analyse"):
        original = Portrait.load(image)
        height, width = fit_size(original.height, original.width, size)
    with exclusive(), VideoWriter(path, height, width, fps) as writer:
        for frames in reference_frames(original, (height, width), face, moves, plan, reporter):
            writer.write(frames)
            reporter.report("write")
    return plan.num_frames
