"""The reference video of a picture as a file: what a camera move shows of it, nobody speaking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.outputs import check_outputs
from skyreels_avatar.media.video import VideoWriter, check_output
from skyreels_avatar.parallel import exclusive, ordered_map
from skyreels_avatar.planning.segments import ShotPlan, plan_shot
from skyreels_avatar.progress import OnProgress, Reporter
from skyreels_avatar.references.framing import frame_face
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.references.reference import frames_per_chunk, split_range
from skyreels_avatar.references.scene import build_references
from skyreels_avatar.request.camera_spec import Camera, parse_camera

MAX_PREVIEW_S = 600.0


def write_reference(
    image: str | Path,
    camera: object,
    output: str | Path,
    duration_s: float,
    *,
    size: str | None = None,
    fps: float = 25.0,
    face: str = "auto",
    on_progress: OnProgress | None = None,
) -> int:
    """Write the reference video of a picture, silent, and return its number of frames.

    Args:
        image: the picture.
        camera: see `parse_camera`.
        output: an .mp4 file.
        duration_s: length in seconds, up to ten minutes.
        size, fps, face: as in `generate`.

    Raises:
        InputError: something given cannot be used.
        Cancelled: `on_progress` returned False. No file is left then.
    """
    path, moves = check_output(output), parse_camera(camera)
    check_outputs({"output": path}, [image, face])
    if not 0 < duration_s <= MAX_PREVIEW_S:
        raise InputError(f"seconds must be above 0, at most {MAX_PREVIEW_S:g}, got {duration_s:g}")
    plan = plan_shot(duration_s, fps)
    reporter = Reporter(on_progress)
    with reporter.stage("analyse"):
        original = Portrait.load(image)
        height, width = fit_size(original.height, original.width, size)
    with exclusive(), VideoWriter(path, height, width, fps) as writer:
        for frames in reference_frames(original, (height, width), face, moves, plan, reporter):
            writer.write(frames)
            reporter.report("write")
    return plan.num_frames


def reference_frames(
    original: Portrait,
    size: tuple[int, int],
    face: str,
    camera: Camera,
    plan: ShotPlan,
    reporter: Reporter,
) -> Iterator[np.ndarray]:
    """Yield the frames (F, H, W, 3) uint8 that a camera sees of a picture, a few at a time.

    Args:
        size: height and width of the frames.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    reference = picture_reference(original, size, face, camera, plan, reporter)
    reporter.start_pace(plan.num_frames)
    chunks = split_range(0, plan.num_frames, frames_per_chunk(*size))
    for frames in ordered_map(lambda chunk: reference.frames(*chunk), chunks):
        reporter.add(len(frames))
        yield frames


def picture_reference(
    original: Portrait,
    size: tuple[int, int],
    face: str,
    camera: Camera,
    plan: ShotPlan,
    reporter: Reporter,
) -> PictureReference:
    """Return a picture seen by a camera, as a shot without a voice.

    Args:
        size: height and width of the frames.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    with reporter.stage("analyse"):
        framing = frame_face(original, size, face, camera, face_analyzer())
    with reporter.stage("encode"):
        return build_references(framing, camera, plan)[0]
