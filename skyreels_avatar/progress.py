"""How far a run is, and how long each of its stages takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skyreels_avatar.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """One report to the caller.

    Attributes:
        stage: what is being done: "load", "analyse", "denoise", "decode", "write".
        done, total: pictures of the video that are finished, and all of them.
        seconds_left: estimate from the pace so far, None before there is one.
    """

    stage: str
    done: int
    total: int
    seconds_left: float | None


OnProgress = Callable[[Progress], object]


class Reporter:
    """Reports to the caller how far the run is, and measures the seconds of each stage."""

    def __init__(self, on_progress: OnProgress | None = None):
        self.seconds: dict[str, float] = {}
        self.total = 0
        self._on_progress = on_progress
        self._done = 0
        self._found = 0
        self._pace_from: float | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report the start of a stage and add its duration to `seconds`."""
        self.report(name)
        with self.measured(name):
            yield

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Add the duration of work in another thread, which is not reported, to `seconds`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed

    def start_pace(self, total: int, found: int = 0) -> None:
        """Begin to count pictures; time before this is not part of the pace.

        Args:
            found: pictures that an earlier run has finished.
        """
        self.total = total
        self._done = self._found = found
        self._pace_from = time.perf_counter()

    def add(self, count: int) -> None:
        """Count pictures that are finished."""
        self._done += count

    def report(self, stage: str) -> None:
        """Call the caller back.

        Raises:
            Cancelled: the caller returned False.
        """
        if self._on_progress is None:
            return
        left = None
        if self._done > self._found and self._pace_from is not None:
            pace = (time.perf_counter() - self._pace_from) / (self._done - self._found)
            left = pace * (self.total - self._done)
        if self._on_progress(Progress(stage, self._done, self.total, left)) is False:
            raise Cancelled(f"stopped by the caller during {stage}")
