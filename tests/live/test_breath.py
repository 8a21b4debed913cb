"""Breathing of a stream: at rest and before speech, from what is known by then."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.live.breath import Breath, breathe
from skyreels_avatar.pipeline.shoulders import RISE

FPS = 25.0


def _raised(voiced: list[bool], known: int = 7) -> np.ndarray:
    """Return how far shoulders are raised, where so many frames beyond the next are known."""
    breath, made = Breath.of(3, 5), []
    for index in range(len(voiced)):
        (breath,) = breathe(breath, voiced[index : index + 1 + known], 1, FPS)
        made.append(breath.raised)
    return np.array(made)


@pytest.mark.parametrize("seed", range(6))
def test_at_rest_people_breathe_about_fifteen_times_a_minute(seed):
    breath, raised = Breath.of(seed, 1), []
    for _ in range(60):
        raised += [one.raised for one in breathe(breath, [], 25, FPS)]
        breath = breathe(breath, [], 25, FPS)[-1]
    raised = np.array(raised)
    rising = np.diff((raised > raised.mean()).astype(int)) > 0
    assert 9 <= rising.sum() <= 20
    assert 0.4 * RISE < np.ptp(raised[100:]) < RISE
    assert np.abs(np.diff(raised)).max() < 0.05 * RISE * 2


def test_they_breathe_in_before_a_phrase_and_out_while_it_lasts():
    quiet, filled = _raised([False] * 240), []
    for onset in range(40, 140, 10):  # they may be full of air already
        raised = _raised([False] * onset + [True] * 100)
        filled.append(raised[onset + 2] - quiet[onset + 2])
        assert raised[onset + 2] > 0.4 * RISE
        assert raised[onset + 95] < raised[onset + 4] - 0.2 * RISE
        assert (np.diff(raised[onset + 6 : onset + 95]) < 0).all()
    assert np.mean(filled) > 0.1 * RISE


def test_a_pause_that_is_too_short_holds_no_breath():
    raised = _raised([True] * 60 + [False] * 3 + [True] * 60)
    assert (np.diff(raised[20:]) <= 1e-9).all()


def test_what_comes_later_than_is_known_changes_nothing():
    silence, speech = [False] * 40, [False] * 20 + [True] * 20
    assert np.array_equal(_raised(silence)[:12], _raised(speech)[:12])
    assert not np.array_equal(_raised(silence)[:22], _raised(speech)[:22])
