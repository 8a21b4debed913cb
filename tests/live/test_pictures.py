"""Pictures are drawn with those that will be wanted after them, and each once."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.live.pictures import Pictures
from skyreels_avatar.live.scene import Piece


class Scene:
    """Draws all that is asked for together."""

    def pieces(self, frames):
        return [Piece(list(frames), None, range(len(frames)))] if frames else []


class Drawn:
    """Pictures of windows of four frames after the first, which hold their number."""

    def __init__(self):
        self.drawn = []
        self.pictures = Pictures(Scene(), self._draw)

    def _draw(self, piece, passage):
        self.drawn.append(piece.frames)
        return np.array(piece.frames)[:, None, None, None] * np.ones((1, 2, 2, 3))

    def read(self, frame):
        stop = 1 if frame == 0 else frame + 4 - (frame - 1) % 4
        return int(self.pictures.read(frame, stop, None)[0, 0, 0])


def test_those_of_a_window_are_drawn_together():
    drawn = Drawn()
    assert [drawn.read(frame) for frame in range(14)] == list(range(14))
    assert drawn.drawn[:3] == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.mark.parametrize("every", [2, 3, 5])
def test_of_a_rhythm_only_the_pictures_that_are_wanted_are_drawn(every):
    drawn = Drawn()
    for frame in range(0, 60, every):
        assert drawn.read(frame) == frame
    late = [frame for frames in drawn.drawn for frame in frames if frame > 20]
    assert late and all(frame % every == 0 for frame in late)
    for frame in range(60, 80):  # and all of them again
        assert drawn.read(frame) == frame


def test_what_was_drawn_is_forgotten_when_it_is_dropped():
    drawn = Drawn()
    for frame in range(7):
        drawn.read(frame)
    drawn.pictures.drop()
    for frame in range(5, 12):
        assert drawn.read(frame) == frame
    assert drawn.drawn.count([5, 6, 7, 8]) == 2
