"""The torso: late, small, smooth, still at the face and where the picture or the person ends."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.fields import MotionValues
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.picture_edge import picture_edges
from skyreels_avatar.rig.torso import (
    DELAY_FRAMES,
    TORSO_REACH,
    delay_torso,
    torso_box,
    torso_field,
    torso_warp,
    torso_weight,
)
from tests.rig.faces import motion_of

YAW = MOTION_INDEX["yaw"]
HEIGHT = WIDTH = 320


@pytest.fixture(scope="module")
def landmarks() -> torch.Tensor:
    return torch.from_numpy(synthetic_landmarks((110.0, 40.0, 80.0, 95.0)))


def test_the_trunk_turns_later_than_the_head_and_does_not_overshoot() -> None:
    motion = torch.zeros(1, 40, NUM_MOTION)
    motion[:, 10:, YAW] = 0.2
    yaw = delay_torso(motion)[0, :, YAW]
    assert bool((yaw[:10] == 0).all()) and bool((yaw.diff() >= -1e-6).all())
    half = int((yaw > 0.1).nonzero()[0]) - 10
    assert 3 <= half <= 5  # 0.12 to 0.2 s
    torch.testing.assert_close(yaw[20:], torch.full((20,), 0.2))


def test_a_window_that_knows_nine_frames_goes_on_as_if_it_were_one() -> None:
    motion = 0.02 * torch.randn(1, 60, NUM_MOTION, generator=torch.Generator().manual_seed(1))
    later = delay_torso(motion[:, 30:])[:, DELAY_FRAMES:]
    torch.testing.assert_close(later, delay_torso(motion)[:, 30 + DELAY_FRAMES :])


def test_raised_shoulders_go_up_and_a_turned_head_turns_the_chest() -> None:
    points = torch.tensor([[[0.9, 0.9], [0.0, 0.9], [0.0, 0.0], [0.0, -0.5], [1.2, 0.9]]])
    raised = torso_field(points, MotionValues(motion_of(breath=0.02)))
    assert float(raised[0, 0, 1]) == pytest.approx(-0.02, abs=0.002)
    assert float(raised[0, 2:4].abs().max()) == 0  # the chin and the face
    turned = torso_field(points, MotionValues(motion_of(yaw=0.2)))
    assert float(turned[0, 1, 0]) > 0.015
    assert float(turned[0, 4, 0]) < 0.3 * float(turned[0, 1, 0])  # the silhouette hardly moves
    rolled = torso_field(points, MotionValues(motion_of(roll=0.2)))
    assert float(rolled[0, 1, 0]) > 0.02 and float(rolled[0, 0, 1]) > 0.02


def test_the_field_folds_nowhere_and_ends_within_its_reach() -> None:
    left, _, right, bottom = TORSO_REACH
    y, x = torch.meshgrid(torch.linspace(-1, 4, 200), torch.linspace(-3, 3, 200), indexing="ij")
    points = torch.stack([x, y], -1).reshape(1, -1, 2)
    motion = motion_of(breath=0.12, yaw=0.4, roll=0.3, sway=0.06, zoom=0.1, shift_x=0.1)
    move = torso_field(points, MotionValues(motion))[0]
    outside = (x < left) | (x > right) | (y > bottom) | (y < 0)
    assert float(move[outside.flatten()].abs().max()) == 0
    after = (points[0] + move).reshape(200, 200, 2)
    assert (
        float(after[:, :, 0].diff(dim=1).min()) > 0 and float(after[:, :, 1].diff(dim=0).min()) > 0
    )
    assert float(torso_weight(points).max()) == 1


def test_the_pictures_lower_edge_stays_filled(landmarks: torch.Tensor) -> None:
    frame = FaceFrame.of(landmarks[None])
    edges = picture_edges(landmarks[None], HEIGHT, WIDTH)
    y, x = torch.meshgrid(
        torch.arange(0.5, HEIGHT), torch.arange(0.5, WIDTH), indexing="ij"
    )  # fmt: skip
    lattice = torch.stack([x, y], -1)[None]
    chin, values = landmarks[None, 152, :2], MotionValues(motion_of(breath=0.08))
    back, _ = torso_warp(lattice, chin, frame, values, edges)
    source_y = y + back[0, 1]
    assert float(source_y.max()) <= HEIGHT
    assert float((torso_warp(lattice, chin, frame, values, None)[0][0, 1] + y).max()) > HEIGHT + 2
    assert float(back[0, 1].max()) > 4  # shoulders do rise


def test_the_box_holds_the_person_below_the_chin(landmarks: torch.Tensor) -> None:
    person = torch.zeros(HEIGHT, WIDTH)
    assert torso_box(person, landmarks) is None
    person[150:, 60:250] = 1.0
    box = torso_box(person, landmarks)
    left, top, right, bottom = box.pixels(landmarks[None])
    assert (left, right, bottom) == pytest.approx((60, 250, HEIGHT), abs=1.0)
    assert top > float(landmarks[152, 1])
    person[:] = 0
    person[:140] = 1.0  # a face that the edge of the picture cuts below the chin
    assert torso_box(person[:145], landmarks) is None
