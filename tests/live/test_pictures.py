"""Pictures are drawn with those that will be wanted after them, and each once."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from skyreels_avatar.live.pictures import SETTLED_FRAMES, Pictures, Rhythm


class Drawn:
    """Pictures of windows of four frames after the first, which hold their number."""

    def __init__(self):
        self.drawn = []
        self.pictures = Pictures(self._draw)

    def _draw(self, frames, passage):
        self.drawn.append(list(frames))
        pictures = Future()
        pictures.set_result({frame: np.full((2, 2, 3), frame) for frame in frames})
        return pictures

    def read(self, frame):
        stop = 1 if frame == 0 else frame + 4 - (frame - 1) % 4
        return int(self.pictures.read(frame, stop, None).result()[0, 0, 0])


def test_those_of_a_window_are_drawn_together():
    drawn = Drawn()
    assert [drawn.read(frame) for frame in range(14)] == list(range(14))
    assert drawn.drawn[:3] == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]


def test_pictures_of_a_window_that_is_being_drawn_are_told_from_those_that_are_not_asked_for():
    drawn = Drawn()
    for frame in range(2):
        drawn.read(frame)
    assert [drawn.pictures.is_asked(frame) for frame in range(1, 6)] == [False, *3 * [True], False]
    drawn.pictures.drop()
    assert not drawn.pictures.is_asked(2)


@pytest.mark.parametrize("every", [2, 3, 5])
def test_of_a_rhythm_only_the_pictures_that_are_wanted_are_drawn(every):
    drawn = Drawn()
    for frame in range(0, 60, every):
        assert drawn.read(frame) == frame
    late = [frame for frames in drawn.drawn for frame in frames if frame > 20]
    assert late and all(frame % every == 0 for frame in late)
    for frame in range(60, 80):  # and all of them again
        assert drawn.read(frame) == frame


def test_a_picture_that_is_late_does_not_change_a_rhythm_that_is_told():
    drawn, left_out = Drawn(), range(10, 15)
    for frame in range(24):
        if frame in left_out:
            drawn.pictures.leave_out(1)
        else:
            drawn.pictures.read(frame, frame + 4, None, 1)
        assert not drawn.pictures.are_sparse
    assert [15, 16, 17, 18] in drawn.drawn


def test_a_slower_rhythm_is_there_to_stay_after_a_while():
    """Motion for half the cost is known later: the sound of a stream stopped in each short fall."""
    pictures, begun = Drawn().pictures, 100
    for frame in range(begun):
        pictures.read(frame, frame + 4, None, 1)
    for count in range(0, 2 * SETTLED_FRAMES, 2):
        pictures.read(begun + count, begun + count + 4, None, 2)
        pictures.leave_out(2)
        assert pictures.are_sparse and pictures.stay_sparse == (count + 2 > SETTLED_FRAMES)
    pictures.leave_out(1)
    assert not pictures.stay_sparse
    pictures.leave_out(3)
    assert pictures.stay_sparse


def test_a_slower_rhythm_is_there_at_once_at_the_start_and_after_a_try():
    """Two streams that tried in vain had no time to catch up: 1.5 s without a picture."""
    rhythm = Rhythm()
    for every, count, stays in ((2, 1, True), (1, 40, False), (2, 1, True), (1, 60, False)):
        for _ in range(count):
            rhythm.follow(every)
        assert rhythm.stays_sparse is stays
    rhythm.follow(2)
    assert not rhythm.stays_sparse  # it was at every frame for too long


def test_what_was_drawn_is_forgotten_when_it_is_dropped():
    drawn = Drawn()
    for frame in range(7):
        drawn.read(frame)
    drawn.pictures.drop()
    for frame in range(5, 12):
        assert drawn.read(frame) == frame
    assert drawn.drawn[-4:] == [[5, 6, 7, 8], [5, 6], [7, 8], [9, 10, 11, 12]]  # two in a hurry


def test_the_first_of_those_that_are_drawn_together_says_so():
    drawn = Drawn()
    first = [
        drawn.pictures.read(frame, 1 + 4 * -(-frame // 4), None).is_first for frame in range(9)
    ]
    assert first == [True, True, False, False, False, True, False, False, False]
