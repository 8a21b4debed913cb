"""Pictures are drawn ahead, those that will be wanted, and each once."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.live.batches import Batches
from skyreels_avatar.live.scene import Piece
from skyreels_avatar.live.worker import Worker, done


class Scene:
    """Draws all that is asked for together."""

    def pieces(self, frames):
        return [Piece(list(frames), None, range(len(frames)))] if frames else []


class Drawn:
    """Batches of four frames after the first, whose pictures hold their number."""

    def __init__(self):
        self.drawn, self.asked = [], []
        self._worker = Worker("test")
        self.batches = Batches(Scene(), self._perform, self._draw, self._worker)

    def _perform(self, first):
        self.asked.append(first)
        return done(None), 1 if first == 0 else first + 4 - (first - 1) % 4

    def _draw(self, piece, passage):
        self.drawn.append(piece.frames)
        return np.array(piece.frames)[:, None, None, None] * np.ones((1, 2, 2, 3))

    def read(self, frame, wanted=True):
        self.batches.advance(frame)
        picture = self.batches.picture(frame, wanted)
        return None if picture is None else int(picture[0, 0, 0])


def test_frames_come_in_order_and_the_next_ones_were_asked_for():
    drawn = Drawn()
    for frame in range(14):
        assert drawn.read(frame) == frame
        assert drawn.asked[-1] > frame
    assert [0] in drawn.drawn and [5, 6, 7, 8] in drawn.drawn
    every = [frame for frames in drawn.drawn for frame in frames]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("every", [2, 3, 5])
def test_of_a_rhythm_only_the_pictures_that_are_wanted_are_drawn(every):
    drawn = Drawn()
    for frame in range(60):
        wanted = frame % every == 0
        assert drawn.read(frame, wanted) == (frame if wanted else None)
    late = [frame for frames in drawn.drawn for frame in frames if frame > 20]
    assert late and all(frame % every == 0 for frame in late)
    for frame in range(60, 80):  # and all of them again
        assert drawn.read(frame) == frame


def test_what_was_drawn_is_forgotten_when_it_is_dropped():
    drawn = Drawn()
    for frame in range(7):
        drawn.read(frame)
    drawn.batches.drop()
    for frame in range(4, 12):
        assert drawn.read(frame) == frame
    assert 4 in drawn.asked and drawn.asked.count(9) == 2
