"""Hair and shoulders: late, overshooting, settling; and the face itself never."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.head import HeadTransform, head_depth, head_weight
from skyreels_avatar.rig.secondary_motion import SPRING_FRAMES, delay_head, trailing_field

YAW = MOTION_INDEX["yaw"]


@pytest.fixture(scope="module")
def shape() -> FaceShape:
    landmarks = torch.from_numpy(synthetic_landmarks((100.0, 130.0, 80.0, 95.0)))
    return FaceShape.of(FaceFrame.of(landmarks[None]).points)


def turn(num_frames: int, at: int) -> torch.Tensor:
    """Return (1, F, 32) motion whose head turns at once at one frame."""
    motion = torch.zeros(1, num_frames, NUM_MOTION)
    motion[:, at:, YAW] = 0.2
    return motion


def swing(shape: FaceShape, points: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
    """Return (F, N, 2) of points (N, 2) of one face in (1, F, 32) motion."""
    frames = motion.shape[1]
    points = points[None].expand(frames, -1, -1)
    depth, weight = head_depth(points[:1], shape), head_weight(points[:1], shape)
    turns = (HeadTransform.of(shape, MotionValues(one[0])) for one in (motion, delay_head(motion)))
    hanging, swung = trailing_field(points, depth, weight, shape, tuple(turns))
    return torch.zeros(points.shape).index_copy(1, hanging, swung)


def test_what_hangs_comes_late_swings_past_and_settles() -> None:
    yaw = delay_head(turn(40, 10))[0, :, YAW]
    assert bool((yaw[:10] == 0).all())
    assert 0 < float(yaw[10]) < 0.1
    assert 0.22 < float(yaw.max()) < 0.3
    torch.testing.assert_close(yaw[20:], torch.full((20,), 0.2))


def test_only_the_head_is_late() -> None:
    motion = torch.randn(2, 20, NUM_MOTION, generator=torch.Generator().manual_seed(0))
    changed = (delay_head(motion) - motion).abs().amax((0, 1)) > 0
    head = [MOTION_INDEX[name] for name in ("yaw", "pitch", "roll", "shift_x", "shift_y", "zoom")]
    assert changed.nonzero().flatten().tolist() == head


def test_a_window_that_knows_nine_frames_goes_on_as_if_it_were_one() -> None:
    motion = torch.randn(1, 60, NUM_MOTION, generator=torch.Generator().manual_seed(1))
    later = delay_head(motion[:, 30:])[:, SPRING_FRAMES:]
    torch.testing.assert_close(later, delay_head(motion)[:, 30 + SPRING_FRAMES :])


def test_hair_beside_the_chin_swings_and_no_point_of_the_face_does(shape: FaceShape) -> None:
    motion = turn(12, 10)
    edge = float(shape.points[0, 454, 0])
    hair = swing(shape, torch.tensor([[edge + 0.2, 0.1], [-edge - 0.2, 0.1]]), motion)
    assert float(hair[:10].abs().max()) == 0
    assert float(hair[10].norm(dim=-1).min()) > 0.003
    assert float(swing(shape, shape.points[0, :, :2], motion).abs().max()) < 1e-3


def test_still_heads_have_still_hair(shape: FaceShape) -> None:
    motion = torch.full((1, 15, NUM_MOTION), 0.05)
    points = torch.tensor([[0.5, 0.2], [-0.5, 0.4], [0.6, -0.2]])
    torch.testing.assert_close(swing(shape, points, motion), torch.zeros(15, 3, 2))
