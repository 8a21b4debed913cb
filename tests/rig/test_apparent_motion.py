"""What a moving camera does to a still head is read as the head's own motion."""

from __future__ import annotations

import math

import pytest
import torch

from skyreels_avatar.rig.apparent_motion import apparent_motion, clamp_to_trained_range
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION


def found(landmarks: torch.Tensor, moved: torch.Tensor) -> dict[str, float]:
    motion = apparent_motion(moved[None], landmarks)[0]
    return {name: float(motion[index]) for name, index in MOTION_INDEX.items()}


def test_a_still_camera_moves_nothing(landmarks):
    assert apparent_motion(landmarks[None].expand(3, -1, -1), landmarks).abs().max() < 1e-5


def test_a_closer_camera_is_a_zoom_and_a_shift_is_measured_in_face_heights(landmarks):
    height = float((landmarks[152] - landmarks[10])[:2].norm())
    moved = landmarks * 1.2
    corners = landmarks[[61, 291]].mean(0)
    moved = moved + corners - 1.2 * corners + torch.tensor([0.1 * height, -0.05 * height, 0.0])
    motion = found(landmarks, moved)
    assert motion["zoom"] == pytest.approx(math.log(1.2), abs=1e-4)
    assert motion["shift_x"] == pytest.approx(0.1, abs=1e-4)
    assert motion["shift_y"] == pytest.approx(-0.05, abs=1e-4)
    assert abs(motion["yaw"]) < 1e-4 and abs(motion["roll"]) < 1e-4


def test_a_rolled_camera_rolls_the_head_clockwise(landmarks):
    sine, cosine = math.sin(0.08), math.cos(0.08)
    turn = torch.tensor([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1.0]])
    assert found(landmarks, landmarks @ turn)["roll"] == pytest.approx(0.08, abs=1e-3)


def test_a_small_turn_is_found_with_its_sign(landmarks):
    """Near points move across the face against far ones when the head turns."""
    for name, axis, sign in (("yaw", 0, -1.0), ("pitch", 1, 1.0)):
        moved = landmarks.clone()
        depth = landmarks[:, 2] - landmarks[:, 2].mean()
        moved[:, axis] += 0.1 * sign * depth
        motion = found(landmarks, moved)
        others = {"yaw", "pitch"} - {name}
        assert motion[name] == pytest.approx(0.1, rel=0.15)
        assert all(abs(motion[other]) < 0.02 for other in others)


def test_what_networks_have_not_seen_is_held():
    motion = torch.full((1, NUM_MOTION), 9.0)
    held = clamp_to_trained_range(motion)[0]
    assert held[MOTION_INDEX["yaw"]] == pytest.approx(0.45)
    assert held[MOTION_INDEX["lip_gap"]] == 9 and motion[0, MOTION_INDEX["yaw"]] == 9
