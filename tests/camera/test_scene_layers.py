"""Layers of a scene go on beyond the picture: outline, clothes, crown, what was cropped."""

from __future__ import annotations

import numpy as np
import torch

from skyreels_avatar.camera import Plate, build_scene
from skyreels_avatar.camera.scene_layers import background_layer, person_layer


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


def test_a_pattern_of_clothes_goes_on_below_the_border(bust):
    """Knitwear and prints went on as smears of their mean color."""
    rows, columns = torch.arange(128)[:, None], torch.arange(128)
    blots = ((rows // 7 * 5 + columns // 7 * 3) % 7 < 2) & (rows > 80)
    image = torch.where(blots, 0.1, 1.0) * bust["image"]
    values = person_layer(build_scene(**{**bust, "image": image}), 32).values[..., 0]
    inside, below = values[-52:-32, 72:120], values[-24:-8, 72:120]
    assert below.std() > 0.5 * inside.std()


def test_a_head_cut_by_a_side_ends_there(bust):
    """Its outline opened outwards, and a second head of hair lay beyond the picture."""
    columns = slice(55, None)
    cut = {
        "image": bust["image"][:, :, columns].contiguous(),
        "depth": bust["depth"][:, columns].contiguous(),
        "person_mask": bust["person_mask"][:, columns].contiguous(),
        "face_box": (0.0, 22.0, 29.0, 50.0),
    }
    cut["person_mask"][20:60, :10] = 1
    beside = person_layer(build_scene(**cut), 24).values[24:, :24, 3]
    assert beside[20:60, :16].max() < 0.01
    assert beside[85:95, 22].min() > 0.5  # shoulders go on


def test_long_hair_that_a_side_cuts_goes_on_without_a_step(bust):
    """It ended beside the side above the chin and went on at full width below it, as a box."""
    mask = torch.zeros(128, 128)
    mask[20:, :100] = 1.0
    depth = torch.where(mask > 0.5, 1.0, 3.0)
    scene = build_scene(**{**bust, "person_mask": mask, "depth": depth})
    beyond = person_layer(scene, 40).values[40:168, :40, 3] > 0.5
    widths = beyond.sum(axis=1)
    assert widths[40:60].max() < 8  # beside the face
    assert widths[-1] > 30
    assert np.diff(widths[40:].astype(int)).max() <= 3


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


def test_beyond_a_busy_border_the_room_is_mirrored_and_beside_lines_they_go_on(bust):
    """Objects that end near the border went on as streaks across the outer part of a pan."""
    noise = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    busy = torch.nn.functional.interpolate(noise[None], scale_factor=4, mode="bilinear")[0]
    mask = bust["person_mask"]
    scene = build_scene(**{**bust, "image": mask * bust["image"] + (1 - mask) * busy})
    values = background_layer(scene, 24).values[:, :, 0]
    beyond, inside = values[30:60, 16:24], values[30:60, 25:33][:, ::-1]
    assert np.corrcoef(beyond.ravel(), inside.ravel())[0, 1] > 0.9
    x = torch.arange(128.0)
    stripes = (0.5 + 0.4 * torch.sin(x / 6))[None, :, None].expand(3, 128, 128)
    scene = build_scene(**{**bust, "image": mask * bust["image"] + (1 - mask) * stripes})
    values = background_layer(scene, 24).values[:, :, 0]
    expected = np.broadcast_to(stripes[0, 5:60, :1].numpy(), (55, 24))
    np.testing.assert_allclose(values[29:84, :24], expected, atol=0.06)
