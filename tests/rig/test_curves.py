"""Smooth curves, coverage of pixels, and boxes round landmarks."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.curves import box_pixels, coverage, pixel_box, refine, steepness
from skyreels_avatar.rig.geometry import FaceFrame


def test_a_refined_curve_goes_through_its_points_and_keeps_lines():
    values = torch.tensor([[0.0, 1.0, 0.5, 2.0, 2.0]])
    fine = refine(values, 4)
    assert fine.shape == (1, 17)
    torch.testing.assert_close(fine[:, ::4], values)
    line = torch.linspace(0, 1, 6)[None]
    torch.testing.assert_close(refine(line, 5), torch.linspace(0, 1, 26)[None])


def test_coverage_is_the_share_of_a_pixel_between_two_edges():
    rows = torch.tensor([[0.5, 1.5, 2.5, 3.5]])
    upper, lower = torch.full((1, 4), 1.25), torch.full((1, 4), 3.0)
    found = coverage(rows, upper, lower, torch.tensor(1.0))
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.75, 1.0, 0.0]]))
    assert coverage(rows, lower, upper, torch.tensor(1.0)).sum() == 0  # crossed edges hold nothing


def test_a_box_holds_all_points_and_ends_at_the_picture(landmarks):
    frame = FaceFrame.of(landmarks[None])
    points = landmarks[None, :, :2]
    box = pixel_box(points, frame, 0.1, 300, 280)
    pixels = box_pixels(box, points)
    assert pixels.shape[1:3] == (box[2].stop - box[2].start, box[3].stop - box[3].start)
    low, high = pixels.amin((0, 1, 2)), pixels.amax((0, 1, 2))
    assert (low <= points.amin((0, 1))).all() and (high >= points.amax((0, 1))).all()
    assert low.tolist() == [box[3].start + 0.5, box[2].start + 0.5]
    wide = pixel_box(points, frame, 100.0, 300, 280)
    assert (wide[2], wide[3]) == (slice(0, 300), slice(0, 280))
    assert pixel_box(points + 1000, frame, 0.1, 300, 280) is None


def test_a_steep_edge_is_drawn_as_soft_as_a_flat_one():
    """The far side of a mouth seen from the side had steps: there its edges are nearly upright."""
    columns = torch.linspace(0.0, 10.0, 11)[None]
    assert float((steepness(columns, torch.zeros(1, 11)) - 1).abs().max()) == 0
    steep = steepness(columns, 4 * columns)
    torch.testing.assert_close(steep, torch.full_like(steep, 17**0.5))
    row = torch.full((1, 11), 20.5)
    covered = coverage(row, 4 * columns, torch.full((1, 11), 99.0), (steep, torch.ones(1, 11)))
    assert ((covered > 0.05) & (covered < 0.95)).sum() >= 1
    assert (covered.diff() <= 0).all()
