"""What one process puts, another one takes."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.live import shared_pictures
from skyreels_avatar.live.shared_pictures import SharedPictures, shared_file


@pytest.mark.parametrize("in_memory", [True, False])
def test_pictures_are_taken_as_they_were_put_and_stay_as_they_are(rng, monkeypatch, in_memory):
    if not in_memory:
        monkeypatch.delattr(shared_pictures.os, "memfd_create", raising=False)
    with shared_file() as file:
        mine, theirs = (SharedPictures(file.fileno(), 6, 8) for _ in range(2))
        first, second = rng.integers(0, 255, (2, 3, 6, 8, 3), np.uint8)
        mine.put(first)
        taken = theirs.take([5, 7, 9])
        mine.put(second)
        assert list(taken) == [5, 7, 9]
        assert all(np.array_equal(a, b) for a, b in zip(taken.values(), first, strict=True))
        assert np.array_equal(theirs.take([1])[1], second[0])
