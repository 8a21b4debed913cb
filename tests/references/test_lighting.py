"""A light over the frames of a shot: from the first on, or growing; without jumps or seams."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import CameraMove, ReferenceVideo, build_scene, plan_path
from skyreels_avatar.models.light_encoder import Light, ShotLight
from skyreels_avatar.references.lighting import PictureLight
from tests.faces.drawing import draw_person

FACE = (100.0, 40.0, 90.0, 110.0)
NUM_FRAMES = 50
RED = Light(warmth=0.9, tint=0.9)
CANDLE = Light(warmth=0.6, flicker=0.5)


@pytest.fixture(scope="module")
def drawn():
    """A drawn person: pixels (240, 300, 3), its matte, and who it is."""
    pixels, landmarks, mask = draw_person(240, 300, FACE)
    return pixels, np.float32(mask), SimpleNamespace(box=FACE, landmarks=landmarks)


def _lit(drawn, light: ShotLight, seed: int = 0) -> PictureLight:
    pixels, matte, face = drawn
    return PictureLight(light, pixels, matte, [face], seed)


def _video(drawn, move: str = "static") -> ReferenceVideo:
    pixels, matte, _ = drawn
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    depth = torch.from_numpy(np.where(matte > 0.5, np.float32(1), np.float32(3)))
    scene = build_scene(picture, depth, torch.from_numpy(matte), FACE)
    return ReferenceVideo(scene, plan_path(CameraMove(move, 0.5), scene, NUM_FRAMES, 25.0))


def _graded(drawn, light: ShotLight, move: str = "static", **how) -> np.ndarray:
    video = _video(drawn, move)
    return _lit(drawn, light, **how).frame_light(video).apply(video.pictures(0, NUM_FRAMES), 0)


def test_a_light_that_stays_is_in_the_picture_and_costs_no_frame_anything(drawn):
    light = _lit(drawn, ShotLight(RED, RED))
    picture = torch.from_numpy(drawn[0]).permute(2, 0, 1).float() / 255
    assert light.frame_light(_video(drawn)) is None
    assert (light.relight(picture) - picture).abs().mean() > 0.05
    assert light.relight(picture).shape == picture.shape


def test_the_finer_picture_is_in_the_same_light(drawn):
    light = _lit(drawn, ShotLight(Light(side=-1.0, warmth=0.4), Light(side=-1.0, warmth=0.4)))
    picture = torch.from_numpy(drawn[0]).permute(2, 0, 1).float() / 255
    fine = torch.nn.functional.interpolate(picture[None], scale_factor=2, mode="bilinear")[0]
    again = torch.nn.functional.avg_pool2d(light.relight(fine), 2)
    assert (again - light.relight(picture)).abs().mean() < 0.01


def test_a_larger_picture_round_the_shot_is_in_the_same_light(drawn):
    pixels, matte, _ = drawn
    light = _lit(drawn, ShotLight(Light(side=-1.0, back=0.4), Light(side=-1.0, back=0.4)))
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    sides = (24, 16, 10, 6)  # left, right, top, bottom
    wide = torch.nn.functional.pad(picture[None], sides, "replicate")[0]
    around = torch.nn.functional.pad(torch.from_numpy(matte)[None, None], sides)[0, 0].numpy()
    inside = light.relight(wide, around, (24, 10))[:, 10:-6, 24:-16]
    torch.testing.assert_close(inside, light.relight(picture), atol=2e-3, rtol=0)


def test_a_light_that_changes_begins_with_the_picture_and_ends_as_if_it_had_always_been(drawn):
    pixels, _, _ = drawn
    frames = _graded(drawn, ShotLight(Light(), RED))
    assert np.array_equal(frames[0], pixels)
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    always = 255 * _lit(drawn, ShotLight(RED, RED)).relight(picture).permute(1, 2, 0).numpy()
    assert np.abs(frames[-1] - always).max() < 2.5  # bytes after the saturation, and at the end


def test_the_fast_way_shades_as_the_exact_one(drawn):
    pixels, _, _ = drawn
    asked = Light(side=-0.8, spot=0.5, exposure=-0.3, warmth=0.3, saturation=-0.4, contrast=0.3)
    frames = _graded(drawn, ShotLight(Light(), asked))
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    exact = 255 * _lit(drawn, ShotLight(asked, asked)).relight(picture).permute(1, 2, 0).numpy()
    error = np.abs(frames[-1] - exact)
    # Only the outline differs, which frames take from a coarser matte.
    assert error.mean() < 2.0 and np.percentile(error, 95) < 6


@pytest.mark.parametrize("light", [ShotLight(Light(), RED), ShotLight(CANDLE, CANDLE)])
def test_light_changes_without_jumps(drawn, light):
    mean = _graded(drawn, light).mean((1, 2))
    assert np.ptp(mean, axis=0).max() > 5
    assert np.abs(np.diff(mean, axis=0)).max() < 14
    assert np.abs(np.diff(mean, 2, axis=0)).max() < 16


def test_what_comes_suddenly_comes_in_the_middle_and_quickly(drawn):
    mean = _graded(drawn, ShotLight(Light(), Light(exposure=-1.5), sudden=1.0)).mean((1, 2, 3))
    assert np.ptp(mean[:20]) < 1 and np.ptp(mean[30:]) < 1
    assert mean[30] < 0.75 * mean[20]


@pytest.mark.parametrize("move", ["static", "push_in", "pan_left"])
def test_frames_do_not_depend_on_how_they_are_asked_for(drawn, move):
    """Workers and runs that go on make any frames, in any chunks."""
    light = ShotLight(Light(flicker=0.3), Light(side=1.0, warmth=0.5, flicker=0.3))
    video = _video(drawn, move)
    whole = _lit(drawn, light).frame_light(video).apply(video.pictures(0, NUM_FRAMES), 0)
    again = _lit(drawn, light).frame_light(video)
    chunks = (video.pictures(first, first + 7) for first in range(21, 42, 7))
    assert np.array_equal(np.concatenate(list(again.apply_to_chunks(chunks, 21))), whole[21:42])


def test_a_light_from_the_side_moves_with_the_person(drawn):
    """Where the camera goes, the lit side of the face is still its left one."""
    frames = _graded(drawn, ShotLight(Light(), Light(side=-1.0)), "pan_left").astype(np.float32)
    plain = _video(drawn, "pan_left").pictures(NUM_FRAMES - 1, NUM_FRAMES)[0].astype(np.float32)
    video = _video(drawn, "pan_left")
    x, y, width, height = FACE
    points = torch.tensor([[x + s * width, y + 0.45 * height] for s in (0.2, 0.8)])
    left, right = video.project(video.lift(points), NUM_FRAMES - 1, NUM_FRAMES)[0, :, :2].tolist()
    share = [
        frames[-1][int(row) - 3 : int(row) + 4, int(column) - 3 : int(column) + 4].mean()
        / plain[int(row) - 3 : int(row) + 4, int(column) - 3 : int(column) + 4].mean()
        for column, row in (left, right)
    ]
    assert share[0] > 1.2 * share[1]


def test_another_seed_is_another_flame(drawn):
    first, second, again = (_graded(drawn, ShotLight(CANDLE, CANDLE), seed=s) for s in (1, 2, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
