"""What a filmed mouth does is read in the head's own pose, however the head turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.opening import face_heights
from skyreels_avatar.faces.template import template
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.references.filmed_mouth import CHIN_SEEN, filmed_mouth
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from tests.faces.turned import turned

JAW, WIDTH, TONGUE = (MOTION_INDEX[name] for name in ("jaw_drop", "width", "tongue"))
FRAMES = 60


@pytest.fixture(scope="module")
def rig():
    return load_components("nano").vae


def talking(yaw: float = 0.0, pitch: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, 478, 3) of a head that turns once to and fro while its jaw drops twelve times."""
    face = 200 * template().astype(np.float64)
    face -= face.mean(0)
    height = face_heights(face[None])[0]
    opened = np.clip(np.sin(np.arange(FRAMES) * 2 * np.pi / 5), 0, None)
    points = np.repeat(face[None], FRAMES, 0)
    points[:, [152, 148, 377], 1] += 0.05 * height * opened[:, None]
    points[:, [14, 87, 317], 1] += 0.06 * height * opened[:, None]
    way = np.sin(np.arange(FRAMES) * np.pi / FRAMES)
    heads = [turned(one, yaw * share, pitch * share) for one, share in zip(points, way)]
    return np.stack(heads).astype(np.float32) + 300, opened


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (40, 0), (-55, 15)])
@torch.no_grad()
def test_a_mouth_is_read_in_any_pose(rig, yaw, pitch):
    """Turns of the head were read as mouths, and of a jaw half was left under the new lips."""
    landmarks, opened = talking(yaw, pitch)
    motion = filmed_mouth(landmarks, 0, rig).numpy()
    np.testing.assert_allclose(motion[:, JAW], 0.05 * opened / CHIN_SEEN, atol=1e-3)
    frontal = filmed_mouth(talking()[0], 0, rig).numpy()
    np.testing.assert_allclose(motion[:, 1:], frontal[:, 1:], atol=2e-3)
    assert motion[:, WIDTH + 1 :].min() > -0.1 and not motion[:, TONGUE].any()


def test_no_face_does_nothing(rig):
    assert not filmed_mouth(np.zeros((3, 478, 3), np.float32), 0, rig).any()
