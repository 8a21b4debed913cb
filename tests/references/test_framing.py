"""Which part of a picture a video shows."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.camera import CameraMove
from skyreels_avatar.faces.face import Face
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.references.framing import frame, is_moving, shifted
from skyreels_avatar.request.camera_spec import CameraKeyframe
from tests.faces.drawing import synthetic_landmarks

BOX = (100.0, 120.0, 60.0, 80.0)


@pytest.fixture
def whole() -> Portrait:
    """A soft pattern of 480x300."""
    y, x = np.mgrid[:480, :300]
    wave = 128 + 60 * np.sin(x / 23) + 60 * np.cos(y / 31)
    return Portrait(np.repeat(wave[..., None], 3, axis=-1).astype(np.uint8))


@pytest.fixture
def face() -> Face:
    return Face(BOX, synthetic_landmarks(BOX), 1.0, 1.0)


def test_a_resting_camera_gets_the_crop_alone(whole, face):
    framing = frame(whole, 256, 256, [face])
    assert framing.surroundings is None
    focus = BOX[0] + BOX[2] / 2, BOX[1] + BOX[3] / 2
    assert np.array_equal(framing.picture.pixels, whole.resized_to(256, 256, focus).pixels)


@pytest.mark.parametrize("size", [(256, 256), (200, 300), (480, 300), (300, 640)])
def test_surroundings_go_on_from_the_crop_at_its_scale(whole, face, size):
    framing = frame(whole, *size, [face], moving=True)
    beside, picture = framing.surroundings, framing.picture
    height, width = size
    inner = (slice(beside.top, beside.top + height), slice(beside.left, beside.left + width))
    assert np.array_equal(beside.picture.pixels[inner], picture.pixels)
    zoom = max(height / 480, width / 300)
    reach = 0.25 * max(size)
    assert beside.top <= reach and beside.left <= reach
    assert beside.picture.height <= 480 * zoom + 1 and beside.picture.width <= 300 * zoom + 1
    left_out = 480 * zoom - height + 300 * zoom - width
    added = beside.picture.height - height + beside.picture.width - width
    assert added >= min(left_out, reach) - 3
    # No step where crop and surroundings meet.
    pixels = beside.picture.pixels[..., 0].astype(int)
    assert np.abs(np.diff(pixels, axis=0)).max() < 14
    assert np.abs(np.diff(pixels, axis=1)).max() < 14
    same = shifted(framing.faces[0], beside.left, beside.top)
    offset = same.landmarks[0, :2] - framing.faces[0].landmarks[0, :2]
    assert offset == pytest.approx((beside.left, beside.top), abs=1e-3)


def test_a_moving_camera_sees_no_border_of_the_picture(whole, face):
    pixels = whole.pixels.copy()
    pixels[:6] = pixels[-6:] = 0
    pixels[:, :6] = pixels[:, -6:] = 0
    bordered = Portrait(pixels)
    still = frame(bordered, 480, 300, [face])
    assert np.array_equal(still.picture.pixels, pixels)
    moving = frame(bordered, 480, 300, [face], moving=True)
    assert moving.picture.pixels.min() >= whole.pixels.min() - 2
    assert moving.surroundings.picture.pixels.min() >= whole.pixels.min() - 2
    before, after = (one.landmarks[1, :2] for one in (face, moving.faces[0]))
    assert after[0] == pytest.approx(150 + (before[0] - 150) * 300 / 284, abs=1.0)
    (x, y), (moved_x, moved_y) = before.astype(int), after.astype(int)
    assert abs(int(moving.picture.pixels[moved_y, moved_x, 0]) - int(whole.pixels[y, x, 0])) < 8


def test_a_move_without_strength_is_rest():
    assert not is_moving(CameraMove())
    assert not is_moving(CameraMove("push_in", 0.0))
    assert is_moving(CameraMove("push_in", 0.1))
    pause, swing = CameraKeyframe(0.0, CameraMove()), CameraKeyframe(2.0, CameraMove("swing"))
    assert not is_moving((pause,)) and is_moving((pause, swing))


@pytest.mark.parametrize(("height", "width"), [(256, 256), (240, 400), (400, 240), (600, 800)])
def test_the_face_lies_where_the_resized_picture_shows_it(height, width):
    box = (300.0, 90.0, 80.0, 100.0)
    pixels = np.zeros((360, 480, 3), np.uint8)
    landmarks = synthetic_landmarks(box)
    nose = landmarks[1, :2]
    y, x = np.mgrid[0:360, 0:480] + 0.5
    spot = np.exp(-((x - nose[0]) ** 2 + (y - nose[1]) ** 2) / 50)
    pixels[:] = (255 * spot[..., None]).astype(np.uint8)
    framing = frame(Portrait(pixels), height, width, [Face(box, landmarks, 1.0, 1.0)])
    portrait, (face,) = framing.picture, framing.faces
    assert (portrait.height, portrait.width) == (height, width)
    weights = portrait.pixels[..., 0].astype(float)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    seen = np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()
    assert face.landmarks[1, :2] == pytest.approx(seen, abs=0.3)
