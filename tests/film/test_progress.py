"""Reports of shots become reports of the film."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from skyreels_avatar.film.progress import FilmReporter
from skyreels_avatar.progress import Progress


def job(number: int, num_frames: int) -> SimpleNamespace:
    return SimpleNamespace(
        number=number,
        placed=SimpleNamespace(num_frames=num_frames),
        request=SimpleNamespace(tier="nano", fps=25.0),
    )


def test_pictures_add_up_over_the_shots_that_are_made():
    reports = []
    first, second = job(3, 10), job(5, 100)
    reporter = FilmReporter(reports.append, [first, second], time.perf_counter())
    reporter.for_shot(first)(Progress("decode", 5, 10, 2.0))
    reporter.finish_shot(first)
    reporter.for_shot(second)(Progress("decode", 60, 100, 1.0))
    reporter.report_join()
    one, two, join = reports
    assert (one.done, one.total, one.shot, one.num_shots, one.number) == (5, 110, 1, 2, 3)
    assert one.seconds_left == pytest.approx(2.0 / 5 * 105)  # the next shot at the same pace
    assert (two.done, two.shot, two.number) == (70, 2, 5) and two.seconds_left >= 0
    assert (one.window, one.num_windows) == (1, 1) and 1 < two.window <= two.num_windows
    assert (join.stage, join.done, join.total, join.number) == ("join", 110, 110, 0)


def test_the_answer_of_the_caller_reaches_the_shot():
    """A shot stops when its callback returns False."""
    only = job(1, 10)
    stop = FilmReporter(lambda report: False, [only], 0.0)
    assert stop.for_shot(only)(Progress("decode", 1, 10, None)) is False
    assert stop.for_windows()(Progress("decode", 1, 10, None)) is False
    assert FilmReporter(None, [only], 0.0).for_shot(only) is None
