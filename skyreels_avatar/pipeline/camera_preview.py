"""A quick look at camera moves over one picture: its depth is estimated once for all of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from skyreels_avatar.camera import CameraMove, ReferenceVideo, Scene, plan_path
from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.video import VideoWriter, check_output
from skyreels_avatar.parallel import exclusive, ordered_map
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.references.framing import frame_face
from skyreels_avatar.references.reference import frames_per_chunk, split_range
from skyreels_avatar.references.scene import build_references
from skyreels_avatar.request.camera_spec import parse_camera

_NUM_SCENES = 4  # that are kept, about 10 MB each at 320 pixels
_ANY_MOVE = CameraMove("swing", 1.0)


def write_camera_preview(
    image: str | Path, camera: object, output: str | Path, duration_s: float, fps: float, size: str
) -> int:
    """Write what a camera move shows of a picture, silent, and return its number of frames.

    Args:
        image: the picture.
        camera: see `parse_camera`.
        output: an .mp4 file.
        duration_s, fps: of the preview.
        size: "320x320" and the like.

    Raises:
        InputError: something given cannot be used, or the picture shows no face.
    """
    path, moves = check_output(output), parse_camera(camera)
    found = Path(image).stat()
    plan = plan_shot(duration_s, fps)
    with exclusive():
        scene = _scene_of(Path(image), size, (found.st_mtime_ns, found.st_size))
        given = moves if isinstance(moves, CameraMove) else [(k.time_s, k.move) for k in moves]
        try:
            video = ReferenceVideo(scene, plan_path(given, scene, plan.num_frames, fps))
        except ValueError as error:
            raise InputError(str(error), parameter="camera") from error
        height, width = scene.depth.shape
        chunks = split_range(0, plan.num_frames, frames_per_chunk(height, width))
        with VideoWriter(path, height, width, fps) as writer:
            for frames in ordered_map(lambda chunk: video.pictures(*chunk), chunks):
                writer.write(frames)
    return plan.num_frames


@lru_cache(maxsize=_NUM_SCENES)
def _scene_of(image: Path, size: str, state: tuple[int, int]) -> Scene:
    """Return a picture with its depth and what lies behind the person.

    Args:
        state: of the file; another one is another picture.
    """
    original = Portrait.load(image)
    height, width = fit_size(original.height, original.width, size)
    framing = frame_face(original, (height, width), "auto", _ANY_MOVE, face_analyzer())
    return build_references(framing, _ANY_MOVE, plan_shot(1.0, 5.0))[0].video.scene
