"""A picture split into person and background."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from skyreels_avatar.camera import Plate, build_scene
from skyreels_avatar.camera.scene_layers import background_layer, person_layer
from tests.camera.conftest import SIZE


def test_person_over_background_is_the_picture(scene):
    color, coverage = scene.person[:3], scene.person[3:]
    composed = color + (1 - coverage) * scene.background
    torch.testing.assert_close(composed, scene.image, atol=1e-6, rtol=0)


def test_no_color_of_the_person_is_left_behind_it(scene):
    """The bust is red, the wall has no red above 0.1."""
    inside = scene.person_mask > 0.99
    assert scene.background[0][inside].max() < 0.25


def test_the_persons_edge_has_no_halo(scene):
    color, coverage = scene.person[:3], scene.person[3:]
    assert (color >= -0.081).all()
    assert (color <= coverage + 0.081).all()


def test_no_line_is_left_beside_the_person(bust):
    """A bust before a soft pattern: where the invented wall begins there is no edge."""
    size = 4 * SIZE
    y, x = np.mgrid[0:size, 0:size]
    wave = 2 * np.pi / (4 * 48)
    wall = 0.5 + 0.3 * np.sin(0.75 * wave * y) * np.sin(wave * x)
    mask = cv2.resize(bust["person_mask"].numpy(), (size, size))
    depth = cv2.resize(bust["depth"].numpy(), (size, size))
    picture = torch.from_numpy((1 - mask) * wall).float().expand(3, -1, -1).contiguous()
    face = tuple(4 * side for side in bust["face_box"])
    scene = build_scene(picture, torch.from_numpy(depth), torch.from_numpy(mask), face)
    steepness = np.hypot(*np.gradient(scene.background[0].numpy()))
    away = cv2.distanceTransform((scene.person[3].numpy() < 0.03).astype(np.uint8), cv2.DIST_L2, 5)
    beside = (away > 4) & (away < 8)
    assert steepness[beside].max() < 2.5 * 0.3 * wave


def test_depths_are_smooth_and_the_anchor_lies_on_the_face(scene):
    assert float(scene.person_depth.max()) < 1.2
    assert float(scene.background_depth.min()) > 2.5
    assert float(scene.anchor[2]) == pytest.approx(0.98, abs=0.03)


def test_layers_hold_the_picture_in_their_middle(scene):
    margin = 24
    inner = (slice(margin, -margin), slice(margin, -margin))
    background = background_layer(scene, margin)
    person = person_layer(scene, margin)
    middle = torch.from_numpy(background.values[inner]).permute(2, 0, 1)
    assert torch.equal(middle, scene.background)
    assert torch.equal(torch.from_numpy(person.values[inner]).permute(2, 0, 1), scene.person)
    outside = background.seen.copy()
    outside[inner] = 0
    assert not outside.any()


def test_a_torso_cut_by_the_border_goes_on_below_it(scene):
    coverage = person_layer(scene, 24).values[..., 3]
    below, above = coverage[-10], coverage[:20]
    assert below[24 + 64] > 0.99
    assert below[24 + 2] < 0.01
    assert above.max() < 0.01


def test_a_cut_head_closes_in_an_arc(bust):
    """The crown went on as a spike."""
    rows = slice(30, None)
    cut = {
        "image": bust["image"][:, rows].contiguous(),
        "depth": bust["depth"][rows].contiguous(),
        "person_mask": bust["person_mask"][rows].contiguous(),
        "face_box": (44.0, 0.0, 40.0, 42.0),
    }
    above = person_layer(build_scene(**cut), 24).values[:24, :, 3]
    true_crown = bust["person_mask"].numpy()[18:30]
    assert np.abs(above[12:, 24:-24] - true_crown).mean() < 0.06
    assert above[:6].max() < 0.01


def test_beyond_a_crop_lies_what_was_photographed(bust):
    part = (..., slice(20, 100), slice(10, 110))
    plate = Plate(bust["image"], bust["person_mask"], left=10, top=20)
    scene = build_scene(
        bust["image"][part],
        bust["depth"][part],
        bust["person_mask"][part],
        (34.0, 2.0, 40.0, 50.0),
        plate=plate,
    )
    background, person = background_layer(scene, 24), person_layer(scene, 24)
    over = person.values[..., :3] + (1 - person.values[..., 3:]) * background.values
    assert over.shape == (128, 148, 3)
    known = over[4:128, 14:142]  # 20 rows above and 24 below the crop, 10 and 18 columns beside
    expected = bust["image"].permute(1, 2, 0).numpy()[:124]
    np.testing.assert_allclose(known, expected, atol=2e-6)
    assert background.seen[4:24].mean() > 150 and not background.seen[:4].any()


def test_a_broad_half_sure_part_goes_with_the_person_and_a_soft_edge_stays(bust):
    mask = bust["person_mask"].clone()
    mask[100:, 100:] = 0.6
    scene = build_scene(**{**bust, "person_mask": mask})
    assert scene.person[3, 106:122, 106:122].min() > 0.99
    assert torch.equal(scene.person[3, :80], build_scene(**bust).person[3, :80])


@pytest.mark.parametrize(
    ("plate", "message"),
    [
        (Plate(torch.ones(3, 130, 130), torch.ones(130, 130), 3, 0), "must lie in the plate"),
        (Plate(torch.ones(3, 130, 130), torch.ones(130, 130), 0, -1), "must lie in the plate"),
        (Plate(torch.ones(3, 128, 128), torch.ones(130, 130), 0, 0), "the plate's image"),
    ],
)
def test_a_plate_that_does_not_fit_is_refused(bust, plate, message):
    with pytest.raises(ValueError, match=message):
        build_scene(**bust, plate=plate)


def test_a_picture_without_a_person_is_all_background(bust):
    empty = build_scene(**{**bust, "person_mask": torch.zeros(128, 128)})
    torch.testing.assert_close(empty.background, empty.image)
    assert empty.person.abs().max() < 1e-6


def test_a_picture_full_of_person_is_handled(bust):
    full = build_scene(**{**bust, "person_mask": torch.ones(128, 128)})
    composed = full.person[:3] + (1 - full.person[3:]) * full.background
    torch.testing.assert_close(composed, full.image, atol=1e-5, rtol=0)
    assert torch.isfinite(full.background_depth).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": torch.ones(4, 4)}, "depth must have the image's size"),
        ({"person_mask": torch.ones(4, 4)}, "person_mask must have the image's size"),
        ({"depth": torch.zeros(128, 128)}, "above 0"),
        ({"depth": torch.full((128, 128), float("nan"))}, "above 0"),
        ({"face_box": (300.0, 0.0, 10.0, 10.0)}, "face_box"),
        ({"face_box": (10.0, 10.0, 0.0, 10.0)}, "face_box"),
        ({"image": torch.ones(128, 128)}, r"image must be \(3, H, W\)"),
    ],
)
def test_what_does_not_fit_together_is_refused(bust, change, message):
    with pytest.raises(ValueError, match=message):
        build_scene(**{**bust, **change})
