"""The reference video of a picture: what a camera move shows of it, nobody speaking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.parallel import ordered_map
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.progress import Reporter
from skyreels_avatar.references.framing import frame_face
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.references.reference import frames_per_chunk, split_range
from skyreels_avatar.references.scene import build_references
from skyreels_avatar.request.camera_spec import Camera


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
