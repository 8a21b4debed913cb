"""A drawn eye shuts to a lash line on clean skin, and opens as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.drawn_eyes import undo_drawn_eye
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import EYES, IRISES, FaceFrame
from skyreels_avatar.rig.renderer import render, rest_motion
from tests.drawings import INK, SKIN, draw_face
from tests.rig.test_drawn_style import clip_of

DRAWING = draw_face()


def shown(**coefficients: float) -> np.ndarray:
    clip = clip_of(DRAWING)
    motion = rest_motion(clip.landmarks)
    for name, value in coefficients.items():
        motion[:, MOTION_INDEX[name]] = value
    frames, matte = render(motion, clip)
    picture = frames[0, :3].permute(1, 2, 0).numpy()
    return np.where(matte[0, 0].numpy()[..., None], picture, DRAWING.pixels).astype(int)


@pytest.mark.parametrize("eye", [0, 1])
def test_a_blink_leaves_a_line_and_skin(eye):
    """It erased the eye and left its outline, or smeared what is below it over the lid."""
    picture = shown(blink_r=1.0, blink_l=1.0)
    x, y, half_width, half_height = DRAWING.eyes[eye].astype(int)
    area = picture[y - half_height - 2 : y + half_height + 4, x - half_width : x + half_width]
    is_skin = np.abs(area - SKIN).sum(-1) < 60
    is_ink = np.abs(area - INK).sum(-1) < 150
    assert is_skin.mean() > 0.7
    assert is_ink[:, half_width].any() and is_ink.any(0).mean() > 0.75  # from corner to corner
    assert (area[..., 2] - area[..., 0]).max() < 60  # nothing of the blue iris


def test_a_slight_blink_shows_no_other_skin_above_the_lashes():
    """A bright row of the cheek lay along the upper lid of eyes that were all but open."""
    shape = FaceShape.of(FaceFrame.of(clip_of(DRAWING).landmarks).points)
    upper, lower = (shape.points[0, index, :2] for index in (159, 145))
    column = torch.lerp(upper + 1.5 * (upper - lower), lower, torch.linspace(0, 0.75, 200)[:, None])
    motion = torch.zeros(1, NUM_MOTION)
    motion[:, MOTION_INDEX["blink_r"]] = 0.12
    looked = undo_drawn_eye(column[None], 0, shape, MotionValues(motion))
    assert float(looked[0, :, 1].max()) < float(lower[1])


def test_an_open_eye_is_the_drawing_s_own():
    assert np.abs(shown() - DRAWING.pixels).mean() < 0.2


def test_a_gaze_moves_the_iris_and_not_the_rim():
    x, y, half_width, _ = DRAWING.eyes[0].astype(int)
    before, after = DRAWING.pixels.astype(int), shown(gaze_x=0.2)
    row = slice(x - half_width - 3, x + half_width + 3)
    blue = [(p[y + 2, row, 2] - p[y + 2, row, 0] > 60).nonzero()[0].mean() for p in (before, after)]
    assert blue[1] - blue[0] > 3
    rim = [x - half_width, x + half_width - 1]
    assert np.abs(after[y, rim] - before[y, rim]).max() < 90


def test_half_shut_lids_cover_the_upper_part_only():
    x, y, _, half_height = DRAWING.eyes[0].astype(int)
    picture = shown(blink_r=0.5)
    assert np.abs(picture[y - half_height + 8, x] - SKIN).sum() < 60
    below = slice(y + 10, y + half_height - 2)
    assert np.abs(picture[below, x] - DRAWING.pixels[below, x]).mean() < 25


def large_eyes(offset: float = 0.0) -> FaceShape:
    """Return a face whose eyes are round, 0.24 H wide, with irises of radius 0.06 H."""
    points = FaceFrame.of(clip_of(DRAWING).landmarks).points.clone()
    for (upper, lower, *_), iris in zip(EYES, IRISES):
        middle = points[0, [*upper, *lower], :2].mean(0)
        turn = torch.linspace(torch.pi, 2 * torch.pi, len(upper))
        ring = 0.12 * torch.stack([turn.cos(), turn.sin()], -1)
        points[0, list(upper), :2] = middle + ring
        points[0, list(lower), :2] = middle + ring * torch.tensor([1.0, -1.0])
        around = torch.tensor([[0.0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]])
        points[0, list(iris), :2] = middle + torch.tensor([offset, 0.0]) + 0.06 * around
    return FaceShape.of(points)


@pytest.mark.parametrize("gaze", [-0.12, 0.1])
def test_an_iris_that_slides_stays_round_and_leaves_nothing_behind(gaze):
    """Points near a lid stayed: slivers of the iris were left where it had been."""
    shape, radius = large_eyes(), 0.06
    center = shape.points[0, IRISES[0][0], :2]
    ways = torch.linspace(-0.105, 0.105, 106)
    grid = torch.stack(torch.meshgrid(ways, ways, indexing="xy"), -1).flatten(0, 1)
    grid = grid[grid.norm(dim=-1) < 0.1]
    motion = torch.zeros(1, NUM_MOTION)
    motion[:, MOTION_INDEX["gaze_x"]] = gaze
    looked = undo_drawn_eye((center + grid)[None], 0, shape, MotionValues(motion))[0] - center
    moved = torch.tensor([0.24 * gaze, 0.0])
    on_iris = (grid - moved).norm(dim=-1) < radius
    torch.testing.assert_close(looked[on_iris], (grid - moved)[on_iris], atol=1e-3, rtol=0)
    beside = (grid - moved).norm(dim=-1) > 1.1 * radius
    seen = (looked.norm(dim=-1) < 0.98 * radius) & beside & (grid[:, 1].abs() < 0.09)
    assert not bool(seen.any())


def test_eyes_look_together_and_only_where_there_is_white():
    """An iris at the corner of its eye had no white to leave behind: its lid's line was drawn."""
    still = torch.linspace(-0.04, 0.04, 21)[:, None] * torch.tensor([1.0, 0.0])
    for offset, moves in ((0.0, 0.03), (0.055, 0.0)):
        shape = large_eyes(offset)
        motion = torch.zeros(1, NUM_MOTION)
        motion[:, MOTION_INDEX["gaze_x"]] = -0.125
        slides = []
        for eye, iris in enumerate(IRISES):
            points = (shape.points[0, iris[0], :2] - torch.tensor([moves, 0.0]) + still)[None]
            looked = undo_drawn_eye(points, eye, shape, MotionValues(motion))
            slides.append((looked - points)[0, :, 0])
        torch.testing.assert_close(slides[0], slides[1], atol=1e-4, rtol=0)
        torch.testing.assert_close(slides[0], torch.full((21,), moves), atol=1e-3, rtol=0)


def test_a_lid_that_is_raised_stretches_the_white_and_not_the_iris():
    """Surprised cartoons had irises like eggs."""
    shape = large_eyes()
    center = shape.points[0, IRISES[0][0], :2]
    column = torch.linspace(-0.13, 0.05, 181)[:, None] * torch.tensor([0.0, 1.0])
    motion = torch.zeros(1, NUM_MOTION)
    motion[:, MOTION_INDEX["squint"]] = -1.0
    looked = undo_drawn_eye((center + column)[None], 0, shape, MotionValues(motion))[0] - center
    on_iris = column[:, 1] > -0.06
    torch.testing.assert_close(looked[on_iris], column[on_iris], atol=1e-4, rtol=0)
    above = (column[:, 1] > -0.12) & (column[:, 1] < -0.07)
    assert bool((looked[above, 1] > column[above, 1] + 1e-3).all())
    assert bool((looked[:, 1].diff() > -1e-6).all())  # no fold
