"""Where each frame of a reference video looks into the finer picture of the person."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.references.texture import PersonTexture, filled_behind
from tests.faces.drawing import draw_person

HEIGHT, WIDTH = 120, 128
BOX = (39.0, 20.0, 50.0, 61.0)


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
    detail = texture(person, "static").detail(1, 3, left=16, top=32)
    assert detail.share is None and detail.positions.shape == (2, 2, 2, 2)
    assert detail.span == (-16, -32, WIDTH - 16, HEIGHT - 32)
    assert torch.equal(detail.texture[0, :3], (255 * person[0] + 0.5).to(torch.uint8))


def test_a_moving_camera_looks_up_the_person_alone_and_moves(person):
    detail = texture(person, "push_in").detail(0, 5, left=0, top=0)
    background, inside = detail.share[0, 0, 5, 5], detail.share[0, 0, 60, 64]
    assert background == 0 and inside == 1
    assert (detail.share[0, 0] <= person[2]).all()  # the edge of the person is the layers' own
    first, last = detail.positions[0], detail.positions[4]
    assert last.abs().amax() < first.abs().amax()  # nearer: less of the picture is seen


def test_the_face_is_sharpened_as_it_grows_frame_by_frame(person):
    looked_up = texture(person, "push_in")
    detail = looked_up.detail(0, 5, left=0, top=0)
    plain = texture(person, "static").detail(0, 1, 0, 0).texture[0]
    assert len(detail.texture) == 5 and torch.equal(detail.texture[0, :3], plain[:3])
    away = (detail.texture[:, :3].float() - plain[:3].float()).abs().mean((1, 2, 3))
    assert (away.diff() >= 0).all() and away[4] > 0
    for index in range(5):  # a frame does not depend on those that are drawn with it
        alone = looked_up.detail(index, index + 1, 0, 0).texture[0]
        assert torch.equal(alone, detail.texture[index])


def test_pixels_near_the_person_follow_the_head_and_far_ones_do_not(person):
    detail = texture(person, "static").detail(0, 1, 0, 0)
    follows = torch.nn.functional.interpolate(detail.person, (HEIGHT, WIDTH), mode="bilinear")[0, 0]
    assert follows[50, 64] > 0.99 and follows[4, 4] < 0.01
    assert follows.min() >= 0 and follows.max() <= 1


def test_what_covers_the_face_is_filled_and_stays_where_it_is(person):
    occluder = np.zeros((HEIGHT, WIDTH), np.float32)
    occluder[60:, 56:72] = 1
    detail = texture(person, "push_in", occluder).detail(0, 1, 0, 0)
    assert (detail.share[0, 0][occluder > 0] == 1).all()
    free = texture(person, "push_in").detail(0, 1, 0, 0)
    assert not torch.equal(detail.texture, free.texture)
    assert torch.equal(detail.texture[..., :40, :], free.texture[..., :40, :])


def test_a_hidden_part_is_filled_at_the_resolution_of_the_picture():
    picture = torch.full((3, 40, 60), 0.5)
    picture[:, 10:20, 10:20] = 1.0
    hidden = np.zeros((20, 30), np.float32)
    hidden[4:11, 4:11] = 1
    filled = filled_behind(picture, hidden)
    assert filled.shape == (40, 60, 3) and np.ptp(filled.numpy().astype(int)) <= 1
