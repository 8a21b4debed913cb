"""The face's own coordinates, and interpolation along its curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skyreels_avatar.rig.geometry import (
    GAP_PAIRS,
    FaceFrame,
    guess_teeth_edge,
    interpolate_columns,
    interpolate_curves,
    lip_gap,
    look_up_curves,
    select_frames,
    smoothstep,
    tabulate_curves,
)


def test_face_coordinates_do_not_depend_on_place_size_and_roll(landmarks):
    sine, cosine = math.sin(0.3), math.cos(0.3)
    turn = torch.tensor([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1.0]])
    moved = 1.7 * landmarks @ turn + torch.tensor([40.0, -9.0, 3.0])
    one, other = FaceFrame.of(landmarks[None]), FaceFrame.of(moved[None])
    torch.testing.assert_close(one.points, other.points, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(other.height_px, 1.7 * one.height_px)
    between = one.points[0, [61, 291], :2].mean(0)
    torch.testing.assert_close(between, torch.zeros(2), atol=1e-5, rtol=0)
    assert float((one.points[0, 152] - one.points[0, 10])[1]) == pytest.approx(1.0, abs=1e-5)


def test_pixels_and_face_coordinates_are_inverse(landmarks):
    frame = FaceFrame.of(torch.stack([landmarks, 1.3 * landmarks]))
    pixels = 100 * torch.rand(1, 4, 5, 2)
    there = frame.from_pixels(pixels)
    assert there.shape == (2, 4, 5, 2)
    back = frame.to_pixels(there)
    torch.testing.assert_close(back, pixels.expand(2, -1, -1, -1), atol=1e-3, rtol=1e-4)


def test_a_face_that_hardly_deforms_is_averaged(landmarks):
    noise = 0.02 * torch.randn(3, 478, 3, generator=torch.Generator().manual_seed(0))
    assert len(FaceFrame.of(landmarks + noise).averaged_if_still()) == 1
    opened = landmarks.repeat(2, 1, 1)
    opened[1, 14, 1] += 20
    assert len(FaceFrame.of(opened).averaged_if_still()) == 2


def test_the_lip_gap_is_a_mean_and_never_negative():
    points = torch.zeros(2, 478, 3)
    points[0, [low for _, low in GAP_PAIRS], 1] = torch.tensor([0.03, 0.06, 0.0])
    points[1, [up for up, _ in GAP_PAIRS], 1] = 0.02
    torch.testing.assert_close(lip_gap(points), torch.tensor([0.03, 0.0]))


def test_polylines_are_interpolated_as_numpy_does_and_held_beyond_their_ends(rng):
    positions = np.sort(rng.random((2, 7)), axis=1)
    values, others = rng.random((2, 2, 7))
    query = np.linspace(-0.2, 1.2, 33)[None].repeat(2, 0)
    tensors = [torch.from_numpy(array) for array in (query, positions, values, others)]
    found = interpolate_curves(*tensors)
    for curve, each in zip((values, others), found):
        expected = np.stack([np.interp(*row) for row in zip(query, positions, curve)])
        np.testing.assert_allclose(each.numpy(), expected, atol=1e-3)  # columns are spread by 1e-5
    assert torch.equal(interpolate_columns(*tensors[:3]), found[0])


def test_a_smooth_step_rises_or_falls_and_is_flat_beyond():
    at = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert smoothstep(0.0, 1.0, at).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert smoothstep(1.0, 0.0, at).tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_tables_of_curves_say_what_the_curves_say():
    generator = torch.Generator().manual_seed(2)
    curves = []
    for _ in range(3):
        columns = torch.rand(1, 9, generator=generator).sort(1).values
        curves.append((columns, torch.randn(1, 9, generator=generator).cumsum(1) / 9))
    query = 1.4 * torch.rand(4, 200, generator=generator) - 0.2
    found = look_up_curves(query, *tabulate_curves(*curves))
    for value, curve in zip(found, curves):
        steepest = (curve[1].diff() / curve[0].diff()).abs().max()
        expected = interpolate_columns(query, *curve)
        assert float((value - expected).abs().max()) < float(steepest) / 512


def test_selected_frames_are_those_of_the_whole(landmarks):
    stack = landmarks + torch.arange(5.0)[:, None, None]
    some, whole = FaceFrame.of(stack[1:3]), FaceFrame.of(stack)
    selected = whole.select(slice(1, 3))
    torch.testing.assert_close(selected.points, some.points)
    torch.testing.assert_close(selected.axes, some.axes)
    one = FaceFrame.of(stack[:1])
    assert select_frames(one, slice(0, 1)).origin is one.origin


def test_the_teeth_end_at_the_lower_lip_of_a_smile_and_near_the_upper_lip_of_a_shut_mouth():
    points = torch.zeros(478, 3)
    assert guess_teeth_edge(points).item() == pytest.approx(0.015)
    points[14, 1] = 0.05
    assert guess_teeth_edge(points).item() == pytest.approx(0.046)
    points[14, 1] = 0.12
    assert guess_teeth_edge(points).item() == pytest.approx(0.055)
