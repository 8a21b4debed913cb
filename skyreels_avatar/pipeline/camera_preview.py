"""Camera moves on a picture as short silent videos, quick enough to follow a slider."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from skyreels_avatar.camera import MOVES, ReferenceVideo, Scene, make_layers, plan_path
from skyreels_avatar.camera.scene_layers import Layer
from skyreels_avatar.checks import check_number
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.parallel import exclusive
from skyreels_avatar.pipeline.reference_video import picture_reference
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter
from skyreels_avatar.request.camera_move import CameraMove
from skyreels_avatar.request.camera_spec import Camera, parse_camera

LONG_SIDE_PX, FPS = 320, 12.5
DEFAULT_S, SHORTEST_S, LONGEST_S = 2.0, 0.2, 30.0
_CRF, _PRESET = 26, "ultrafast"
_KEPT_SCENES = 8
_KEPT_VIDEOS = 48
_SMALLEST_SIDE_PX = 64


@dataclass(frozen=True)
class _Filmed:
    """A picture that is ready for any move: its scene, and layers wide enough for all of them."""

    scene: Scene
    layers: tuple[Layer, Layer]


class CameraPreviews:
    """Previews of camera moves; depth and layers of the latest pictures are kept.

    Nobody talks in a preview: it is the reference video that a shot starts from, only smaller.
    """

    def __init__(self) -> None:
        self._scenes: OrderedDict[tuple[str, tuple[int, int]], _Filmed] = OrderedDict()
        self._videos: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def video(
        self,
        image: Path,
        camera: object,
        size: str | None = None,
        duration_s: float = DEFAULT_S,
    ) -> bytes:
        """Return an MP4 without sound of a camera move on a picture.

        Args:
            image: the picture; a file that does not change.
            camera: see `parse_camera`.
            size: of the video that it is a preview of, as in `generate`.
            duration_s: of the shot, 0.2 to 30 seconds.

        Raises:
            InputError: the picture, the move, the size or the length cannot be used.
        """
        moves = parse_camera(camera)
        check_number("seconds of a preview", duration_s, SHORTEST_S, LONGEST_S)
        key = (str(image), repr(moves), size, duration_s)
        if key in self._videos:
            self._videos.move_to_end(key)
            return self._videos[key]
        made = self._draw(image, moves, size, duration_s)
        self._videos[key] = made
        while len(self._videos) > _KEPT_VIDEOS:
            self._videos.popitem(last=False)
        return made

    def prepare(self, image: Path, size: str | None = None) -> None:
        """Look at a picture ahead of its first preview."""
        picture = Portrait.load(image)
        self._filmed(picture, preview_size(picture, size))

    def _draw(self, image: Path, moves: Camera, size: str | None, duration_s: float) -> bytes:
        picture = Portrait.load(image)
        height, width = preview_size(picture, size)
        filmed = self._filmed(picture, (height, width))
        num_frames = max(1, round(duration_s * FPS))
        with exclusive(), tempfile.TemporaryDirectory(prefix="preview-") as folder:
            try:
                path = plan_path(_plain(moves), filmed.scene, num_frames, FPS)
            except ValueError as error:
                raise InputError(str(error)) from error
            video = ReferenceVideo(filmed.scene, path, layers=filmed.layers)
            output = Path(folder) / "preview.mp4"
            with VideoWriter(output, height, width, FPS, crf=_CRF, preset=_PRESET) as writer:
                for start in range(0, num_frames, 8):
                    writer.write(video.pictures(start, min(start + 8, num_frames)))
            return output.read_bytes()

    def _filmed(self, picture: Portrait, size: tuple[int, int]) -> _Filmed:
        key = (str(picture.path), size)
        if key not in self._scenes:
            with exclusive():
                self._scenes[key] = _film(picture, size)
        self._scenes.move_to_end(key)
        while len(self._scenes) > _KEPT_SCENES:
            self._scenes.popitem(last=False)
        return self._scenes[key]


def preview_size(picture: Portrait, size: str | None) -> tuple[int, int]:
    """Return (height, width) of a preview: of the shape of the video, at most 320 px long."""
    height, width = fit_size(picture.height, picture.width, size)
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    scale = max(scale, min(1.0, _SMALLEST_SIDE_PX / min(height, width)))
    return 2 * round(height * scale / 2), 2 * round(width * scale / 2)


def _film(picture: Portrait, size: tuple[int, int]) -> _Filmed:
    moving = CameraMove("push_in", 1.0)
    plan = plan_shot(DEFAULT_S, FPS)
    scene = picture_reference(picture, size, "auto", moving, plan, Reporter(None)).video.scene
    widest = [plan_path(CameraMove(name, 1.0), scene, plan.num_frames, FPS) for name in MOVES]
    return _Filmed(scene, make_layers(scene, widest))


def _plain(moves: Camera):
    """Return moves as `plan_path` takes them."""
    if isinstance(moves, tuple):
        return [(keyframe.time_s, keyframe.move) for keyframe in moves]
    return moves


@cache
def previews() -> CameraPreviews:
    """Return the previews that all callers in this process share."""
    return CameraPreviews()
