"""Laws of the renderer: what must hold for any face and any motion."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from skyreels_avatar.rig import reference_clip
from skyreels_avatar.rig.fields import (
    FaceShape,
)
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.geometry import EYES, FaceFrame
from skyreels_avatar.rig.reference_clip import PictureDetail, as_pixels
from skyreels_avatar.rig.renderer import crop_box, render, rest_motion
from tests.rig.faces import clip_of, difference, motion_of, random_motion


def test_the_motion_of_the_reference_gives_the_reference(landmarks: torch.Tensor) -> None:
    clip = clip_of(landmarks, 2)
    frames, _ = render(rest_motion(clip.landmarks), clip)
    assert difference(frames, clip.frames).max() < 1e-3


def test_an_open_mouth_of_the_reference_is_kept_at_rest(landmarks: torch.Tensor) -> None:
    opened = landmarks.clone()
    shape = FaceShape.of(FaceFrame.of(landmarks[None]).points)
    moved = move_points(shape, motion_of(lip_gap=0.06, jaw_drop=0.05))
    frame = FaceFrame.of(landmarks[None])
    opened[:, :2] = frame.to_pixels(moved)[0]
    clip = clip_of(opened, 1)
    rest = rest_motion(clip.landmarks)
    assert float(rest[0, 0]) > 0.04
    frames, _ = render(rest, clip)
    assert difference(frames, clip.frames).max() < 5e-3


def test_motion_fades_to_nothing_at_the_border_of_the_matte(landmarks: torch.Tensor) -> None:
    clip = clip_of(landmarks, 3)
    frames, matte = render(random_motion(3, seed=11), clip)
    outside = (~matte).expand_as(frames)
    assert outside.any()
    assert difference(frames, clip.frames)[outside].max() < 0.01
    assert difference(frames, clip.frames)[~outside].max() > 0.2


@pytest.mark.parametrize("with_detail", [None, "detail", "behind"])
def test_opencv_draws_what_pytorch_draws(
    landmarks: torch.Tensor, with_detail: str | None, monkeypatch
) -> None:
    """On a CPU positions are rounded to 1/32 of a pixel; nothing else differs."""
    clip = clip_of(landmarks, 2)
    if with_detail:
        height, width = clip.frames.shape[2:]
        picture = clip.frames[:1, :3] / 255
        texture = as_pixels(F.interpolate(picture, scale_factor=2, mode="bilinear"))
        nodes = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 5)] * 2, indexing="xy"))
        positions = nodes.expand(2, -1, -1, -1)
        span = (0.0, 0.0, float(width), float(height))
        detail = PictureDetail(texture, None, positions, span)
        if with_detail == "behind":
            texture[:, 3] = torch.linspace(0, 255, texture.shape[-1]).byte()
            detail = dataclasses.replace(detail, behind=255 - clip.frames[:1])
        clip = dataclasses.replace(clip, detail=detail)
    motion = random_motion(2, seed=4)
    fast, fast_matte = render(motion, clip)
    monkeypatch.setattr(reference_clip, "_with_opencv", lambda *_: False)
    exact, matte = render(motion, clip)
    assert torch.equal(fast_matte, matte)
    colors = difference(fast, exact)[:, :3]
    assert colors[matte.expand_as(colors)].max() < 0.02


def test_the_crop_box_holds_all_that_may_change(landmarks: torch.Tensor) -> None:
    left, top, right, bottom = crop_box(landmarks[None])
    _, matte = render(random_motion(1), clip_of(landmarks, 1))
    rows, columns = matte[0, 0].nonzero(as_tuple=True)
    assert left <= columns.min() + 0.5 and columns.max() + 0.5 <= right
    assert top <= rows.min() + 0.5 and rows.max() + 0.5 <= bottom


def test_what_stands_still_behind_a_blinking_head_stays(landmarks):
    """Colored noise beside the far eye of a turned head flashed with every blink.

    Beside the person the finer picture holds no color, and blinks looked up nothing else.
    """
    clip = clip_of(landmarks, 1)
    seeded = torch.Generator().manual_seed(0)
    texture = torch.randint(0, 255, clip.frames.shape, dtype=torch.uint8, generator=seeded)
    texture[:, 3] = 0  # nobody is there
    nodes = torch.tensor([[[[-1.0, 1.0], [-1.0, 1.0]], [[-1.0, -1.0], [1.0, 1.0]]]])
    height, width = clip.frames.shape[2:]
    behind = torch.full_like(clip.frames, 90)
    detail = PictureDetail(texture, None, nodes, (0.0, 0.0, width, height), behind)
    frames, _ = render(
        motion_of(blink_r=1.0, blink_l=0.6), dataclasses.replace(clip, detail=detail)
    )
    open_frames, _ = render(motion_of(), dataclasses.replace(clip, detail=detail))
    for eye in EYES:
        x, y = landmarks[[i for ring in eye for i in ring], :2].mean(0).round().int().tolist()
        part = (slice(None), slice(0, 3), slice(y - 8, y + 8), slice(x - 12, x + 12))
        assert (open_frames[part].int() - 90).abs().max() <= 1
        assert (frames[part].int() - 90).abs().max() <= 1
