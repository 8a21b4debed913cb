"""`evaluate`: the measures of a video, and of its camera against the move that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.documents import read_text
from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation import report
from skyreels_avatar.evaluation.blind_test import SUFFIXES
from skyreels_avatar.evaluation.camera_accuracy import CameraAccuracy, measure_camera
from skyreels_avatar.evaluation.video_distance import VideoDistance, video_distance
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.pipeline.reference_video import picture_reference
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter
from skyreels_avatar.request.camera_spec import Camera, CameraLike, parse_camera

_MOST_TEXT = 100_000  # bytes of a transcript


@renamed_parameters(analyser="analyzer")
def evaluate(
    video: str | Path,
    reference: str | Path | None = None,
    face: str = "auto",
    analyzer: FaceAnalyzer | None = None,
    camera: CameraLike | None = None,
    text: str | None = None,
) -> report.Report:
    """Measure a talking video.

    Args:
        video: the file to measure.
        reference: the picture that it was made from; without it the video's first frame.
        face: whose face, as in `generate`: "auto", "x,y,w,h" or an index.
        analyzer: one to use again when measuring many videos.
        camera: the move that was asked for, as in `generate`: the report then says how much of it
            the video shows and how far its camera is from the plan. None = not measured.
        text: what is said, in English and without digits, for the measures of closures and
            rounding. None = a text file of the video's name beside it, else as it is heard.

    Raises:
        FaceError: no face in the reference, or in fewer than half of the frames.
        MediaError: a file cannot be read.
        InputError: an unknown camera move, or a picture in which no camera can be measured.
    """
    move = None if camera is None else parse_camera(camera)
    found = report.evaluate(video, reference, face, analyzer, text or _text_beside(video))
    if move is None:
        return found
    return replace(found, camera=_measure_camera(video, reference, face, move))


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """Return videos in their order, those in a folder for the folder.

    Raises:
        InputError: a folder without videos.
    """
    found = []
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise InputError(f"no videos in {path}; known are {', '.join(sorted(SUFFIXES))}")
        found += inside
    return found


def compare_sets(
    reports: Sequence[report.Report], against: Sequence[report.Report]
) -> VideoDistance:
    """Return how far the videos of some reports are from those of others.

    Raises:
        InputError: fewer than five videos on a side.
    """
    names = tuple([Path(one.video).stem for one in some] for some in (reports, against))
    features = [[one.features for one in some] for some in (reports, against)]
    return video_distance(*features, names)


def _text_beside(video: str | Path) -> str | None:
    path = Path(video).with_suffix(".txt")
    return read_text(path, "text", _MOST_TEXT).strip() if path.is_file() else None


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
