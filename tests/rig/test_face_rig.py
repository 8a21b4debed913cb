"""The face rig as a part: latents in, pictures out."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.reference_clip import ReferenceClip
from skyreels_avatar.rig.renderer import render
from skyreels_avatar.rig.secondary_motion import delay_head
from skyreels_avatar.rig.torso import delay_torso
from tests.rig.faces import clip_of


@pytest.fixture(scope="module")
def vae() -> FaceRig:
    torch.manual_seed(0)
    return FaceRig(encoder_dim=16).eval()


def test_fractional_positions_lie_between_their_neighbors(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    motion = torch.zeros(1, 5, NUM_MOTION)
    motion[0, :, MOTION_INDEX["shift_x"]] = torch.linspace(0, 0.08, 5)
    latents = vae.pack(motion)
    clip = clip_of(landmarks, 1)
    half = ReferenceClip(clip.frames, clip.landmarks, torch.tensor([1.5]), clip.look)
    asked = motion[0, 1:3].mean(0, keepdim=True)
    late = delay_head(motion)[0, 1:3].mean(0, keepdim=True)
    torso = delay_torso(motion)[0, 1:3].mean(0, keepdim=True)
    torch.testing.assert_close(vae.decode(latents, half)[0], render(asked, clip, late, torso)[0])


def test_the_encoder_gives_latents_of_the_clip_s_length(
    vae: FaceRig, landmarks: torch.Tensor
) -> None:
    latents = vae.encode(landmarks.expand(9, -1, -1), landmarks)
    assert latents.shape == (1, 32, 3, 1, 4)
    assert float(vae.unpack(latents)[0, :, 0].std()) < 1e-6
