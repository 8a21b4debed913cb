"""For how many frames a picture is made: an even rhythm, at a rate that the machine can hold."""

from __future__ import annotations

import math

# A picture for every frame, every second one, ...: an even rhythm, which other rates have not.
STEPS = (1, 2, 3, 5)
_TOO_SLOW, _QUICK_ENOUGH = 0.95, 0.8  # of the time that there is
# What a frame takes at the next quicker rate, over as many times as there are more pictures: the
# motion is made once, and a stream draws several pictures together, which is cheaper.
_TOGETHER = 0.67
_SAMPLED_OFTEN = 2.0  # as much motion, by a stream that another process draws, at the full rate
SLOW_LAG_S = 0.16
_WEIGHT = 0.05
_WARMING_UP = 10  # frames, of which the first ones take longer than any that come
_FIRST_PICTURES = 12  # after these; before that nothing is known
# What one frame counts for: it may take the time of eight, whose motion comes at once, and a
# machine that was busy for a moment is not slow.
_MOST_PERIODS = 9.0
_FIRST_HOLD_S, _LONGEST_HOLD_S = 8.0, 300.0


class PictureRate:
    """Chooses for how many frames a picture is made.

    Args:
        period_s: of a frame.
    """

    def __init__(self, period_s: float):
        self._period_s = period_s
        self._costs = {True: 0.0, False: 0.0}  # with and without a picture, in seconds
        self._counts = {True: 0, False: 0}
        self._drawing_s = 0.0  # of a picture, by another process at the same time
        self._step, self._reports = 0, 0
        self._hold_s, self._held_since = _FIRST_HOLD_S, 0.0
        self._tried_s = -math.inf  # when it was last made quicker

    @property
    def every(self) -> int:
        """A picture comes with every frame (1), every second (2), ..."""
        return STEPS[self._step]

    def wants(self, index: int) -> bool:
        """Tell whether a frame gets a picture."""
        return index % self.every == 0

    def restart(self, every: int, now_s: float) -> None:
        """Begin anew at a rate, since somebody else draws from here on: forget what was seen.

        Args:
            every: a picture comes with every frame (1), every second (2), ...
        """
        vars(self).update(vars(PictureRate(self._period_s)))
        self._step, self._held_since = STEPS.index(every), now_s

    def excuse(self) -> None:
        """Take no account of the next frames: they are made again, which is no sign of slowness."""
        self._reports = 0

    def report(
        self, has_picture: bool, cost_s: float, lag_s: float, now_s: float, drawing_s: float = 0.0
    ) -> bool:
        """Take how long a frame took and how late it was; return whether the rate has changed.

        Args:
            drawing_s: that another process took for the pictures that begin with this one.
        """
        self._reports += 1
        if self._reports <= _WARMING_UP:
            return False
        cost_s = min(cost_s, _MOST_PERIODS * self._period_s)
        self._counts[has_picture] += 1
        weight = max(_WEIGHT, 1 / self._counts[has_picture])
        self._costs[has_picture] += weight * (cost_s - self._costs[has_picture])
        if has_picture:
            drawing_s = min(drawing_s, _MOST_PERIODS * self._period_s)
            self._drawing_s += weight * (drawing_s - self._drawing_s)
        if self._counts[True] < _FIRST_PICTURES:
            return False
        load = self._load(self._step)
        is_late = lag_s > 0.0 and load > (_TOO_SLOW if lag_s < SLOW_LAG_S else _QUICK_ENOUGH)
        if is_late and self._step < len(STEPS) - 1:
            if now_s - self._held_since < self._period_s * 2 * self.every and self._step:
                return False  # what was late before the last change is still being made up for
            failed = now_s - self._tried_s < self._hold_s  # then the next try comes later
            self._hold_s = min(2 * self._hold_s, _LONGEST_HOLD_S) if failed else _FIRST_HOLD_S
            self._tried_s = -math.inf
            self._move(1, now_s)
            return True
        if self._step and now_s - self._held_since > self._hold_s and not is_late:
            more = _TOGETHER * self.every / STEPS[self._step - 1]
            if self._load(self._step, more) < _QUICK_ENOUGH:
                self._tried_s = now_s
                self._costs[True] *= _TOGETHER
                self._drawing_s *= _TOGETHER
                self._move(-1, now_s)
                return True
            self._held_since = now_s
        return False

    def _load(self, step: int, more: float | None = None) -> float:
        """Return the share of the time that reading takes, or drawing, if it takes longer.

        Args:
            more: how many times as much is drawn; None = as much as it is.
        """
        every, more_motion = STEPS[step], 1.0
        if more is not None:  # where another process draws, reading is sampling
            more_motion = _SAMPLED_OFTEN if self._drawing_s else more
        reading_s = self._costs[True] + (every - 1) * self._costs[False]
        cost_s = max(more_motion * reading_s, (more or 1.0) * self._drawing_s)
        return cost_s / (every * self._period_s)

    def _move(self, by: int, now_s: float) -> None:
        self._step, self._held_since = self._step + by, now_s
