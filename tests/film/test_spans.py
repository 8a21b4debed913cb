"""Times of shots in seconds, minutes, beats and words; what follows a problem is not reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.marked_yaml import Marked
from skyreels_avatar.film.spans import SoundClock, SpanReader, seconds
from skyreels_avatar.film.transcript import Transcript, Word


@pytest.mark.parametrize(
    ("value", "expected"), [(12, 12.0), (0.5, 0.5), ("1:02.5", 62.5), ("1:00:02", 3602.0)]
)
def test_seconds_are_read_in_each_way_of_writing_them(value, expected):
    assert seconds(value, "start_s") == expected


@pytest.mark.parametrize("value", [True, None, "soon", "1:2:3:4", -1, 2e6])
def test_other_times_are_refused(value):
    with pytest.raises(InputError, match="start_s must be"):
        seconds(value, "start_s")


class Reader:
    """A span reader over a clock with a beat every half second, and the problems it notes."""

    def __init__(self, unusable=()):
        clock = SoundClock(None, None, None, unusable)
        if not unusable:
            clock.__dict__["beats_s"] = np.arange(1, 20) / 2
            words = [("hello", 1.0, 1.4), ("world", 1.5, 2.0), ("hello", 3.0, 3.4)]
            clock.__dict__["words"] = Transcript(tuple(Word(*word) for word in words))
        self.problems: list[str] = []
        self.spans = SpanReader(clock, lambda marked, message: self.problems.append(str(message)))

    def read(self, **values):
        entries = {key.rstrip("_"): Marked(v, Path("f.yaml"), 1) for key, v in values.items()}
        return self.spans.read(entries)


def test_shots_follow_each_other_by_lengths_beats_and_words():
    reader = Reader()
    assert reader.read(duration_s=0.5) == (None, 0.5)
    assert reader.read(beats=2) == (None, 1.5)  # from beat 1 at 0.5 s to beat 3
    assert reader.read(from_="hello", to="hello") == (3.0, 3.4)  # the one that comes next
    assert reader.read(start_beat=8, end_beat=10) == (4.0, 5.0)
    assert reader.problems == []


def test_contradictions_are_noted():
    reader = Reader()
    reader.read(end_s=1, duration_s=1)
    reader.read(start_s=2, end_s=1)
    reader.read(end_beat=0)
    assert "give end_s or duration_s, not both" in reader.problems[0]
    assert "must end after it starts" in reader.problems[1]
    assert "end_beat must be a whole number from 1" in reader.problems[2]


def test_what_follows_from_a_reported_problem_is_not_reported_again():
    reader = Reader(unusable=("transcript", "soundtrack"))
    assert reader.read(to="hello") == (None, None)
    assert reader.read(beats=2) == (None, None)
    assert reader.problems == []
