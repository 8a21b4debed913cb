"""Expression and pose: each number answers its own movement, in the right direction."""

import numpy as np
import pytest

from skyreels_avatar.evaluation.performance import num_swings, performance_of
from skyreels_avatar.faces.template import template
from tests.faces.turned import turned

FPS = 25.0


@pytest.fixture
def clip() -> tuple[np.ndarray, np.ndarray, float]:
    """A still face of 50 frames, its reference, and its height in pixels."""
    reference = template() * 400
    height = float(np.linalg.norm(reference[10, :2] - reference[152, :2]))
    return np.repeat(reference[None], 50, axis=0), reference, height


def test_a_still_face_performs_nothing(clip):
    values = vars(performance_of(clip[0], clip[1], FPS))
    assert values.pop("eye_open") == pytest.approx(1)
    assert list(values.values()) == pytest.approx([0] * len(values), abs=1e-3)


def test_a_smile_lifts_and_widens(clip):
    landmarks, reference, height = clip
    landmarks[:, 61] += (-0.03 * height, -0.02 * height, 0)
    landmarks[:, 291] += (0.03 * height, -0.02 * height, 0)
    values = performance_of(landmarks, reference, FPS)
    assert values.corner_lift == pytest.approx(2, abs=1e-3)
    assert values.mouth_width == pytest.approx(6, abs=1e-3)
    assert values.smile == pytest.approx(5 / np.sqrt(2), abs=1e-3)


def test_drawn_brows_furrow_and_raised_brows_rise(clip):
    landmarks, reference, height = clip
    landmarks[:, 55, 0] += 0.01 * height
    landmarks[:, 285, 0] -= 0.01 * height
    landmarks[:, [70, 63, 105, 66, 107, 300, 293, 334, 296, 336], 1] -= 0.015 * height
    values = performance_of(landmarks, reference, FPS)
    assert values.brow_furrow == pytest.approx(2, abs=1e-3)
    assert values.brow_raise == pytest.approx(1.5, abs=1e-3)


def test_gaze_is_a_share_of_the_eye_and_ignores_closed_lids(clip):
    landmarks, reference, _ = clip
    width = np.linalg.norm(reference[133, :2] - reference[33, :2])
    landmarks[:, [468, 473], 0] += 0.1 * width
    lids = landmarks[20:24, [145, 153, 144, 374, 380, 373], 1] * 0.05
    lids += landmarks[20:24, [159, 158, 160, 386, 385, 387], 1] * 0.95
    landmarks[20:24, [145, 153, 144, 374, 380, 373], 1] = lids
    landmarks[20:24, [468, 473], 0] -= 40
    values = performance_of(landmarks, reference, FPS)
    assert values.gaze_x == pytest.approx(10, abs=0.5)
    assert values.blinks_per_min == pytest.approx(30)


def test_a_nod_is_counted_and_a_shake_is_not_a_nod(clip):
    _, reference, _ = clip
    phase = np.sin(2 * np.pi * np.arange(100) / 25)
    for angle, counted, other in (
        ("pitch", "nods_per_s", "shakes_per_s"),
        ("yaw", "shakes_per_s", "nods_per_s"),
    ):
        landmarks = np.stack([turned(reference, **{angle: 6 * value}) for value in phase])
        values = vars(performance_of(landmarks, reference, FPS))
        assert values[counted] == pytest.approx(1, abs=0.3) and values[other] == 0
        assert values[f"{angle}_range_deg"] == pytest.approx(12, abs=1)


def test_head_motion_and_zoom_are_not_expression(clip):
    _, reference, _ = clip
    landmarks = np.stack([1.2 * turned(reference, yaw=d, pitch=d / 2) + 30 for d in range(-9, 10)])
    values = performance_of(landmarks, reference, FPS)
    assert (values.smile, values.brow_raise, values.gaze_x) == pytest.approx((0, 0, 0), abs=1e-2)


def test_small_tremor_is_not_a_swing(rng):
    assert num_swings(rng.uniform(-0.9, 0.9, 200), 2.0) == 0
    assert num_swings(np.array([0.0, 3, 0, 3, 0]), 2.0) == 2
