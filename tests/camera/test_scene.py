"""A picture split into person and background."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from skyreels_avatar.camera import Plate, build_scene
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


def test_a_glint_at_the_edge_goes_with_the_person(bust):
    """Half sure, as of an ear ring, it stayed in the background as a bright speck."""
    image, mask = torch.full_like(bust["image"], 0.3), torch.clone(bust["person_mask"])
    image = image + mask * 0.2
    image[:, 50:53, 84:87] = 1.0
    mask[50:53, 84:87] = 0.5
    scene = build_scene(**{**bust, "image": image, "person_mask": mask})
    assert scene.background[:, 48:55, 82:89].max() < 0.45
    assert scene.person[3, 51, 85] > 0.9


def test_depths_are_smooth_and_the_anchor_lies_on_the_face(scene):
    assert float(scene.person_depth.max()) < 1.2
    assert float(scene.background_depth.min()) > 2.5
    assert float(scene.anchor[2]) == pytest.approx(0.98, abs=0.03)


def test_a_broad_half_sure_part_goes_with_the_person_and_a_soft_edge_stays(bust):
    mask = bust["person_mask"].clone()
    mask[100:, 100:] = 0.6
    scene = build_scene(**{**bust, "person_mask": mask})
    assert scene.person[3, 106:122, 106:122].min() > 0.99
    assert (scene.person[3, :80] - build_scene(**bust).person[3, :80]).abs().max() < 0.05


def test_a_broad_part_that_is_rather_not_the_person_stays_in_the_background(bust):
    """A chair behind the hip went up with the person in a crane: a dark patch."""
    mask = bust["person_mask"].clone()
    mask[100:, 100:] = 0.4
    scene = build_scene(**{**bust, "person_mask": mask})
    assert scene.person[3, 106:122, 106:122].max() < 0.03
    assert (scene.person[3, :66] - build_scene(**bust).person[3, :66]).abs().max() < 0.05


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


def test_the_fill_behind_a_person_goes_out_of_focus(bust):
    """Mirrored bricks and cars beside a person were as sharp as real ones, and bent."""
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    mask = bust["person_mask"]
    scene = build_scene(**{**bust, "image": mask * bust["image"] + (1 - mask) * noise})
    steps = (scene.background[..., 1:] - scene.background[..., :-1]).abs().mean(0)
    deep, beside = steps[34:60, 54:74].mean(), steps[34:60, 4:24].mean()
    assert float(deep) < 0.5 * float(beside)
