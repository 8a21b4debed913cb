"""The clock of a stream that another process draws, on two cores that may be slow, or shared."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from skyreels_avatar.apps.live.pacer import Pacer
from skyreels_avatar.live.backlog import Backlog
from skyreels_avatar.live.pictures import SETTLED_FRAMES, Picture
from tests.apps.live.fakes import FakeStream, Time


class Shared(FakeStream):
    """A stream that another process draws, or who reads it where that one is further behind.

    Args:
        works: of when work begins, how many seconds it takes and on which of two cores, returns
            when it ends.
    """

    draws_ahead = True
    SAMPLES_S, DRAWS_S, PICTURE_S = 0.085, 0.045, 0.011

    def __init__(self, time, works):
        super().__init__()
        self._time, self._works = time, works
        self.drawing_s, self._behind_s = 0.0, 0.0
        self._made, self._asked, self._num_sparse = 1, set(), 0
        self._ends, self._at, self.ready_s = [], None, {}
        self._backlog = Backlog(lambda: self._at or time())

    @property
    def drew_s(self):
        return self._backlog.busy_s

    def read(self, picture=True, wait=True, every=1):
        begun_s, at = self._time(), self.index
        self._num_sparse = self._num_sparse + 1 if every > 1 else 0
        if at >= self._made:
            self._made = at + (8 if every > 2 or self._num_sparse > SETTLED_FRAMES else 4)
            self._work(self.SAMPLES_S)
        frame = super().read(picture=False)
        if picture:
            is_first = at not in self._asked
            if is_first:
                self._asked = list(range(at, max(at + 1, self._made), every))[:4]
                self._draw(self._behind_s + self._time() - begun_s)
            frame = replace(frame, image=Picture(at, is_first, Future()))
        self._behind_s = max(0.0, self._behind_s + self._time() - begun_s - 0.04)
        return frame

    def _work(self, seconds):
        self._time.now_s = self._works(self._time(), seconds, 0)

    def _draw(self, behind_s):
        cost_s = self.DRAWS_S + self.PICTURE_S * len(self._asked)
        while self._ends and self._ends[0] <= self._time():
            self._at = self._ends.pop(0)
            self._backlog.end()
            self._at = None
        if self._backlog.left_s > behind_s:
            self._work(cost_s)
            self.drawing_s, ready_s = 0.0, self._time()
        else:
            ready_s = self._works(max([self._time(), *self._ends]), cost_s, 1)
            self._backlog.ask()
            self._ends.append(ready_s)
            self.drawing_s = self._backlog.left_s
        self.ready_s |= dict.fromkeys(self._asked, ready_s)


def _share(works, num_frames):
    """Return what `_take` does, and how many pictures were not drawn when they were due."""
    time = Time()
    stream = Shared(time, works)
    pacer, seen, missing = Pacer(stream, 25.0, time, time.sleep), [], 0
    for due_s, frame in pacer.scheduled():
        seen.append((max(due_s, time()), frame))
        if frame.image is not None and stream.ready_s[frame.index] > due_s + 0.02:
            missing += 1
            pacer._counts["missing"] += 1  # as the thread that hands out does
        if len(seen) == num_frames:
            return pacer, seen, missing


def _slower(times):
    """Return the work of two cores that are so many times slower, by the time."""
    return lambda begun_s, seconds, core: begun_s + seconds * times(begun_s)


@pytest.mark.parametrize(("slower", "longest_s"), [(1.0, 0.041), (1.5, 0.041), (2.0, 0.151)])
def test_streams_that_share_a_machine_find_their_rate_without_a_stutter(slower, longest_s):
    """Two at once stopped and went in their first seconds: gaps of up to 0.44 s, then of 0.12 s.

    A rate that has just fallen costs as much motion as before, lest a short fall stops the sound;
    motion alone takes longer than there is here, so that it takes a second more.
    """
    pacer, seen, _ = _share(_slower(lambda _: slower), 800)
    assert np.diff([at for at, _ in seen]).max() < longest_s
    assert pacer.counts()["restarts"] == 0


def test_a_stream_that_another_one_joins_slows_down_without_a_stutter():
    _, seen, _ = _share(_slower(lambda now_s: 1.0 if now_s < 120 else 1.8), 800)
    assert np.diff([at for at, _ in seen]).max() < 0.06
    shown = [frame.index for _, frame in seen if frame.image is not None]
    assert set(np.diff(shown[-40:])) == {2} and 1 in np.diff(shown)


def test_who_reads_draws_what_the_other_process_has_no_time_for():
    """Drawing alone takes longer than there is; both together have a third of the time left."""

    def slow(begun_s, seconds, core):
        return begun_s + seconds * (2.0 if core else 1.0)

    pacer, seen, missing = _share(slow, 1500)
    assert all(frame.image is not None for _, frame in seen) and pacer.counts()["late"] == 0
    assert missing <= 8  # until it is known how long it takes


def _stopped(seconds, cores):
    """Return the work of two cores, some of which stop each ten seconds."""

    def works(begun_s, work_s, core):
        end_s = begun_s + work_s
        for stop_s in range(105, 200, 10):
            if core in cores and begun_s < stop_s + seconds and end_s > stop_s:
                end_s += stop_s + seconds - max(stop_s, begun_s)
        return end_s

    return works


@pytest.mark.parametrize(
    ("seconds", "cores", "most"), [(0.2, (0,), 8), (0.2, (1,), 8), (0.5, (0, 1), 24)]
)
def test_cores_that_are_taken_away_for_a_moment_do_not_lower_the_rate(seconds, cores, most):
    """Each time pictures came at half the rate for eight seconds, and later for four.

    What is in hand lasts for 0.18 s, and what was due meanwhile is not drawn.
    """
    pacer, seen, missing = _share(_stopped(seconds, cores), 1500)
    left_out = [frame.index for _, frame in seen if frame.image is None]
    assert missing + len(left_out) <= most * 6
    assert set(np.array(left_out) % 250 // 50) <= {2, 3}  # in the second after each
    assert np.diff([at for at, _ in seen]).max() < seconds + 0.05
    assert pacer.counts()["restarts"] == 0 and pacer.picture_fps == 25


def test_every_picture_comes_again_soon_after_the_machine_is_quick_again():
    """Each of the two steps took four seconds, and eight after the second time."""
    _, seen, _ = _share(_slower(lambda now_s: 1.9 if now_s % 20 < 2 else 1.0), 1500)
    late = {int(at % 20) for at, frame in seen if frame.image is None}
    assert 1 in late and late <= {0, 1, 2, 3, 4}


def test_pictures_that_take_longer_each_few_seconds_are_late_a_few_times_and_no_more():
    """What had been made earlier after the last time was not any more at the next."""

    def works(begun_s, seconds, core):
        return begun_s + seconds + 0.08 * (core and begun_s % 4 < 0.16)

    _, _, missing = _share(works, 1500)
    assert missing <= 6
