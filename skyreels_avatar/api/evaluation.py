"""`evaluate`: the measures of a video, and of its camera against the move that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation import report
from skyreels_avatar.evaluation.camera_accuracy import CameraAccuracy, measure_camera
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.pipeline.reference_video import picture_reference
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter
from skyreels_avatar.request.camera_spec import Camera, CameraLike, parse_camera


@renamed_parameters(analyser="analyzer")
def evaluate(
    video: str | Path,
    reference: str | Path | None = None,
    face: str = "auto",
    analyzer: FaceAnalyzer | None = None,
    camera: CameraLike | None = None,
) -> report.Report:
    """Measure a talking video.

    Args:
        video: the file to measure.
        reference: the picture that it was made from; without it the video's first frame.
        face: whose face, as in `generate`: "auto", "x,y,w,h" or an index.
        analyzer: one to use again when measuring many videos.
        camera: the move that was asked for, as in `generate`: the report then says how much of it
            the video shows and how far its camera is from the plan. None = not measured.

    Raises:
        FaceError: no face in the reference, or in fewer than half of the frames.
        MediaError: a file cannot be read.
        InputError: an unknown camera move, or a picture in which no camera can be measured.
    """
    move = None if camera is None else parse_camera(camera)
    found = report.evaluate(video, reference, face, analyzer)
    if move is None:
        return found
    return replace(found, camera=_measure_camera(video, reference, face, move))


def _measure_camera(
    video: str | Path, reference: str | Path | None, face: str, camera: Camera
) -> CameraAccuracy:
    """Plan the move in the picture as generation does, and track the video against the plan."""
    reader = VideoReader(video)
    if reference is None:
        picture = Portrait(reader.read(0, 1)[0], reader.path)
    else:
        picture = Portrait.load(reference)
    plan = plan_shot(reader.num_frames / reader.fps, reader.fps)
    size = reader.height, reader.width
    planned = picture_reference(picture, size, face, camera, plan, Reporter()).video
    try:
        return measure_camera(reader, planned.scene, planned.path)
    except ValueError as error:
        raise InputError(f"the camera of {video} cannot be measured: {error}") from error
