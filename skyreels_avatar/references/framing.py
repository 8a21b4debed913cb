"""Which part of a picture a video shows, and what surrounds it for the camera to move into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from skyreels_avatar.camera import CameraMove, find_inside
from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.region import union
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.media.image import MIN_SIDE_PX, Portrait
from skyreels_avatar.request.camera_spec import Camera

_MARGIN_SHARE = 0.25  # of the long side of the video; the picture beyond it is left out
_MAX_FINE_PX = 1280 * 960  # of a video; larger ones are fine enough, and twice would be much


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A larger part of the picture at the same scale; the framed part begins at (left, top)."""

    picture: Portrait
    left: int
    top: int


@dataclass(frozen=True, eq=False)
class Framing:
    """A picture at the size of a video, round the faces in it.

    Attributes:
        picture: of the size asked for.
        faces: in pixels of it.
        surroundings: what else was photographed; None for a camera that rests.
        fine: `picture` twice as fine; None for large videos.
    """

    picture: Portrait
    faces: tuple[Face, ...]
    surroundings: Surroundings | None = None
    fine: Portrait | None = None


def frame_shot(
    whole: Portrait, height: int, width: int, faces: Sequence[Face], camera: Camera
) -> Framing:
    """Return the picture of a shot as its camera needs it, also twice as fine: see `frame`."""
    moving = is_moving(camera)
    framing = frame(whole, height, width, faces, moving)
    if height * width > _MAX_FINE_PX:
        return framing
    return replace(framing, fine=frame(whole, 2 * height, 2 * width, faces, moving).picture)


def frame_face(
    whole: Portrait,
    size: tuple[int, int],
    selector: str,
    camera: Camera,
    analyzer: FaceAnalyzer,
) -> Framing:
    """Return a picture cropped round a face, at a size (height, width), and the face in it.

    Raises:
        FaceError: there is no face, or not the one that was asked for.
    """
    faces = find_faces(whole.pixels, [selector], analyzer)
    return frame(whole, *size, faces, is_moving(camera))


def is_moving(camera: Camera) -> bool:
    """Return whether a camera moves at any time."""
    moves = [camera] if isinstance(camera, CameraMove) else [one.move for one in camera]
    return any(move.name != "static" and move.strength > 0 for move in moves)


def frame(
    whole: Portrait, height: int, width: int, faces: Sequence[Face], moving: bool = False
) -> Framing:
    """Return the picture at a size, cropped round the faces.

    Args:
        whole: the picture as it came.
        height, width: of the video.
        faces: in pixels of `whole`.
        moving: whether the camera moves. A border of the picture's own (bars, the edge of a scan,
            rounded corners) would move into view as a line, so it is cut off then.

    Raises:
        InputError: several faces do not fit.
    """
    x, y, w, h = union(face.box for face in faces) if len(faces) > 1 else faces[0].box
    focus = x + w / 2, y + h / 2
    bounds = 0, 0, whole.width, whole.height
    if moving:
        left, top, right, bottom = find_inside(whole.pixels)
        enough = min(right - left, bottom - top) >= MIN_SIDE_PX
        if enough and left < focus[0] < right and top < focus[1] < bottom:
            bounds = left, top, right, bottom
    left, top, right, bottom = bounds
    cut = Portrait(whole.pixels[top:bottom, left:right], whole.path)
    focus = focus[0] - left, focus[1] - top
    zoom = max(height / cut.height, width / cut.width)
    crop = (
        _crop_start(focus[0], width / zoom, cut.width),
        _crop_start(focus[1], height / zoom, cut.height),
    )
    moved = tuple(_moved(face, left + crop[0], top + crop[1], zoom) for face in faces)
    if len(faces) > 1 and not all(_is_inside(face, height, width) for face in moved):
        raise InputError(
            f"the faces of all speakers do not fit into {width}x{height}; give a size of the "
            f"picture's own shape, {whole.width}x{whole.height}",
            parameter="size",
        )
    picture = cut.resized_to(height, width, focus)
    surroundings = _surroundings(cut, picture, crop, zoom) if moving else None
    return Framing(picture, moved, surroundings)


def _surroundings(
    cut: Portrait, picture: Portrait, crop: tuple[float, float], zoom: float
) -> Surroundings:
    """Return the picture with what the crop at `crop` left out round it."""
    height, width = picture.height, picture.width
    most = int(_MARGIN_SHARE * max(height, width))
    left, top = (min(most, int(start * zoom)) for start in crop)
    right = min(most, int((cut.width - crop[0]) * zoom) - width)
    bottom = min(most, int((cut.height - crop[1]) * zoom) - height)
    right, bottom = max(0, right), max(0, bottom)
    if not (left or top or right or bottom):
        return Surroundings(picture, 0, 0)
    size = left + width + right, top + height + bottom
    start = max(0.0, crop[0] - left / zoom), max(0.0, crop[1] - top / zoom)
    stop = min(cut.width, start[0] + size[0] / zoom), min(cut.height, start[1] + size[1] / zoom)
    resized = Image.fromarray(cut.pixels).resize(size, Image.Resampling.LANCZOS, (*start, *stop))
    pixels = np.array(resized)
    pixels[top : top + height, left : left + width] = picture.pixels
    return Surroundings(Portrait(pixels, cut.path), left, top)


def shifted(face: Face, x: float, y: float) -> Face:
    """Return a face as it lies in a picture that begins (x, y) pixels further left and up."""
    return _moved(face, -x, -y, 1.0)


def _moved(face: Face, left: float, top: float, zoom: float) -> Face:
    (x, y, w, h), points = face.box, face.landmarks
    points = (points - np.float32([left, top, 0])) * np.float32(zoom)
    box = ((x - left) * zoom, (y - top) * zoom, w * zoom, h * zoom)
    return replace(face, box=box, landmarks=points)


def _is_inside(face: Face, height: int, width: int) -> bool:
    x, y, w, h = face.box
    return 0 <= x + w / 2 < width and 0 <= y + h / 2 < height


def _crop_start(focus: float, crop: float, side: float) -> float:
    """Return where `Portrait.resized_to` starts its crop along one axis."""
    return max(min(focus - crop / 2, side - crop), 0.0)
