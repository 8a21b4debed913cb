"""A head that the picture's edge cuts: nothing is drawn in from beyond, and nothing folds."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import FaceFrame
from skyreels_avatar.rig.mouth import make_look
from skyreels_avatar.rig.picture_edge import WIDE, keep_inside_picture, picture_edges
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels
from skyreels_avatar.rig.renderer import render
from skyreels_avatar.rig.warp import coarse_warp, field_nodes

SIZE = 200
# 14 pixels lie above the forehead's uppermost landmark, less than its hair needs.
LANDMARKS = torch.from_numpy(synthetic_landmarks((60.0, 20.0, 80.0, 95.0)))


def nod(degrees: float) -> torch.Tensor:
    """Return (1, 32) motion of a head that looks down and comes down."""
    motion = torch.zeros(1, NUM_MOTION)
    motion[0, MOTION_INDEX["pitch"]] = -torch.tensor(degrees).deg2rad()
    motion[0, MOTION_INDEX["shift_y"]] = 0.002 * degrees
    return motion


def test_edges_tell_how_far_inside_points_are() -> None:
    tilted = LANDMARKS.clone()
    tilted[:, 0] += 0.3 * (LANDMARKS[:, 1] - 80)
    tilted[:, 1] -= 0.3 * (LANDMARKS[:, 0] - 100)
    frame = FaceFrame.of(tilted[None])
    pixels = torch.tensor([[[0.0, 0.0], [30.0, 10.0], [SIZE, 70.0]]])
    edges = picture_edges(tilted[None], SIZE, SIZE)[0]
    inside = frame.from_pixels(pixels)[0] @ edges[:, :2].T + edges[:, 2]
    pixel = 1 / frame.height_px
    expected = torch.tensor([[0, 0, SIZE, SIZE], [30, 10, 170, 190], [SIZE, 70, 0, 130]])
    torch.testing.assert_close(inside, expected * pixel, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("degrees", [-14.0, 10.0, 14.0])
def test_what_is_drawn_comes_from_inside_the_picture(degrees: float) -> None:
    frame = FaceFrame.of(LANDMARKS[None])
    shape, values = FaceShape.of(frame.points), MotionValues(nod(degrees))
    edges = picture_edges(LANDMARKS[None], SIZE, SIZE)
    nodes = field_nodes(LANDMARKS)[None]
    inside = (nodes[0] @ edges[0, :, :2].T + edges[0, :, 2]).amin(-1) > 0

    def highest(warp) -> float:
        looked = frame.to_pixels(nodes + warp.both.permute(0, 2, 3, 1))
        return float(looked[0][inside][:, 1].min())

    pixels = 2.5  # a little more than a cell of the coarse grid
    assert highest(coarse_warp(shape, values, edges=edges)) > -pixels
    if degrees > 0:
        assert highest(coarse_warp(shape, values)) < -2 * pixels


def test_a_move_to_the_edge_is_whole_and_one_away_from_it_fades_without_folding() -> None:
    edges = torch.tensor([[[0.0, 1.0, 0.0, WIDE]]])
    points = torch.stack([torch.zeros(500), torch.linspace(0, 1, 500)], -1)[None]
    towards = torch.tensor([0.1, -0.2]).expand(1, 500, 2)
    torch.testing.assert_close(keep_inside_picture(towards, points, edges), towards)
    away = torch.tensor([0.1, 0.2]).expand(1, 500, 2)
    held = keep_inside_picture(away, points, edges)
    torch.testing.assert_close(held[..., 0], away[..., 0])
    assert held[0, 0, 1] == 0
    torch.testing.assert_close(held[0, 300:], away[0, 300:])  # 0.6 = three times the move
    steps = (points + held)[0, :, 1].diff()
    assert steps.min() > 0.9 * points[0, :, 1].diff().mean()


def test_a_nod_leaves_the_picture_whole_at_its_upper_edge() -> None:
    """Rows that differ from each other: were the edge repeated, drawn ones would not."""
    rows = torch.linspace(0, 1, SIZE)[:, None].expand(3, SIZE, SIZE)[None].contiguous()
    look = make_look(rows[0], LANDMARKS)
    clip = ReferenceClip(as_pixels(rows), LANDMARKS[None], torch.zeros(1), look)
    held = dataclasses.replace(clip, edges=picture_edges(LANDMARKS[None], SIZE, SIZE))

    def shades(clip: ReferenceClip) -> torch.Tensor:
        frames, matte = render(nod(14.0), clip)
        drawn = torch.where(matte, frames[:, :3], clip.frames[:, :3])
        return drawn[0, 0, :40, 100].float()

    assert (shades(held).diff() >= 0).all()
    assert shades(held)[0] <= 1
    assert (shades(clip).diff() < 0).any() or (shades(clip).diff() == 0).sum() > 10


def test_a_crown_below_the_edge_keeps_its_shape() -> None:
    """Heads with little air above them were drawn out to a cone, as if the edge held them."""
    person = torch.zeros(SIZE, SIZE)
    person[12:, 60:140] = 1
    edges = picture_edges(LANDMARKS[None], SIZE, SIZE, person)
    rows = torch.tensor([[[100.0, 0.0], [100.0, 6.0], [100.0, 13.0]]])
    points = FaceFrame.of(LANDMARKS[None]).from_pixels(rows)
    move = torch.tensor([0.0, 0.08]).expand(1, 3, 2)
    edge, air, crown = keep_inside_picture(move, points, edges)[0, :, 1].tolist()
    assert edge == 0 and 0.02 < air < 0.07 and crown > 0.0799
    person[:12, 80:120] = 1  # hair reaches the edge
    held = keep_inside_picture(move, points, picture_edges(LANDMARKS[None], SIZE, SIZE, person))
    assert float(held[0, 2, 1]) < 0.06
    assert float(edges[0, 3, 3]) == WIDE  # the torso is cut below


@pytest.mark.parametrize("away", [0.03, 0.1, 0.3])
def test_little_air_stretches_without_folding(away: float) -> None:
    edges = torch.tensor([[[0.0, 1.0, 0.0, 0.04]]])
    points = torch.stack([torch.zeros(2000), torch.linspace(0, 1, 2000)], -1)[None]
    moved = keep_inside_picture(torch.tensor([0.0, away]).expand(1, 2000, 2), points, edges)
    steps = moved[0, :, 1].diff() / points[0, :, 1].diff()
    assert float(moved[0, 0, 1]) == 0 and float(steps.min()) > -1e-3
    assert float(steps.max()) < 1.3  # what half steps still invert


@pytest.mark.parametrize("reach", [0.01, 0.5])
def test_one_frames_points_hold_as_those_of_each_frame(reach: float) -> None:
    """Edges that no point comes near are left out, and points of all frames are looked at once."""
    generator = torch.Generator().manual_seed(0)
    move = reach * torch.randn(3, 50, 2, generator=generator)
    points = 2 * torch.rand(1, 50, 2, generator=generator) - 1
    edges = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.6], [-0.8, 0.6, 9.0]])
    edges = torch.cat([edges, torch.full((3, 1), WIDE)], 1)[None]
    expected = move
    for normal, start in zip(edges[0, :, :2], edges[0, :, 2]):
        leaves = (expected * normal).sum(-1).clamp_min(0.0)
        inside = (points * normal).sum(-1) + start
        share = 1 - (inside / (3 * leaves).clamp_min(1e-4)).clamp(0, 1)
        tied = share * share * (3 - 2 * share)
        expected = expected - (leaves * tied)[..., None] * normal
    for given in (points, points.expand(3, -1, -1), points.repeat(3, 1, 1)):
        for held in (edges, edges.repeat(3, 1, 1)):  # those of a video differ
            assert torch.allclose(keep_inside_picture(move, given, held), expected, atol=1e-6)
