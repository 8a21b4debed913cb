"""What is drawn between the lips."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.far_lips import far_reach
from skyreels_avatar.rig.fields import FaceShape, LipOutline, MotionValues
from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER, interpolate_columns
from skyreels_avatar.rig.mouth import fitted_decoder, mouth_interior, patch_axes
from skyreels_avatar.rig.mouth_layer import crease, open_mouth, part_lips
from skyreels_avatar.rig.warp import PosedFace
from tests.rig.faces import clip_of, motion_of, random_motion, turned_by


def test_a_shut_mouth_shows_nothing_of_its_inside(shape: FaceShape) -> None:
    motion = random_motion(8, seed=5)
    for name in ("lip_gap", "tuck", "tongue"):  # f shows teeth and th the tongue
        motion[:, MOTION_INDEX[name]] = 0.0
    columns = patch_axes()[0].expand(8, -1)
    upper, lower = LipOutline.of(shape, MotionValues(motion)).at(columns)
    assert float((lower - upper).max()) < 1e-3


def test_a_wide_grin_is_shut_beyond_its_corners(landmarks: torch.Tensor) -> None:
    """Of a mouth wider than the patch a slit went on across the cheeks."""
    wide = landmarks.clone()
    center, span = wide[[61, 291], 0].mean(), float(wide[152, 1] - wide[10, 1])
    lips = sorted({*INNER_UPPER, *INNER_LOWER, 61, 291})
    wide[lips, 0] = center + (wide[lips, 0] - center) * 0.46 * span / (wide[291, 0] - wide[61, 0])
    clip, motion = clip_of(wide, 1), random_motion(1) * 0
    for name, value in (("lip_gap", 0.11), ("width", 0.16), ("smile", 0.4)):
        motion[0, MOTION_INDEX[name]] = value
    face = PosedFace.of(clip, motion)
    corners = face.lips.upper[0, [0, -1], 0]
    assert float(corners.abs().min()) > 0.225
    x = torch.cat([corners[:1] - 0.03, corners[1:] + 0.03])
    y = torch.linspace(-0.1, 0.1, 81)
    points = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
    _, alpha = open_mouth(part_lips(points, face).at, face, clip)
    assert float(alpha.max()) < 0.01


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_mouth_seen_from_the_side_ends_with_its_lips(landmarks: torch.Tensor, side) -> None:
    """Beside the lips of a profile a black block was painted over the background."""
    turned = turned_by(side * 1.1, landmarks)
    clip = clip_of(turned, 1)
    face = PosedFace.of(clip, motion_of(lip_gap=0.11, jaw_drop=0.08))
    lips = torch.cat([face.lips.upper, face.lips.lower], 1)[0, :, 0]
    x, y = torch.linspace(-0.4, 0.4, 161), torch.linspace(-0.1, 0.15, 81)
    points = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
    _, alpha = open_mouth(part_lips(points, face).at, face, clip)
    beside = (x < lips.min() - 0.015) | (x > lips.max() + 0.015)
    assert float(alpha[0, 0].max()) > 0.9
    assert float(alpha[0, 0][:, beside].max()) < 0.01


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_an_opening_that_lips_round_the_teeth_hide_ends_round(landmarks, side) -> None:
    """It was a block, cut upright along the far end."""
    clip = clip_of(turned_by(side * 0.9, landmarks), 1)
    face = PosedFace.of(clip, motion_of(lip_gap=0.11, jaw_drop=0.08))
    far = 0 if side < 0 else -1
    end = face.lips.upper[0, far, 0]
    columns = end - side * torch.tensor([0.002, 0.01, 0.03])
    upper, lower = face.lips.at(columns[None])
    points = torch.stack(torch.meshgrid(torch.linspace(-0.1, 0.15, 501), columns, indexing="ij"))
    at = points.flip(0).permute(1, 2, 0)[None]
    _, alpha = open_mouth(at, face, clip)
    heights = alpha[0, 0].sum(0) * 0.25 / 500
    parted = (lower - upper)[0]
    assert float(parted[0]) > 0.03  # the lips part there
    assert float(heights[0] / parted[0]) < 0.6
    assert float(heights[0]) < float(heights[1]) < float(heights[2])


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_no_skin_beyond_the_other_lip_is_seen_where_far_lips_part(landmarks, side) -> None:
    """A streak of the background stood beside an open mouth."""
    clip = clip_of(turned_by(side * 0.9, landmarks), 1)
    face = PosedFace.of(clip, motion_of(lip_gap=0.11, jaw_drop=0.08))
    shape, far = face.shape, 0 if side < 0 else -1
    beyond = float(far_reach(shape.points, shape.lip_x)[0, far])
    assert beyond > 0.005
    x = shape.lip_x[0, far] + side * beyond * torch.tensor([0.1, 0.5])
    points = torch.stack(torch.meshgrid(torch.linspace(-0.05, 0.08, 261), x, indexing="ij"))
    parted = part_lips(points.flip(0).permute(1, 2, 0)[None], face)
    source, at = parted.source, parted.at
    line = face.lips.line(at[..., 0].flatten(1)).reshape(at.shape[:3])
    below, level = at[..., 1] > line, shape.upper_y[0, far]
    assert float(source[..., 1][~below].max() - level) < 0.008
    assert float(level - source[..., 1][below].min()) < 0.008


def test_the_line_between_lips_has_no_steps(landmarks: torch.Tensor) -> None:
    """Each pixel was of one lip as a whole: where lips roll in, their line was a row of steps."""
    clip = clip_of(landmarks, 1)
    face = PosedFace.of(clip, motion_of(press=1.0, smile=0.5))
    step = 0.005
    x, y = torch.arange(-0.1, 0.1, step), torch.arange(-0.06, 0.06, step)
    points = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
    parted = part_lips(points, face)
    line = face.lips.line(parted.at[0, :, :, 0].flatten()[None]).reshape(len(y), len(x))
    below = parted.at[0, ..., 1] > line
    share = torch.zeros(len(y), len(x))
    share[parted.rows] = parted.share[0, 0]
    covered = torch.where(below, 1 - share, share).sum(0)  # pixels of each column
    shown = y[-1] + step / 2 - step * covered
    moved = (points - parted.at)[0, 0, 0, 1]  # the head alone, which is still
    assert float((shown - line[0] - moved).abs().max()) < 0.15 * step
    assert 0 < int((share > 0).sum()) < 3 * len(x)


@pytest.mark.parametrize("gap", [0.0, 0.02])
def test_lips_show_nothing_of_what_lies_between_them_in_the_picture(landmarks, gap) -> None:
    """Teeth of a grin that shut stood on its lips as a row of dots."""
    opened = landmarks.clone()
    opened[list(INNER_LOWER[1:-1]), 1] += 0.06 * float(landmarks[152, 1] - landmarks[10, 1])
    clip = clip_of(opened, 1)
    face = PosedFace.of(clip, motion_of(lip_gap=gap, press=0.6))
    shape = face.shape
    x = torch.linspace(float(shape.lip_x[0, 3]), float(shape.lip_x[0, 7]), 33)
    y = torch.linspace(-0.08, 0.1, 181)
    points = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
    parted = part_lips(points, face)
    upper, lower = (
        interpolate_columns(parted.source[0, ..., 0].flatten()[None], shape.lip_x, edge)[0]
        for edge in (shape.upper_y, shape.lower_y)
    )
    rows = parted.source[0, ..., 1].flatten()
    between = (rows > upper + 0.002) & (rows < lower - 0.002)
    line = face.lips.line(parted.at[0, :, :, 0].flatten()[None])[0]
    near = (parted.at[0, ..., 1].flatten() - line).abs() < 0.05
    assert int(near.sum()) > 1000
    assert not bool((between & near).any())


@pytest.mark.parametrize(("gap", "lines"), [(0.0, True), (0.03, False), (0.06, False)])
def test_lips_that_the_picture_parts_shut_in_a_line(landmarks, gap, lines) -> None:
    """Shut grins showed a jagged row of teeth along the seam of the lips."""
    opened = landmarks.clone()
    opened[list(INNER_LOWER[1:-1]), 1] += 0.06 * float(landmarks[152, 1] - landmarks[10, 1])
    clip = clip_of(opened, 1)
    face = PosedFace.of(clip, motion_of(lip_gap=gap))
    middle = torch.tensor([[0.0]])
    upper, lower = face.lips.at(middle)
    points = torch.stack([middle, (upper + lower) / 2], -1)[:, None]
    _, alpha = open_mouth(points, face, clip)
    light = crease(points, face)
    if lines:
        assert float(alpha) < 0.05
        assert light.flatten().tolist() == pytest.approx([0.61, 0.37, 0.37], abs=0.05)
    else:  # between lips that are apart is the mouth's inside
        assert float(alpha) > 0.95 and light is None


@pytest.mark.parametrize("filmed", [False, True])
def test_lower_teeth_do_not_rise_with_the_upper_ones_when_lips_round(
    landmarks: torch.Tensor, monkeypatch, filmed: bool
) -> None:
    """They filled the mouth of an o in footage, a gray slab, once rounded lips hid the upper."""
    decoder, laid = fitted_decoder(landmarks.device), []

    def lay_out(upper, lower, motion, look):
        mouth = decoder.lay_out(upper, lower, motion, look, *patch_axes())
        laid.append((float(mouth.edge.max()), float(mouth.low_edge[..., 60:68].median())))
        return mouth_interior(upper, lower, motion, look)

    monkeypatch.setattr("skyreels_avatar.rig.mouth_layer.mouth_interior", lay_out)
    clip = replace(clip_of(landmarks, 1), has_own_motion=filmed)
    for pucker in (0.0, 1.0):
        face = PosedFace.of(clip, motion_of(lip_gap=0.05, jaw_drop=0.03, pucker=pucker))
        x, y = torch.linspace(-0.1, 0.1, 41), torch.linspace(-0.1, 0.1, 41)
        points = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
        open_mouth(part_lips(points, face).at, face, clip)
    (upper, lower), (upper_round, lower_round) = laid
    assert upper_round < upper - 0.015
    assert lower_round == pytest.approx(lower, abs=1e-4)
