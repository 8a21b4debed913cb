"""Distances of sets of videos: zero of one distribution, large of two, whatever their number."""

from dataclasses import replace

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.motion_statistics import shipped_table
from skyreels_avatar.evaluation.video_distance import (
    VideoFeatures,
    video_distance,
    video_features,
)


def _videos(rng, count: int, shift: float = 0.0, dim: int = 6) -> list[VideoFeatures]:
    """Return videos whose samples differ more between videos than within them."""
    made = []
    for _ in range(count):
        middle = rng.normal(shift, 1, dim)
        made.append(VideoFeatures(*(middle + 0.5 * rng.normal(size=(8, dim)) for _ in range(3))))
    return made


def test_sets_of_one_distribution_are_at_zero_however_few(rng):
    found = [video_distance(_videos(rng, 5), _videos(rng, 6)).distance[0] for _ in range(12)]
    assert np.mean(found) == pytest.approx(0, abs=0.06)


def test_the_distance_grows_with_the_shift_and_lies_in_its_interval(rng):
    against = _videos(rng, 12)
    values = [video_distance(_videos(rng, 8, shift), against) for shift in (0, 1, 3)]
    near, middle, far = (one.distance[0] for one in values)
    assert near < middle < far < 1
    low, high = values[2].distance[1:]
    assert low <= far <= high and far > values[2].floor[2] and abs(values[2].floor[0]) < 0.1


def test_videos_of_one_name_are_not_compared_with_each_other(rng):
    videos = _videos(rng, 6)
    names = [str(index) for index in range(6)]
    same = video_distance(videos, videos, (names, names))
    assert same.distance[0] == pytest.approx(0, abs=1e-6)
    assert video_distance(videos, videos).distance[0] < 0  # each with itself: too near


def test_puppets_have_a_distance_of_their_own_where_all_have_sound(rng):
    """Theirs is that of their lips alone, and the videos' own distances stay as they are."""
    plain, against = _videos(rng, 6), _videos(rng, 6)
    dolls = [replace(one, puppet=one.lips + 3) for one in plain]
    with_dolls, without = video_distance(dolls, against), video_distance(plain, against)
    assert with_dolls.puppet[0] > with_dolls.lips[0] + 0.2
    assert without.puppet is None and with_dolls == replace(without, puppet=with_dolls.puppet)


def test_five_videos_are_needed_on_each_side(rng):
    with pytest.raises(InputError, match=r"5 videos on each side.*4 against 9"):
        video_distance(_videos(rng, 4), _videos(rng, 9))


def test_features_of_a_short_clip_have_no_windows_and_a_place(rng):
    empty = {name: np.zeros(0) for name in shipped_table()["readings"]}
    points = rng.normal(size=(20, 94)).astype(np.float32)
    faces = rng.normal(size=(3, 128)).astype(np.float32)
    found = video_features(points, empty, faces, points)
    assert (found.puppet == found.lips).all() and video_features(
        points, empty, faces
    ).puppet is None
    assert found.motion.shape == (0, 10) and len(found.lips) == 4
    assert abs(found.face.mean(0)).max() < 1e-6
