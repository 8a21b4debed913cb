"""The reference video."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import (
    MOVES,
    CameraMove,
    ReferenceVideo,
    build_scene,
    make_layers,
    plan_path,
)

MOVING = [name for name in MOVES if name != "static"]


@pytest.mark.parametrize("name", MOVES)
def test_zero_strength_is_the_picture_bit_for_bit(name: str, scene):
    video = ReferenceVideo(scene, plan_path(CameraMove(name, 0.0), scene, 6, 25))
    frames, seen = video.frames(0, 6)
    assert torch.equal(frames, scene.image.expand(6, -1, -1, -1))
    assert seen.all()


def test_the_first_frame_of_a_move_is_the_picture(scene):
    video = ReferenceVideo(scene, plan_path(CameraMove("crane_up"), scene, 10, 25))
    frames, seen = video.frames(0, 1)
    assert torch.equal(frames[0], scene.image)
    assert seen.all()


def test_a_move_leaves_the_picture_without_a_jump(scene):
    """Layers and resampling must add up to the picture: a jump from frame 0 to 1 is a flash.

    Enlarging the coarse map with OpenCV's cubic kernel bent it by half a pixel.
    """
    path = plan_path(CameraMove("push_in", 0.01), scene, 500, 25)
    frames, _ = ReferenceVideo(scene, path).frames(0, 2)
    assert (frames[1] - frames[0]).abs().max() < 1.01 / 255


def test_colors_beyond_black_and_white_count_where_layers_mix(bust):
    """A hard edge, enlarged, goes below 0 and above 255: numbers of 16 bits wrapped round."""
    image = (bust["image"] > 0.5).float()
    mask = (bust["person_mask"] > 0.5).float()
    hard = build_scene(**{**bust, "image": image, "person_mask": mask})
    path = plan_path(CameraMove("push_in", 0.01), hard, 500, 25)
    frames, _ = ReferenceVideo(hard, path).frames(0, 2)
    assert (frames[1] - frames[0]).abs().mean() < 0.5 / 255
    assert ((frames[1] - frames[0]).abs() > 0.1).float().mean() < 1e-3


def test_any_range_gives_the_pixels_of_the_whole(scene):
    video = ReferenceVideo(scene, plan_path(CameraMove("swing", 0.8), scene, 12, 25))
    again = ReferenceVideo(scene, plan_path(CameraMove("swing", 0.8), scene, 12, 25))
    frames, seen = video.frames(0, 12)
    part, part_seen = again.frames(7, 10)
    assert torch.equal(part, frames[7:10])
    assert torch.equal(part_seen, seen[7:10])
    assert video.frames(5, 5)[0].shape == (0, 3, 128, 128)


@pytest.mark.parametrize("name", MOVING)
def test_frames_are_pictures_and_unseen_parts_are_filled(name: str, scene):
    video = ReferenceVideo(scene, plan_path(CameraMove(name), scene, 20, 25))
    frames, seen = video.frames(19, 20)
    assert frames.min() >= 0
    assert frames.max() <= 1
    assert torch.isfinite(frames).all()
    unseen = ~seen[0, 0]
    assert unseen.any()
    assert frames[0, :, unseen].mean() > 0.1


@pytest.mark.parametrize("name", MOVING)
def test_lifted_points_move_with_the_pixels_of_the_person(name: str, bust):
    """A bright dot is painted on the cheek; its center must stay where `project` says."""
    image = bust["image"].clone()
    image[:, 52:57, 52:57] = torch.tensor([0.1, 1.0, 1.0])[:, None, None]
    scene = build_scene(**{**bust, "image": image})
    video = ReferenceVideo(scene, plan_path(CameraMove(name, 0.8), scene, 20, 25))
    planned = video.project(video.lift(torch.tensor([[54.5, 54.5]])), 0, 20)[-1, 0]
    frame = video.frames(19, 20)[0][0]
    x0, y0 = int(planned[0]) - 8, int(planned[1]) - 8
    dot = (frame[2] - frame[0]).clamp_min(0)[y0 : y0 + 17, x0 : x0 + 17]
    dot = torch.where(dot > 0.4, dot, torch.zeros_like(dot))
    offset = torch.arange(17) + 0.5
    found_x = x0 + (dot.sum(0) * offset).sum() / dot.sum()
    found_y = y0 + (dot.sum(1) * offset).sum() / dot.sum()
    assert float(found_x - planned[0]) == pytest.approx(0, abs=0.35)
    assert float(found_y - planned[1]) == pytest.approx(0, abs=0.35)


def test_projecting_lifted_points_at_the_start_gives_them_back(scene):
    video = ReferenceVideo(scene, plan_path(CameraMove("push_in"), scene, 4, 25))
    pixels = torch.tensor([[60.0, 40.0], [64.5, 70.25]])
    for relative_z in (None, torch.tensor([-4.0, 4.0])):
        projected = video.project(video.lift(pixels, relative_z), 0, 4)
        assert projected.shape == (4, 2, 3)
        torch.testing.assert_close(projected[0, :, :2], pixels, atol=1e-3, rtol=0)
    assert projected[0, 0, 2] < projected[0, 1, 2]
    assert (projected[1:, :, 2].diff(dim=0) < 0).all()


def test_a_range_outside_the_path_is_refused(scene):
    video = ReferenceVideo(scene, plan_path(CameraMove(), scene, 4, 25))
    with pytest.raises(ValueError, match="outside the path's 4 frames"):
        video.frames(2, 5)
    with pytest.raises(ValueError, match="outside"):
        video.project(torch.zeros(1, 3), 3, 2)


def test_layers_of_many_paths_serve_each_of_them(scene):
    """What the picture shows is drawn the same; only what is invented beyond it may differ."""
    paths = [plan_path(CameraMove(name), scene, 8, 25) for name in MOVING]
    layers = make_layers(scene, paths)
    for path in paths:
        own, shared = ReferenceVideo(scene, path), ReferenceVideo(scene, path, layers=layers)
        (pixels, seen), (others, seen_too) = own.frames(5, 6), shared.frames(5, 6)
        both = (seen & seen_too)[0, 0]
        assert both.float().mean() > 0.5
        assert (pixels - others)[0, :, both].abs().mean() < 0.01


@pytest.mark.parametrize("name", ["pan_left", "crane_up"])
def test_backgrounds_are_the_frames_where_nobody_is(name: str, scene):
    video = ReferenceVideo(scene, plan_path(CameraMove(name), scene, 6, 25))
    behind = video.backgrounds(4, 6, (8, 0, 120, 100))
    assert behind.shape == (2, 100, 112, 4)
    frames = video.pictures(4, 6)[:, :100, 8:120]
    away = np.abs(behind[..., :3].astype(int) - frames)
    assert away[:, :30, :12].max() <= 1
    assert away[:, 40:55, 50:60].max(-1).mean() > 30
