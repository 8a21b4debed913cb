"""How far a film is: the reports of its shots, added up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skyreels_avatar.film.jobs import Job
from skyreels_avatar.loading.parts import time_factor
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Progress


@dataclass(frozen=True)
class FilmProgress(Progress):
    """One report to the caller: `done` and `total` count pictures of all shots that are made.

    Attributes:
        shot, num_shots: which shot is made, and how many are, in this run.
        number: of the shot in the film, from 1; 0 while shots are joined.
        window, num_windows: which window of the shot is made, from 1, and how many it has.
    """

    shot: int = 0
    num_shots: int = 0
    number: int = 0
    window: int = 0
    num_windows: int = 0


OnFilmProgress = Callable[[FilmProgress], object]


class FilmReporter:
    """Turn the reports of shots into reports of the film."""

    def __init__(self, on_progress: OnFilmProgress | None, todo: Sequence[Job], now_s: float):
        self._on_progress = on_progress
        self._todo = list(todo)
        self._total = sum(job.placed.num_frames for job in todo)
        self._done = 0
        self._start_s = now_s

    def for_shot(self, job: Job) -> Callable[[Progress], object] | None:
        """Return the callback of one shot."""
        if self._on_progress is None:
            return None
        tier = load_tier(job.request.tier)
        plan = plan_shot(
            float(job.placed.num_frames / job.request.fps),
            job.request.fps,
            tier.fps,
            tier.window,
            tier.overlap,
            time_factor(tier),
        )
        stops = [plan.video_range(segment)[1] for segment in plan.segments]

        def report(shot: Progress) -> object:
            done = self._done + shot.done
            window = 1 + sum(shot.done >= stop for stop in stops[:-1])
            return self._on_progress(
                FilmProgress(
                    shot.stage,
                    done,
                    self._total,
                    self._seconds_left(done, shot.seconds_left),
                    shot=1 + self._todo.index(job),
                    num_shots=len(self._todo),
                    number=job.number,
                    window=window,
                    num_windows=len(stops),
                )
            )

        return report

    def for_windows(self) -> Callable[[Progress], object]:
        """Return the callback of windows that are made in parallel."""

        def report(windows: Progress) -> object:
            if self._on_progress is None:
                return None
            count = len(self._todo)
            return self._on_progress(FilmProgress(**vars(windows), shot=count, num_shots=count))

        return report

    def finish_shot(self, job: Job) -> None:
        """Count a finished shot."""
        self._done += job.placed.num_frames

    def report_join(self) -> None:
        """Report that shots are joined, which is too short to be stopped."""
        if self._on_progress is not None:
            count = len(self._todo)
            self._on_progress(FilmProgress("join", self._total, self._total, 0.0, count, count))

    def _seconds_left(self, done: int, shot_s: float | None) -> float | None:
        if not self._done:  # the first shot: the others will need as long for a picture
            shot_total = self._todo[0].placed.num_frames
            if shot_s is None or done >= shot_total:
                return None
            return shot_s / (shot_total - done) * (self._total - done)
        return (time.perf_counter() - self._start_s) / done * (self._total - done)
