"""Results come in order, few are held, and errors and early stops are clean."""

from __future__ import annotations

import threading

import pytest

from skyreels_avatar.pipeline.parallel import ordered_map


def test_results_keep_the_order_of_the_items():
    assert list(ordered_map(lambda x: x * x, range(50), num_workers=3)) == [
        x * x for x in range(50)
    ]


def test_only_a_few_results_are_made_ahead():
    made = []
    results = ordered_map(lambda x: made.append(x) or x, range(100), num_workers=2)
    next(results)
    results.close()
    assert len(made) <= 4


def test_an_error_reaches_the_caller():
    def fail(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(ordered_map(fail, range(10), num_workers=2))
    assert not any(t.name.startswith("pipeline") for t in threading.enumerate())
