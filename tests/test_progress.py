"""Reports count frames, estimate the rest from the pace, and let the caller stop."""

from __future__ import annotations

import pytest

from skyreels_avatar import progress
from skyreels_avatar.errors import Cancelled
from skyreels_avatar.progress import Reporter


def test_the_rest_is_estimated_from_the_pace_of_this_run_alone(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])
    reports = []
    reporter = Reporter(reports.append)
    with reporter.stage("load"):
        clock[0] += 100.0
    reporter.start_pace(50, found=30)
    clock[0] += 4.0
    reporter.add(4)
    reporter.report("decode")
    assert [(one.stage, one.done, one.total) for one in reports] == [
        ("load", 0, 0),
        ("decode", 34, 50),
    ]
    assert reports[0].seconds_left is None
    assert reports[1].seconds_left == pytest.approx(16.0)
    assert reporter.seconds == {"load": 100.0}


def test_a_stage_that_comes_again_adds_up_and_false_stops():
    reporter = Reporter(lambda report: report.stage != "write")
    for _ in range(2):
        with reporter.measured("encode"):
            pass
    assert list(reporter.seconds) == ["encode"]
    with pytest.raises(Cancelled, match="during write"):
        reporter.report("write")
