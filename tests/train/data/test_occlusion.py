"""Faces with things drawn before them: what a sample is, and that every thing can be drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.models.occluder import OccluderNet
from tests.faces.drawing import draw_person
from train.data.occlusion import FaceCrops, OccludedFaces, crop_of
from train.data.simulate.drawing import FINE
from train.data.simulate.face_looks import change_look
from train.data.simulate.occluders import THINGS, draw_occluder
from train.stages.occluder import mask_loss, validate

SKIN = np.full((24, 24, 3), (200, 160, 140), np.uint8)


@pytest.fixture(scope="module")
def crops() -> FaceCrops:
    class Drawn:
        kept_out = False

        def __init__(self):
            self._pixels, self.landmarks, _ = draw_person(300, 320, (110.0, 60.0, 90.0, 110.0))

        def pixels(self) -> np.ndarray:
            return self._pixels

    crop = FaceCrops(*(np.stack([value]) for value in crop_of(Drawn())))
    return FaceCrops(crop.pixels, crop.points[..., :2], crop.skin, crop.kept_out)


@pytest.mark.parametrize("name", THINGS)
def test_every_thing_covers_something_and_never_all(name):
    rng = np.random.default_rng(1)
    photo = np.full((FINE, FINE, 3), 90, np.uint8)
    shares = []
    for _ in range(6):
        layer = THINGS[name][0](rng, SKIN, photo)
        assert layer.colours.shape == (FINE, FINE, 3) and np.isfinite(layer.colours).all()
        assert layer.cover.min() >= 0 and layer.cover.max() <= 1
        shares.append(layer.cover.mean())
    assert 0.005 < np.mean(shares) < 0.7


def test_samples_repeat_with_their_seed_and_some_are_bare(crops):
    faces, masks = OccludedFaces(crops, 4).batch(24)
    assert faces.shape == (24, 3, 128, 128) and masks.shape == (24, 1, 128, 128)
    assert faces.min() >= 0 and faces.max() <= 1 and masks.min() >= 0 and masks.max() <= 1
    covered = masks.amax((1, 2, 3)) > 0.5
    assert 6 < int(covered.sum()) < 22
    again = OccludedFaces(crops, 4).batch(24)
    assert torch.equal(again[0], faces) and torch.equal(again[1], masks)
    assert not torch.equal(OccludedFaces(crops, 5).batch(24)[0], faces)


def test_looks_change_a_face_and_keep_its_size(crops):
    rng = np.random.default_rng(0)
    changed = [change_look(crops.pixels[0], crops.points[0], rng) for _ in range(12)]
    assert all(face.shape == crops.pixels[0].shape and face.dtype == np.uint8 for face in changed)
    assert sum(bool((face != crops.pixels[0]).any()) for face in changed) > 4


def test_a_thing_is_lit_and_named():
    photo = np.full((FINE, FINE, 3), 90, np.uint8)
    name, layer = draw_occluder(np.random.default_rng(2), SKIN, photo)
    assert name in THINGS and layer.cover.max() > 0


def test_the_loss_is_least_for_the_right_mask_and_counts_false_alarms():
    masks = torch.zeros(2, 1, 32, 32)
    masks[0, :, 8:20, 8:20] = 1
    right = (2 * masks - 1) * 8
    alarm = right.clone()
    alarm[1, :, 8:20, 8:20] = 8
    missed = right.clone()
    missed[0] = -8
    assert mask_loss(right, masks) < 0.01
    assert mask_loss(alarm, masks) > mask_loss(missed, masks) > 0.5


def test_validation_counts_misses_and_false_alarms():
    class Says(OccluderNet):
        def forward(self, faces: torch.Tensor) -> torch.Tensor:
            return faces[:, :1] * 16 - 8

    masks = torch.zeros(4, 1, 32, 32)
    masks[:2, :, 8:20, 8:20] = 1
    found = masks.clone()
    found[1] = 0
    found[3, :, 8:20, 8:20] = 1
    measured = validate(Says(widths=(4, 6)), found.expand(-1, 3, -1, -1), masks)
    assert measured["iou"] == 0.5 and measured["missed"] == 0.5
    assert measured["false_alarms"] == 0.5 and measured["bare"] == measured["covered"] == 2
