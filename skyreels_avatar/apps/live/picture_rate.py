"""For how many frames a picture is made: an even rhythm, at a rate that the machine can hold."""

from __future__ import annotations

import math
from collections import deque

from skyreels_avatar.apps.live.shared_cores import HELD_S, SharedCores
from skyreels_avatar.live.pictures import SETTLED_FRAMES, Rhythm

# A picture for every frame, every second one, ...: an even rhythm, which other rates have not.
STEPS = (1, 2, 3, 5)
SLOW_LAG_S = 0.16
# What a frame takes at the next quicker rate, over as many times as there are more pictures: the
# motion is made once, and a stream draws several pictures together, which is cheaper.
_TOGETHER = 0.67
_SAMPLED_OFTEN = 2.0  # as much motion, by a stream that another process draws, at the full rate
_WARMING_UP = 4  # frames, of which the first ones take longer than any that come
_FEW_FRAMES, _MANY_FRAMES = 16, 24  # of every third one pictures are even after three windows of 8
# Shares of the time that there is, which are too much when a frame is later than so many seconds:
# in each of so many times so many frames, a second in all. What takes longer for half of that is a
# machine that was busy for a moment. That it is too slow may be seen before a frame is late.
_TOO_SLOW = (
    (-0.08, 1.05, 3, 8), (-0.08, 1.0, 1, _MANY_FRAMES), (0.0, 0.95, 1, _MANY_FRAMES),
    (SLOW_LAG_S, 0.8, 3, 8),
)  # fmt: skip
# Less is enough in the first frames: streams that begin at once slow down before they stutter.
_AT_FIRST, _FIRST_FRAMES = (-0.08, 1.05, 3, 4), 40
_QUICK_ENOUGH = 0.8
# What one frame counts for: it may take the time of eight, whose motion comes at once, and a
# machine that was busy for a moment is not slow.
_MOST_PERIODS = 9.0
# Seconds until a quicker rate is tried, and again if it fails.
_FIRST_HOLD_S, _NEXT_HOLD_S, _LONGEST_HOLD_S = 1.0, 4.0, 300.0


class PictureRate:
    """Chooses for how many frames a picture is made.

    Args:
        period_s: of a frame.
        shared: with the other streams of this process; None = there are none.
    """

    def __init__(self, period_s: float, shared: SharedCores | None = None):
        self._period_s = period_s
        self._shared = shared or SharedCores()
        # Seconds that frames took here, and their pictures in another process at the same time.
        self._costs = deque[tuple[float, float]](maxlen=_MANY_FRAMES)
        self._step, self._reports, self._num_sparse, self._age = 0, 0, 0, 0
        self._rhythm = Rhythm()
        self._hold_s, self._held_since = _FIRST_HOLD_S, 0.0
        self._tried_s = -math.inf  # when it was last made quicker

    @property
    def every(self) -> int:
        """A picture comes with every frame (1), every second (2), ..."""
        return STEPS[self._step]

    def wants(self, index: int) -> bool:
        """Tell whether a frame gets a picture."""
        return index % self.every == 0

    def begin(self) -> None:
        """Count as one of the streams; who joins others begins with fewer pictures."""
        if not self._shared.join(self):
            self._step = 1

    def end(self) -> None:
        """Count no more."""
        self._shared.leave(self)

    def excuse(self) -> None:
        """Ignore the next frames: they are made again, which is not a sign of slowness."""
        self._reports = 0

    def report(self, cost_s: float, lag_s: float, now_s: float, drawing_s: float = 0.0) -> bool:
        """Take how long a frame took and how late it was; return whether the rate has changed.

        Args:
            drawing_s: that another process drew since the last frame.
        """
        self._reports += 1
        self._rhythm.follow(self.every)
        self._num_sparse = self._num_sparse + 1 if self._step else 0
        if self._shared.must_fall(self):
            return self._slow_down(now_s)
        if self._reports <= _WARMING_UP:
            return False
        most_s = _MOST_PERIODS * self._period_s
        self._costs.append((min(cost_s, most_s), min(drawing_s, most_s)))
        self._age += 1
        self._shared.tell(self, self._cores(), self.every, now_s)
        if self._is_late(lag_s):
            if self._shared.must_wait(self, now_s):
                self._costs.clear()
                return False
            return self._slow_down(now_s)
        is_known = self._knows(1, _MANY_FRAMES)
        if self._step and is_known and now_s - self._held_since > self._hold_s:
            return self._try_quicker(now_s)
        return False

    def _is_late(self, lag_s: float) -> bool:
        signs = (_AT_FIRST, *_TOO_SLOW) if self._age <= _FIRST_FRAMES else _TOO_SLOW
        if 0 < self._num_sparse <= SETTLED_FRAMES + _FEW_FRAMES:
            signs = _TOO_SLOW[-1:]  # motion is about to cost less
        return any(
            lag_s > least_s and self._knows(*windows) and self._load(*windows) > most
            for least_s, most, *windows in signs
        )

    def _slow_down(self, now_s: float) -> bool:
        if self._step == len(STEPS) - 1:
            return False
        # If a quicker rate has failed, the next try comes later.
        failed = now_s - self._tried_s < max(self._hold_s, HELD_S)
        longer_s = min(max(2 * self._hold_s, _NEXT_HOLD_S), _LONGEST_HOLD_S)
        self._hold_s = longer_s if failed else _FIRST_HOLD_S
        self._tried_s = -math.inf
        self._shared.fell(self, now_s)
        load = self._load(1, min(_FEW_FRAMES, len(self._costs))) if self._costs else 0.0
        slower = [i for i, every in enumerate(STEPS) if every >= load * self.every]
        self._move_to(max(self._step + 1, slower[0] if slower else len(STEPS) - 1), now_s)
        return True

    def _try_quicker(self, now_s: float) -> bool:
        quicker = STEPS[self._step - 1]
        drawn = motion = _TOGETHER * self.every / quicker
        if any(drawing for _, drawing in self._costs):  # reading is sampling
            motion = 1.0
            if self._rhythm.stays_sparse:
                motion = _SAMPLED_OFTEN if quicker == 1 else 1.0
                drawn = self.every / quicker  # as many are drawn together
        num_frames = _MANY_FRAMES - _MANY_FRAMES % self.every  # those of as many pictures
        is_quick = self._load(1, num_frames, motion, drawn) < _QUICK_ENOUGH
        if is_quick and self._shared.may_try(self, self._cores(motion, drawn), now_s):
            self._tried_s, self._hold_s = now_s, max(self._hold_s, _FIRST_HOLD_S)
            self._move_to(self._step - 1, now_s)
            return True
        self._held_since = now_s
        return False

    def _knows(self, num_windows: int, num_frames: int) -> bool:
        return len(self._costs) >= num_windows * num_frames

    def _load(
        self, num_windows: int, num_frames: int, motion: float = 1.0, drawn: float = 1.0
    ) -> float:
        """Return the share of the time that reading takes, or of both cores, if that is more.

        Who reads draws what another process would draw too late: a core alone is never too slow.

        Args:
            num_windows: the last ones, the least of which is returned.
            num_frames: of each.
            motion, drawn: how many times as much is read, and drawn.
        """
        loads, count = [], len(self._costs)
        for stop in range(count, count - num_windows * num_frames, -num_frames):
            reading_s, drawing_s = self._spent(stop - num_frames, stop)
            reading_s, drawing_s = motion * reading_s, drawn * drawing_s
            spent_s = max(reading_s, (reading_s + drawing_s) / 2)
            loads.append(spent_s / (num_frames * self._period_s))
        return min(loads)

    def _cores(self, motion: float = 1.0, drawn: float = 1.0) -> float:
        """Return how many cores it keeps busy, or would."""
        reading_s, drawing_s = self._spent(0, len(self._costs))
        return (motion * reading_s + drawn * drawing_s) / (len(self._costs) * self._period_s)

    def _spent(self, start: int, stop: int) -> tuple[float, float]:
        """Return the seconds that some frames took here, and in the other process."""
        reading_s, drawing_s = map(sum, zip(*list(self._costs)[start:stop], strict=True))
        return reading_s, drawing_s

    def _move_to(self, step: int, now_s: float) -> None:
        self._step, self._held_since = step, now_s
        self._costs.clear()
