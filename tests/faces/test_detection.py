"""Anchors, decoding and suppression."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces.detection import Grid, decode, overlaps, suppress


@pytest.mark.parametrize(
    ("grid", "count"),
    [
        (Grid(128, (8, 16, 16, 16), 2, 6), 896),
        (Grid(192, (4,), 1, 6), 2304),
        (Grid(192, (8, 16, 16, 16), 2, 7), 2016),
    ],
)
def test_anchors_stand_in_the_middle_of_their_cells_row_after_row(grid, count):
    centers = grid.centers
    assert centers.shape == (count, 2)
    assert (centers[0] == grid.strides[0] / 2).all()
    assert (centers[-1] == grid.size - grid.strides[-1] / 2).all()
    step = centers[grid.per_cell] - centers[0]
    assert tuple(step) == (grid.strides[0], 0)


def test_boxes_are_measured_from_their_anchor():
    grid = Grid(8, (4,), 1, 1)  # anchors at 2 and 6
    raw = np.zeros((4, 6), np.float32)
    raw[1] = (1, -1, 4, 2, 0.5, 3)  # of the anchor at (6, 2)
    raw[2] = (0, 0, -4, 2, 0, 0)  # a box without an area
    boxes, keypoints, scores = decode(raw, np.array([-9.0, 2.0, 9.0, -9.0]), grid, 0.5)
    assert boxes.tolist() == [[5, 0, 4, 2]]
    assert keypoints.tolist() == [[[6.5, 5]]]
    assert scores == pytest.approx([1 / (1 + np.exp(-2))])


def test_logits_beyond_all_bounds_are_sure_and_no_overflow():
    grid = Grid(4, (4,), 1, 0)
    with np.errstate(all="raise"):
        _, _, scores = decode(np.ones((1, 4)), np.array([1e4]), grid, 0.5)
        none = decode(np.ones((1, 4)), np.array([-1e4]), grid, 0.5)
    assert scores[0] == 1 and len(none[0]) == 0


def test_boxes_of_one_face_are_averaged_by_their_scores():
    boxes = np.array([[0, 0, 10, 10], [100, 0, 10, 10], [2, 0, 10, 10]], float)
    keypoints = boxes[:, None, :2]
    first, second = suppress(boxes, keypoints, np.array([0.9, 0.7, 0.3]))
    assert first[0] == pytest.approx([0.5, 0, 10, 10]) and first[2] == 0.9
    assert first[1][0] == pytest.approx([0.5, 0])
    assert second[0].tolist() == [100, 0, 10, 10]


def test_a_box_without_an_area_stands_alone():
    boxes = np.zeros((2, 4))
    assert len(suppress(boxes, np.zeros((2, 0, 2)), np.array([0.9, 0.8]))) == 2
    assert overlaps(boxes[0], boxes).tolist() == [0, 0]
