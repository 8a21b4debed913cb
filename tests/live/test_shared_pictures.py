"""What one process puts, another one takes."""

from __future__ import annotations

import multiprocessing
import sys

import numpy as np
import pytest

from skyreels_avatar.live.shared_pictures import SharedPictures


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked off on Linux alone")
def test_pictures_are_taken_as_they_were_put_and_stay_as_they_are(rng):
    pictures = SharedPictures(6, 8)
    first, second = rng.integers(0, 255, (2, 3, 6, 8, 3), np.uint8)
    _put_elsewhere(pictures, first)
    taken = pictures.take([5, 7, 9])
    _put_elsewhere(pictures, second)
    assert list(taken) == [5, 7, 9]
    assert all(np.array_equal(a, b) for a, b in zip(taken.values(), first, strict=True))
    assert np.array_equal(pictures.take([1])[1], second[0])


def _put_elsewhere(pictures, values):
    process = multiprocessing.get_context("fork").Process(target=pictures.put, args=(values,))
    process.start()
    process.join()
