"""How far 100% goes in a picture."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.camera import MOVES, CameraMove, Plate, build_scene, limit, plan_path, render
from skyreels_avatar.camera.amplitude import MAX_HOLE_SHARE
from skyreels_avatar.camera.moves import PRESETS


@pytest.mark.parametrize("name", MOVES)
def test_the_limit_never_exceeds_the_preset(name: str, scene):
    amplitude = limit(CameraMove(name), scene)
    assert 0 <= amplitude <= PRESETS[name].amplitude
    assert amplitude > 0 or name == "static"


@pytest.mark.parametrize("name", [n for n in MOVES if n not in ("static", "swing")])
def test_at_most_a_quarter_of_the_picture_is_unseen_at_the_end(name: str, scene):
    path = plan_path(CameraMove(name), scene, 3, 25)
    seen = render(scene.image, scene.depth, scene.intrinsics, path.extrinsics[-1:]).seen
    assert 1 - float(seen.float().mean()) <= MAX_HOLE_SHARE + 0.01


def test_absolute_takes_the_preset_whatever_the_picture(scene):
    wide = build_scene(scene.image, scene.depth, scene.person_mask, scene.face_box, hfov_deg=100)
    move = CameraMove("push_out", absolute=True)
    assert limit(move, wide) == PRESETS["push_out"].amplitude


def test_a_face_near_the_border_leaves_less_room_to_pan(bust):
    beside = build_scene(**{**bust, "face_box": (96.0, 22.0, 26.0, 50.0)})
    centered = build_scene(**bust)
    assert limit(CameraMove("pan_left"), beside) < limit(CameraMove("pan_left"), centered)


def test_a_face_that_fills_the_picture_still_moves_a_little(bust):
    close = build_scene(**{**bust, "face_box": (1.0, 1.0, 126.0, 126.0)})
    assert 0.02 < limit(CameraMove("push_in"), close) < 0.2


def test_a_near_object_stops_a_push(bust):
    depth = torch.clone(bust["depth"])
    depth[70:80, 58:70] = 0.6  # a hand before the chin
    near = build_scene(**{**bust, "depth": depth})
    assert limit(CameraMove("push_in"), near) < PRESETS["push_in"].amplitude


def _before(wall, bust):
    """Return the scene of a small bust before a wall (H, W, 3)."""
    mask = bust["person_mask"]
    image = mask * bust["image"] + (1 - mask) * wall
    return build_scene(**{**bust, "image": image})


@pytest.mark.parametrize("name", ["pan_left", "pan_right", "push_out"])
def test_a_busy_border_leaves_less_room_than_a_wall(name: str, bust):
    """What lies beyond a street is invented, and looks so; a wall goes on by itself."""
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    busy, plain = _before(noise, bust), _before(torch.full((3, 128, 128), 0.5), bust)
    assert limit(CameraMove(name), busy) < 0.9 * limit(CameraMove(name), plain)


def test_patterned_clothes_at_the_lower_side_leave_less_room_to_push_out(bust):
    """A body is nearer than the wall, and more of it was mirrored below than was counted."""
    wall = torch.full_like(bust["image"], 0.4)
    y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    pattern = ((x // 3 + y // 3) % 2).float().expand(3, -1, -1)
    amounts = []
    for clothes in (torch.full_like(wall, 0.7), pattern):
        image = torch.where(y < 80, bust["image"], clothes)
        image = bust["person_mask"] * image + (1 - bust["person_mask"]) * wall
        amounts.append(limit(CameraMove("push_out"), build_scene(**{**bust, "image": image})))
    assert amounts[1] < 0.78 * amounts[0]  # 0.71; 0.84 before


def test_a_busy_room_behind_a_person_leaves_less_room_to_uncover_it(bust):
    """Cranes showed so much of it that lines of the room no longer fitted together."""
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    wall = torch.full((3, 128, 128), 0.5)
    room = wall.clone()
    room[:, 16:, 20:108] = noise[:, 16:, 20:108]  # not at the border
    crane = CameraMove("crane_up")
    assert limit(crane, _before(room, bust)) < 0.95 * limit(crane, _before(wall, bust))


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("sure", [0.5, 1.0])
def test_a_head_that_a_side_cuts_leaves_little_room_to_look_past_it(sure: float, right: bool, bust):
    """Beyond the side a second head of hair was seen, drawn out from the first one's edge.

    And of a drawing, whose hair is half sure, the strip beyond the straight end of its hair.
    """
    mask = torch.clone(bust["person_mask"])
    y, h = (round(bust["face_box"][i]) for i in (1, 3))
    columns = slice(100, None) if right else slice(0, 28)
    mask[y : y + h, columns] = sure
    cut, free = (build_scene(**{**bust, "person_mask": one}) for one in (mask, bust["person_mask"]))
    past, away = ("pan_right", "pan_left") if right else ("pan_left", "pan_right")
    assert limit(CameraMove(past), cut) < 0.4 * limit(CameraMove(past), free)
    assert limit(CameraMove(away), cut) > 0.8 * limit(CameraMove(away), free)


def test_what_was_photographed_round_a_crop_is_not_invented(bust):
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    scene = _before(noise, bust)
    wide = [torch.nn.functional.pad(part, (60, 60)) for part in (noise, bust["person_mask"])]
    plate = Plate(*wide, left=60)
    cropped = build_scene(**{**bust, "image": scene.image}, plate=plate)
    assert limit(CameraMove("pan_left"), cropped) > 1.1 * limit(CameraMove("pan_left"), scene)
