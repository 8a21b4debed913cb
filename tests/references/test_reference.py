"""What reference videos share, and that both kinds of them have it."""

from __future__ import annotations

import inspect

import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.references.footage import FootageReference
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.references.reference import (
    Reference,
    frames_per_chunk,
    split_range,
    talking_box,
)

HEIGHT, WIDTH = 128, 144


@pytest.mark.parametrize("kind", [PictureReference, FootageReference])
def test_every_kind_has_what_the_protocol_names(kind):
    for name, wanted in inspect.getmembers(Reference, inspect.isfunction):
        if not name.startswith("_"):
            found = inspect.signature(getattr(kind, name))
            assert list(found.parameters) == list(inspect.signature(wanted).parameters), name
    assert hasattr(kind, "frame_light") and isinstance(kind.has_own_motion, bool)


def test_the_talking_region_is_inside_the_picture_and_not_empty():
    landmarks = torch.from_numpy(synthetic_landmarks((48.0, 24.0, 48.0, 60.0)))
    left, top, right, bottom = talking_box(landmarks[None], HEIGHT, WIDTH)
    assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
    far = landmarks + torch.tensor([1000.0, -1000.0, 0.0])
    left, top, right, bottom = talking_box(far[None], HEIGHT, WIDTH)
    assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT


def test_large_frames_are_worked_on_one_by_one():
    assert frames_per_chunk(256, 256) == 16
    assert frames_per_chunk(2160, 3840) == 1


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 0, 8), (3, 4, 8), (0, 16, 8), (5, 30, 7)])
def test_ranges_cover_all_frames_once(start, stop, step):
    ranges = split_range(start, stop, step)
    assert [i for first, last in ranges for i in range(first, last)] == list(range(start, stop))
    assert all(last - first <= step for first, last in ranges)
