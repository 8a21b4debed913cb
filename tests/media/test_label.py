"""Labels are legible, stay in the picture, and are refused where letters are missing."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.label import MAX_LABEL, check_label, draw_label


@pytest.mark.parametrize("size", [(96, 96), (512, 512), (1280, 720), (480, 832)])
def test_a_label_stands_in_the_lower_left_corner(size):
    frames = np.full((2, *size, 3), 200, np.uint8)
    changed = (draw_label(frames, "AI-generated") != frames).any((0, 3))
    rows, columns = np.nonzero(changed.any(1))[0], np.nonzero(changed.any(0))[0]
    assert rows.min() > size[0] / 2 and rows.max() < size[0] - 2
    assert 2 < columns.min() < size[1] / 4 and columns.max() < size[1] - 2
    assert (frames == 200).all()


@pytest.mark.parametrize("background", [0, 255])
def test_a_label_is_legible_on_black_and_on_white(background):
    frames = np.full((1, 256, 256, 3), background, np.uint8)
    drawn = draw_label(frames, "AI-generated")[0, 200:, :, 0]
    assert drawn.max() > 240 and (drawn < 130).mean() > 0.05


@pytest.mark.parametrize(
    "label", ["", "  ", "two\nlines", "x" * (MAX_LABEL + 1), "\u4eba\u5de5", "g\xe9n\xe9r\xe9"]
)
def test_labels_that_cannot_be_drawn_are_refused(label):
    with pytest.raises(InputError, match="label"):
        check_label(label)


def test_what_is_missing_is_named():
    with pytest.raises(InputError, match="cannot draw: \xe9; use"):
        check_label("g\xe9n\xe9r\xe9")
    check_label('AI-generated (100 %), 2026: "yes" & more')
