"""Where each frame of a reference video looks into the finer picture of the person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from skyreels_avatar.camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.references.texture import PersonTexture, filled_behind
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.reference_clip import as_pixels, detail_place, follows_head, sample_frames
from skyreels_avatar.rig.renderer import render, rest_motion
from tests.faces.drawing import draw_person
from tests.rig.faces import clip_of

HEIGHT, WIDTH = 120, 128
BOX = (39.0, 20.0, 50.0, 61.0)
WHOLE = (0, 0, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def person():
    pixels, points, body = draw_person(HEIGHT, WIDTH, BOX)
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    mask = torch.from_numpy(body.astype(np.float32))
    return image, torch.from_numpy(points.astype(np.float32)), mask


def texture(person, move: str, occluder=None) -> PersonTexture:
    image, landmarks, mask = person
    scene = build_scene(image, 3.0 - 2.0 * mask, mask, BOX)
    video = ReferenceVideo(scene, plan_path(CameraMove(move, 0.6), scene, 5, 25.0))
    return PersonTexture(video, landmarks, image, occluder)


def test_a_static_camera_looks_at_the_same_place_everywhere(person):
    detail = texture(person, "static").detail(1, 3, (16, 32, 80, 96))
    assert detail.positions is None and detail.behind.shape == (1, 4, 64, 64)
    assert detail.span == (-16, -32, WIDTH - 16, HEIGHT - 32)
    inside = person[2] == 1  # and well inside, where nothing of the background is taken out
    inside = -functional.max_pool2d(-inside[None].float(), 9, 1, 4)[0] == 1
    shown = (255 * person[0] + 0.5).to(torch.uint8)
    assert inside.any() and torch.equal(detail.texture[0, :3, inside], shown[:, inside])
    assert (detail.texture[0, 3, inside] == 255).all()


def test_a_person_cut_out_over_what_is_behind_is_the_picture(person):
    detail = texture(person, "static").detail(0, 1, WHOLE)
    covers = detail.texture[:, 3:].float() / 255
    both = detail.behind[:, :3].float().lerp(detail.texture[:, :3].float(), covers)
    assert (both - 255 * person[0]).abs().max() < 8
    # The background of the drawing has even rows and changes by 0.46 a row: mirrored above a head
    # it changes back (17). A person in it would be off by more than 20 everywhere.
    nobody = detail.behind[0, :3, 20:60].float()
    assert (nobody[..., 50:80] - nobody[..., :1]).abs().max() < 20


@pytest.mark.parametrize("move", ["static", "push_in", "pan_left"])
def test_a_head_passes_a_striped_background_that_stands_still(person, move):
    """Under moving cameras a turning head dragged what is beside it along."""
    image, landmarks, mask = person
    stripes = 0.25 + 0.5 * (torch.arange(WIDTH) // 4 % 2).float().expand(3, HEIGHT, WIDTH)
    image = torch.where(mask.bool(), image, stripes)
    looked_up = texture((image, landmarks, mask), move)
    detail = looked_up.detail(1, 2, WHOLE)
    before = torch.from_numpy(looked_up._video.pictures(1, 2)).permute(0, 3, 1, 2)
    clip = replace(clip_of(landmarks, 1), frames=as_pixels(before / 255), detail=detail)
    motion = rest_motion(landmarks[None])
    motion[:, MOTION_INDEX["shift_x"]] = 0.15  # of the face height, 9 pixels
    beside = slice(36, 60), slice(14, 30)
    assert (mask[beside] == 0).all()
    changes = []
    for seen in (detail, replace(detail, behind=None)):
        frames, matte = render(motion, replace(clip, detail=seen))
        after = torch.where(matte[0], frames[0, :3].float(), before[0].float())
        change = after - before[0].float()
        assert change[:, 40:60, 60:].abs().max() > 60  # the face went along
        changes.append(float(change[(slice(None), *beside)].abs().mean()))
    assert changes[0] < 1.5 < 5 < changes[1]


@pytest.mark.parametrize("move", ["push_in", "push_out", "crane_up"])
def test_a_resting_person_over_what_is_behind_is_the_frame_of_a_moving_camera(person, move):
    looked_up = texture(person, move)
    detail = looked_up.detail(3, 4, WHOLE)
    frame = torch.from_numpy(looked_up._video.pictures(3, 4)).permute(0, 3, 1, 2).float()
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    place = detail_place(detail, torch.stack([x, y])[None] + 0.5)
    found = sample_frames(detail.texture, place).float()
    both = detail.behind.float().lerp(found, found[:, 3:] / 255)[:, :3]
    away = (both - frame).abs()
    assert away.mean() < 1.5 and (away.amax(1) > 40).float().mean() < 0.01


def test_a_moving_camera_looks_up_the_person_alone_and_moves(person):
    detail = texture(person, "push_in").detail(0, 5, WHOLE)
    assert detail.behind.shape == (5, 4, HEIGHT, WIDTH)
    covers = detail.texture[0, 3]
    margin = (covers.shape[1] - WIDTH) // 2
    assert margin > 0 and covers[margin + 5, margin + 5] == 0
    assert covers[margin + 60, margin + 64] == 255
    first, last = detail.positions[0], detail.positions[4]
    assert last.abs().amax() < first.abs().amax()  # nearer: less of the picture is seen


def test_the_face_is_sharpened_as_it_grows_frame_by_frame(person):
    looked_up = texture(person, "push_in")
    detail = looked_up.detail(0, 5, WHOLE)
    assert len(detail.texture) == 5
    away = (detail.texture[:, :3].float() - detail.texture[0, :3].float()).abs().mean((1, 2, 3))
    assert (away.diff() >= 0).all() and away[4] > 0
    for index in range(5):  # a frame does not depend on those that are drawn with it
        alone = looked_up.detail(index, index + 1, WHOLE).texture[0]
        assert torch.equal(alone, detail.texture[index])


@pytest.mark.parametrize("move", ["static", "push_in"])
def test_pixels_near_the_person_follow_the_head_and_far_ones_do_not(person, move):
    detail = texture(person, move).detail(0, 1, WHOLE)
    at = torch.tensor([[64.5, 50.5], [2.5, 2.5]]).T[None, :, None]
    near, far = follows_head(detail, at).flatten().tolist()
    assert near > 0.99 and far < 0.1
    assert detail.person.min() >= 0 and detail.person.max() <= 1


@pytest.mark.parametrize("move", ["static", "push_in"])
def test_what_covers_the_face_is_filled_with_what_is_round_it(person, move):
    occluder = np.zeros((HEIGHT, WIDTH), np.float32)
    occluder[60:, 56:72] = 1
    hidden, free = (texture(person, move, one).detail(0, 1, WHOLE) for one in (occluder, None))
    margin = (free.texture.shape[3] - WIDTH) // 2
    changed = (hidden.texture != free.texture).any(1)[0]
    assert changed[margin + 60 : margin + 100].any() and not changed[: margin + 40].any()
    assert (hidden.texture[0, 3, margin + 65, margin + 60 : margin + 68] > 235).all()  # a face


def test_a_hidden_part_is_filled_at_the_resolution_of_the_picture():
    picture = torch.full((4, 40, 60), 128, dtype=torch.uint8)
    picture[:, 10:20, 10:20] = 255
    hidden = np.zeros((20, 30), np.float32)
    hidden[4:11, 4:11] = 1
    filled = filled_behind(picture, hidden)
    assert filled.shape == (4, 40, 60) and np.ptp(filled.numpy().astype(int)) <= 1


@pytest.mark.parametrize("axis", [0, 1])
def test_a_head_that_moves_into_a_frame_brings_what_the_picture_has_beyond_it(person, axis):
    """In a push_in hair above the frame was streaks once the head sank."""
    detail = texture(person, "push_in").detail(4, 5, WHOLE)
    size = (WIDTH, HEIGHT)[axis]
    for start, stop in ((-12, 12), (size - 12, size + 12)):
        positions = torch.full((1, 2, 1, stop - start), 60.0)
        positions[0, axis, 0] = torch.arange(start, stop) + 0.5
        steps = detail_place(detail, positions)[0, axis, 0].diff()
        assert float(steps.min()) > 0.8 * float(steps.median()) > 0
