"""Cutting a person out."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces import matte
from skyreels_avatar.faces.matte import guided_filter, person_mask
from tests.faces.drawing import draw_person


def _agreement(mask: np.ndarray, person: np.ndarray) -> float:
    """Intersection over union."""
    return float(((mask > 0.5) & person).sum() / ((mask > 0.5) | person).sum())


def test_the_mask_is_the_person(analyzer, person):
    picture, _, silhouette = person
    mask = person_mask(picture, analyzer.find(picture)[0])
    assert mask.shape == picture.shape[:2] and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1
    assert _agreement(mask, silhouette) > 0.97


def test_the_mask_is_the_same_every_time(analyzer, person):
    picture, _, _ = person
    face = analyzer.find(picture)[0]
    assert (person_mask(picture, face) == person_mask(picture, face)).all()


def test_another_person_who_stands_apart_is_left_out(analyzer):
    one, _, silhouette = draw_person(480, 480, (170, 90, 110, 134))
    both = np.concatenate([one, one], 1)
    faces = sorted(analyzer.find(both), key=lambda face: face.box[0])
    nobody = np.zeros_like(silhouette)
    for face, person in zip(
        faces, [np.concatenate(p, 1) for p in ((silhouette, nobody), (nobody, silhouette))]
    ):
        assert _agreement(person_mask(both, face), person) > 0.95
    everybody = np.concatenate([silhouette, silhouette], 1)
    assert _agreement(person_mask(both, None), everybody) > 0.95


def test_colors_decide_where_the_network_sees_nobody(analyzer, person, monkeypatch):
    picture, _, silhouette = person
    face = analyzer.find(picture)[0]
    blind = np.zeros(picture.shape[:2], np.float32)
    monkeypatch.setattr(matte, "_segment", lambda pixels, landmarks: blind)
    mask = person_mask(picture, face)
    assert _agreement(mask, silhouette) > 0.8
    assert (person_mask(picture, face) == mask).all()


def _one_sided(pixels: np.ndarray) -> np.ndarray:
    """A network that sees white as a person, and half sure a patch at the left of any picture."""
    share = (pixels[..., 1] > 200).astype(np.float32)
    height, width = share.shape
    patch = share[: height // 3, : width // 6]
    np.maximum(patch, 0.7, out=patch)
    return share


@pytest.mark.parametrize("face_height", [None, 10, 60])
def test_what_the_network_sees_in_one_of_two_mirror_images_alone_is_no_person(
    monkeypatch, face_height
):
    """Both in the whole picture and in the part round a small face that is segmented again."""
    monkeypatch.setattr(matte, "segmenter", lambda: _one_sided)
    pixels = np.zeros((200, 240, 3), np.uint8)
    pixels[90:, 110:190] = 255
    landmarks = None
    if face_height is not None:
        landmarks = np.array([[140, 90], [160, 90 + face_height]], np.float32)
    share = matte._segment(pixels, landmarks)
    person = pixels[..., 1] > 0
    assert share[~person].max() < 0.2
    assert share[person].min() > 0.99


def test_a_mask_does_not_depend_on_which_way_round_a_picture_is(analyzer, person):
    picture, _, _ = person
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    one, other = person_mask(picture, None), person_mask(mirrored, None)
    assert np.abs(one - other[:, ::-1]).mean() < 1e-3


@pytest.mark.parametrize("factor", [1, 3])
def test_a_guided_filter_moves_an_edge_to_the_edge_of_the_picture(factor):
    """The coarse mask is 3 pixels off; the picture knows better, at either size."""
    small = np.zeros((60, 60, 3), np.uint8)
    small[:, 30:] = (200, 180, 160)
    coarse = np.zeros((60, 60), np.float32)
    coarse[:, 33:] = 1
    full = np.repeat(np.repeat(small, factor, 0), factor, 1)
    fine = guided_filter(small, coarse, full, 8, 1e-4)
    middle = fine[30 * factor]
    assert fine.shape == full.shape[:2]
    assert middle[28 * factor] < 0.1 and middle[31 * factor] > 0.5


def test_a_guided_filter_keeps_a_constant(rng):
    guide = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    fine = guided_filter(guide, np.full((40, 50), 0.7, np.float32), guide, 4, 1e-3)
    assert np.abs(fine - 0.7).max() < 1e-4
