"""How long somebody is busy with what was asked for, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Backlog:
    """What was asked for and is not done; any thread may call any method.

    Args:
        clock: of the time, in seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock, self._lock = clock, threading.Lock()
        self._count, self._begun_s, self._took_s = 0, 0.0, 0.0
        self._busy_s = 0.0  # with what is done

    def ask(self) -> None:
        """Note that one more is asked for."""
        with self._lock:
            if not self._count:
                self._begun_s = self._clock()
            self._count += 1

    def end(self, is_done: bool = True) -> None:
        """Note that the first of them is done, or is not wanted any more."""
        with self._lock:
            now_s = self._clock()
            if is_done:
                self._took_s = now_s - self._begun_s
                self._busy_s += self._took_s
            self._count, self._begun_s = self._count - 1, now_s

    @property
    def busy_s(self) -> float:
        """How long somebody has been busy so far, with all of it."""
        with self._lock:
            return self._busy_s + (self._clock() - self._begun_s if self._count else 0.0)

    @property
    def left_s(self) -> float:
        """How long it probably is until all is done.

        Each takes as long as the last one took; one that has taken longer stands still, and for as
        long again.
        """
        with self._lock:
            if not self._count:
                return 0.0
            first_s = abs(self._took_s - (self._clock() - self._begun_s))
            return first_s + (self._count - 1) * self._took_s
