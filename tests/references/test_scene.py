"""The reference video of a picture, in the light that a prompt asks for, under a camera."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import CameraMove, limit
from skyreels_avatar.camera.moves import PRESETS
from skyreels_avatar.faces.face import Face
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.models.depth import DEPTH_ANYTHING_VARIABLE, unload_depth
from skyreels_avatar.models.light_encoder import Light, ShotLight
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.references.framing import frame_shot
from skyreels_avatar.references.scene import (
    build_references,
    camera_limits,
    depth_weights,
    plate_of,
)
from skyreels_avatar.request.camera_spec import CameraKeyframe
from tests.drawings import draw_face
from tests.faces.drawing import draw_person

BOX = (48.0, 24.0, 48.0, 60.0)
CANDLE = Light(warmth=0.6, flicker=0.5)


@pytest.fixture(scope="module")
def drawn() -> tuple[Portrait, Face]:
    pixels, landmarks, _ = draw_person(128, 144, BOX)
    return Portrait(pixels), Face(BOX, np.float32(landmarks), 1.0, 1.0)


def _references(drawn, camera: CameraMove, light: ShotLight | None = None, num_faces: int = 1):
    picture, face = drawn
    framing = frame_shot(picture, 128, 144, [face] * num_faces, camera)
    return build_references(framing, camera, plan_shot(0.4, 25.0), light)


def test_a_static_camera_shows_the_picture_and_nothing_is_done_to_frames(drawn):
    (reference,) = _references(drawn, CameraMove("static"))
    assert np.array_equal(reference.frames(0, 1)[0], drawn[0].pixels)
    assert reference.frame_light is None and reference.num_frames == 10


def test_a_constant_light_is_in_the_frames_and_a_flicker_is_put_on_them(drawn):
    red = ShotLight(Light(warmth=0.9, tint=0.9), Light(warmth=0.9, tint=0.9))
    (plain,), (lit,) = (_references(drawn, CameraMove("static"), one) for one in (None, red))
    (flame,) = _references(drawn, CameraMove("static"), ShotLight(CANDLE, CANDLE))
    before, after = (one.frames(0, 1).astype(int) for one in (plain, lit))
    assert np.abs(after - before).mean() > 5 and lit.frame_light is None
    frames = flame.frame_light.apply(flame.frames(0, 10), 0).mean((1, 2, 3))
    assert np.ptp(frames) > 1


def test_only_the_first_of_several_faces_is_drawn_from_the_picture_itself(drawn):
    first, second = _references(drawn, CameraMove("push_in", 0.5), num_faces=2)
    assert first.video is second.video
    box = (0, 0, *first.size[::-1])
    assert first.detail(0, 2, box) is not None and second.detail(0, 2, box) is None
    assert first.region == second.region is not None


def test_depth_weights_are_looked_up_where_models_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    monkeypatch.delenv(DEPTH_ANYTHING_VARIABLE, raising=False)
    folder = tmp_path / "depth-anything-v2-small"
    assert depth_weights() != str(folder)
    folder.mkdir()
    assert depth_weights() == str(folder)
    monkeypatch.setenv(DEPTH_ANYTHING_VARIABLE, str(tmp_path))
    assert depth_weights() == str(tmp_path)


def test_holes_and_rays_are_those_of_the_frames_that_are_asked_for(drawn):
    (resting,) = _references(drawn, CameraMove("static"))
    (moving,) = _references(drawn, CameraMove("pan_left", 1.0))
    assert resting.is_still and not moving.is_still
    at = np.array([0, 3, 3, 9])
    rays = moving.rays(at)
    assert rays.shape == (7, 4, 128, 144)
    assert rays[0, 0].max() == 0 and 0 < rays[0, 3].mean() < 0.9
    seen = moving.video.seen(0, 10)[at]
    assert (rays[0].numpy() == ~seen).all()
    torch.testing.assert_close(rays[1:4].norm(dim=0), torch.ones(4, 128, 144))
    assert torch.equal(rays[:, 1], rays[:, 2]) and not torch.equal(rays[1:, 0], rays[1:, 3])


def test_how_far_each_move_can_go_is_said_before_it_is_made(drawn):
    picture, face = drawn
    keyframes = (
        CameraKeyframe(0.0, CameraMove("push_out", 0.5)),
        CameraKeyframe(1.0, CameraMove("pan_left", 1.0, absolute=True)),
    )
    framing = frame_shot(picture, 128, 144, [face], keyframes)
    limits = camera_limits(framing, keyframes)
    assert 0 < limits["push_out"] < 1
    assert limits["pan_left"] == 1
    scene = build_references(framing, keyframes, plan_shot(2.0, 25.0))[0].video.scene
    expected = limit(CameraMove("push_out"), scene) / PRESETS["push_out"].amplitude
    assert limits["push_out"] == pytest.approx(expected)


def test_a_depth_network_in_the_models_folder_makes_the_scene(drawn, tmp_path, monkeypatch):
    """Its weights are used where they are kept, without being asked for."""
    transformers = pytest.importorskip("transformers")
    monkeypatch.delenv(DEPTH_ANYTHING_VARIABLE, raising=False)
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    relief = _references(drawn, CameraMove("push_in", 0.5))[0].video.scene.depth
    config = transformers.DepthAnythingConfig(
        backbone_config={
            "model_type": "dinov2", "hidden_size": 32, "num_hidden_layers": 4,
            "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
            "reshape_hidden_states": False,
        },
        reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=8,
        head_hidden_size=4,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = transformers.DepthAnythingForDepthEstimation(config)
    network.save_pretrained(tmp_path / "depth-anything-v2-small")
    learned = _references(drawn, CameraMove("push_in", 0.5))[0].video.scene.depth
    assert learned.shape == relief.shape and not torch.equal(learned, relief)
    unload_depth()


def test_nothing_covers_the_face_of_a_flat_drawing():
    """Eyes, hair and chins of drawings were taken for hands, and smeared."""

    class Everywhere:
        def look(self, crops: np.ndarray) -> np.ndarray:
            return np.ones(crops.shape[:3], np.float32)

    found = []
    for grain in (0.0, 6.0):
        drawing = draw_face(grain=grain)
        face = Face(BOX, drawing.mesh(), 1.0, 1.0)
        size = drawing.pixels.shape[:2]
        framing = frame_shot(Portrait(drawing.pixels), *size, [face], CameraMove("static"))
        found += plate_of(framing, Everywhere())[1]
    assert found[0] is None and found[1] is not None
