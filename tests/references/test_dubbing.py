"""Footage for networks that draw pictures: what they see of it, and what comes back into it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skyreels_avatar.references import dubbing
from skyreels_avatar.references.dubbing import Cut, FilmedMasks, FilmedReference, with_drawn_faces
from tests.faces.drawing import draw_person

SIZE, WORK = (240, 300), (128, 160)


class Film:
    """Frames of a drawn person, one like the other."""

    size = SIZE

    def __init__(self, count: int = 2):
        self.source = np.arange(count)
        self.pixels, self.landmarks, _ = draw_person(*SIZE, (100.0, 40.0, 90.0, 110.0))

    def frames(self, start: int, stop: int) -> np.ndarray:
        return np.repeat(self.pixels[None], stop - start, 0)


def scene_of(film: Film, shift: float = 0.0):
    count = len(film.source)
    landmarks = np.repeat(np.asarray(film.landmarks, np.float32)[None], count, 0)
    landmarks[..., 0] += shift
    how = {"start": 0, "stop": count, "landmarks": landmarks, "speaks": np.ones(count)}
    return SimpleNamespace(**how, reasons=np.full(count, "", object), rest=0)


@pytest.fixture
def film() -> Film:
    return Film()


@pytest.fixture
def reference(film) -> FilmedReference:
    return FilmedReference(film, [scene_of(film)], "face", WORK)


def test_a_cut_has_the_aspect_of_the_networks_and_lies_in_the_video() -> None:
    for middle in ((0, 0), (150, 120), (300, 240)):
        cut = Cut.round_faces(SIZE, (96, 160), middle)
        assert cut.height / cut.width == pytest.approx(0.6)
        assert cut.left >= 0 and cut.top >= 0
        assert cut.left + cut.width <= SIZE[1] and cut.top + cut.height <= SIZE[0]
    corner = cut.work_from_video @ [cut.left, cut.top, 1]
    np.testing.assert_allclose(corner, 0, atol=1e-9)


def test_the_networks_are_shown_the_cut(reference) -> None:
    assert reference.work_frames(0, 2).shape == (2, *WORK, 3)


def lost(frames, face):
    for _ in frames:
        yield None, 0.0


def test_only_the_face_comes_back(reference, film, monkeypatch) -> None:
    monkeypatch.setattr(
        dubbing, "face_analyzer", lambda: type("A", (), {"follow": staticmethod(lost)})
    )
    drawn = 255 - reference.work_frames(0, 2)
    frames = with_drawn_faces([reference], drawn, 0)
    changed = (frames != film.frames(0, 2)).any(-1)
    left, top, right, bottom = reference.box(reference.landmarks(0, 1))
    assert changed[0, top + 20 : bottom - 20, left + 20 : right - 20].mean() > 0.9
    changed[:, top:bottom, left:right] = False
    assert not changed.any()


def test_a_face_that_was_drawn_elsewhere_is_moved_back(reference, film, monkeypatch) -> None:
    """Drawn eight pixels to the right of the filmed one, its picture comes back in place."""
    work = reference.cut.work_from_video
    places = reference.landmarks(0, 1)[0].double().numpy()
    places[:, :2] = places[:, :2] @ work[:, :2].T + work[:, 2]
    places[:, 0] += 8

    def follow(frames, face):
        for _ in frames:
            yield places, 1.0

    monkeypatch.setattr(dubbing, "face_analyzer", lambda: SimpleNamespace(follow=follow))
    drawn = np.roll(reference.work_frames(0, 2), 8, axis=2)
    frames = with_drawn_faces([reference], drawn, 0)
    left, top, right, bottom = reference.box(reference.landmarks(0, 1))
    difference = np.abs(frames.astype(int) - film.frames(0, 2))[:, top:bottom, left:right]
    still = with_drawn_faces([reference], reference.work_frames(0, 2), 0)
    apart = np.abs(still.astype(int) - film.frames(0, 2))[:, top:bottom, left:right]
    assert difference.mean() < 2 and 2 * difference.mean() < apart.mean()


def test_each_token_belongs_to_one_person_or_the_background(film) -> None:
    references = [FilmedReference(film, [scene_of(film, s)], "face", WORK) for s in (-60, 60)]
    masks = FilmedMasks(references).at(0)
    assert masks.shape == (3, WORK[0] // 16, WORK[1] // 16)
    assert torch.equal(masks.sum(0), torch.ones(masks.shape[1:]))
    columns = [one.any(0).nonzero().flatten().float().mean() for one in masks[:2]]
    assert columns[0] < columns[1]
