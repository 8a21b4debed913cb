"""What the camera does to a still head is read from its landmarks alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.apparent_motion import apparent_motion
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.spaces.known import control_latents, known_mask


@pytest.fixture
def face() -> torch.Tensor:
    return torch.from_numpy(np.asarray(synthetic_landmarks((100, 80, 180, 240)), np.float32))


def read(motion: torch.Tensor) -> dict[str, float]:
    return {name: float(motion[0, index]) for name, index in MOTION_INDEX.items()}


def test_a_still_camera_moves_nothing(face):
    assert apparent_motion(face.expand(3, -1, -1), face).abs().max() < 1e-6


def test_shift_zoom_and_roll_are_those_of_the_picture(face):
    height = float((face[152, :2] - face[10, :2]).norm())
    moved = face * 1.25
    moved[:, :2] += torch.tensor([30.0, -20.0])
    values = read(apparent_motion(moved[None], face))
    mouth = (face[61, :2] + face[291, :2]) / 2
    expected = (0.25 * mouth + torch.tensor([30.0, -20.0])) / height
    assert values["zoom"] == pytest.approx(math.log(1.25), abs=1e-4)
    assert (values["shift_x"], values["shift_y"]) == pytest.approx(expected.tolist(), abs=1e-4)
    angle = 0.1
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = face.clone()
    turned[:, :2] = face[:, :2] @ turn.T
    assert read(apparent_motion(turned[None], face))["roll"] == pytest.approx(angle, abs=1e-4)


@pytest.mark.parametrize("name", ["yaw", "pitch"])
@pytest.mark.parametrize("angle", [-0.1, 0.1])
def test_turns_out_of_the_picture_are_read_with_their_sign(face, name, angle):
    c, s = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[c, 0, -s], [0, 1, 0], [s, 0, c]])  # nearer points (z < 0) go right
    if name == "pitch":
        turn = torch.tensor([[1, 0, 0], [0, c, s], [0, -s, c]])  # nearer points go up
    centre = face.mean(0)
    values = read(apparent_motion(((face - centre) @ turn.T + centre)[None], face))
    other = "pitch" if name == "yaw" else "yaw"
    assert values[name] == pytest.approx(angle, rel=0.35)
    assert abs(values[other]) < 0.03


def test_control_latents_carry_the_seen_share_of_each_frame():
    seen = torch.linspace(0, 1, 9)
    latents = control_latents(torch.zeros(1, 32, 3, 1, 4), seen)
    assert latents.shape == (1, 36, 3, 1, 4)
    assert torch.equal(latents[0, 32:, 0, 0, 0], seen[:1].expand(4))
    assert torch.equal(latents[0, 32:, 2, 0, 3], seen[5:9])


def test_known_mask_marks_the_first_latent_frames():
    mask = known_mask(5, 2, 1, 4)
    assert mask.shape == (1, 4, 5, 1, 4)
    assert mask[:, :, :2].min() == 1 and mask[:, :, 2:].max() == 0
