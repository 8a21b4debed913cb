"""Faces, clips and coefficients that the tests of the rig share."""

from __future__ import annotations

from dataclasses import replace

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_NAMES, MOTION_RANGE, NUM_MOTION
from skyreels_avatar.rig.mouth import make_look
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels

HEIGHT, WIDTH = 300, 280


def smooth_picture(num_frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic").clamp(0, 1)
    return picture.expand(num_frames, -1, -1, -1)


def random_motion(number: int, seed: int = 0, share: float = 0.7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.tensor([MOTION_RANGE[name][0] for name in MOTION_NAMES]) * share
    high = torch.tensor([MOTION_RANGE[name][1] for name in MOTION_NAMES]) * share
    return low + (high - low) * torch.rand(number, NUM_MOTION, generator=generator)


def motion_of(**numbers: float) -> torch.Tensor:
    motion = torch.zeros(1, NUM_MOTION)
    for name, value in numbers.items():
        motion[0, MOTION_INDEX[name]] = value
    return motion


def clip_of(landmarks: torch.Tensor, num_frames: int) -> ReferenceClip:
    frames = smooth_picture(num_frames)
    look = make_look(frames[0], landmarks)
    look = replace(look, eyes=None)  # a pattern can look like dark glasses
    stack = landmarks.expand(num_frames, -1, -1)
    return ReferenceClip(as_pixels(frames), stack, torch.arange(num_frames).float(), look)


def turned_by(angle: float, landmarks: torch.Tensor) -> torch.Tensor:
    """Return (478, 3) landmarks of a head turned by radians to the right of the picture."""
    turned, middle, angle = landmarks.clone(), landmarks.mean(0), torch.tensor(angle)
    x, z = landmarks[:, 0] - middle[0], landmarks[:, 2] - middle[2]
    turned[:, 0] = middle[0] + angle.cos() * x - angle.sin() * z
    turned[:, 2] = middle[2] + angle.sin() * x + angle.cos() * z
    return turned


def difference(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return how far pixels are apart, as a share of the whole range."""
    return (first.float() - second.float()).abs() / 255
