"""A track is kept on a person: when it is looked at, and what ends it."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces import identity_check
from skyreels_avatar.faces.identity import Person
from skyreels_avatar.faces.identity_check import STEP, IdentityCheck
from skyreels_avatar.faces.template import synthetic_landmarks

LANDMARKS = synthetic_landmarks((60.0, 40.0, 60.0, 72.0))


def embedding(value: int) -> np.ndarray:
    """Return the embedding of person `value`: 1.4 away from those of all others."""
    return np.eye(128)[value]


@pytest.fixture
def check(monkeypatch) -> IdentityCheck:
    """A check of person 1; the gray of a frame says who it shows."""
    monkeypatch.setattr(
        identity_check, "embed_chip", lambda chip, mirror=True: embedding(int(chip.mean()) // 40)
    )
    person = Person()
    person.learn(embedding(1))
    return IdentityCheck(person, Person(), trusted=False)


def frame(who: int) -> np.ndarray:
    """Return a picture of a person."""
    return np.full((160, 180, 3), 40 * who + 5, np.uint8)


def test_the_person_is_agreed_with_for_ever(check):
    assert all(check.agrees(index, frame(1), LANDMARKS, False) for index in range(3 * STEP))
    assert check.strangers == [] and check.finish([])


def test_somebody_else_is_found_from_the_frame_in_which_they_came(check):
    shown = [1] * 30 + [2] * 30
    for index, who in enumerate(shown):
        if not check.agrees(index, frame(who), LANDMARKS, moved=False):
            break
    assert index < 45
    assert check.strangers == [(30, index + 1)]


def test_a_face_that_is_found_anew_must_be_the_persons(check):
    assert not check.accepts(10, frame(2), LANDMARKS)
    assert check.refused[0][0] == 10 and check.waits(11) and not check.waits(20)
    assert check.accepts(20, frame(1), LANDMARKS)


def test_a_track_whose_mean_is_another_persons_is_given_up(check):
    check._looks = [(0, embedding(3)), (1, embedding(3))]
    assert not check.finish([])
