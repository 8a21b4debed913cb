"""Depth from a relief, and from Depth Anything (a tiny random one in the real format)."""

from __future__ import annotations

import json
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import CheckpointError, InputError, MissingExtraError
from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.models import depth as depth_module
from skyreels_avatar.models.depth import (
    DEPTH_ANYTHING_VARIABLE,
    WALL,
    depth_from_disparity,
    estimate_depth,
    predict_disparity,
)

HEIGHT, WIDTH = 240, 320
BOX = (120.0, 40.0, 80.0, 98.0)


@pytest.fixture
def scene():
    """A grey picture, a face in BOX and the mask of a bust that reaches the lower edge."""
    face = SimpleNamespace(landmarks=synthetic_landmarks(BOX))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    head = ((columns - 160) / 52) ** 2 + ((rows - 85) / 68) ** 2 < 1
    bust = ((columns - 160) / 110) ** 2 + ((rows - 250) / 100) ** 2 < 1
    mask = (head | bust).astype(np.float32)
    return np.full((HEIGHT, WIDTH, 3), 128, np.uint8), face, mask


def test_the_face_is_at_distance_one_and_the_nose_is_nearest(scene):
    pixels, face, mask = scene
    result = estimate_depth(pixels, face, mask)
    assert result.source == "relief"
    assert result.depth.shape == (HEIGHT, WIDTH) and result.depth.dtype == torch.float32
    x, y, _ = face.landmarks[1].astype(int)
    inside = result.depth[50:130, 130:190]
    assert float(inside.median()) == pytest.approx(1.0, abs=0.02)
    assert result.depth[y, x] == pytest.approx(float(result.depth[mask > 0.5].min()), abs=0.01)


def test_person_and_background_never_meet(scene):
    pixels, face, mask = scene
    depth = estimate_depth(pixels, face, mask).depth.numpy()
    assert depth[mask > 0.5].max() < 1.2 < 1.9 < depth[mask <= 0.5].min()
    assert depth[mask <= 0.5].max() <= 3.0


def test_behind_a_person_whom_the_lower_edge_cuts_all_is_one_plane(scene):
    """A floor behind busts bent the straight lines of rooms when the camera came closer."""
    pixels, face, mask = scene
    depth = estimate_depth(pixels, face, mask).depth
    assert np.allclose(depth[torch.from_numpy(mask) < 0.5], WALL)


def test_a_person_whose_feet_are_visible_stands_on_the_floor(scene):
    pixels, face, mask = scene
    mask[190:] = 0
    depth = estimate_depth(pixels, face, mask).depth.numpy()
    floor = depth[:, 5]
    assert floor[190] == pytest.approx(1.05, abs=0.05)
    assert floor[20] == pytest.approx(3.0)
    assert (np.diff(floor) <= 1e-6).all()


def test_a_longer_lens_makes_a_flatter_relief_of_a_small_face(scene):
    pixels, face, mask = scene
    wide = estimate_depth(pixels, face, mask, hfov_deg=45).depth.numpy()
    tele = estimate_depth(pixels, face, mask, hfov_deg=20).depth.numpy()
    person = mask > 0.5
    assert np.ptp(tele[person]) < 0.7 * np.ptp(wide[person])


def test_a_relief_needs_no_face(scene):
    pixels, _, mask = scene
    depth = estimate_depth(pixels, None, mask).depth.numpy()
    assert np.median(depth[mask > 0.5]) == pytest.approx(1.0, abs=0.02)


def test_without_a_person_all_is_one_plane(scene):
    pixels, _, mask = scene
    assert (estimate_depth(pixels, None, 0 * mask).depth == 1).all()


def test_a_relief_is_smooth_inside_the_person(scene):
    pixels, face, mask = scene
    depth = estimate_depth(pixels, face, mask).depth.numpy()
    both = (mask[:, 1:] > 0.5) & (mask[:, :-1] > 0.5)
    assert np.abs(np.diff(depth, axis=1))[both].max() < 0.015


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (7.0, 3.0), (0.01, -5.0)])
def test_depth_does_not_depend_on_scale_and_shift_of_the_disparity(scale, shift):
    rows = np.linspace(0.2, 1.0, 100, dtype=np.float64)
    disparity = np.repeat(rows[:, None], 100, 1)
    person = np.zeros((100, 100), np.float32)
    person[60:, 30:70] = 1
    plain = depth_from_disparity(disparity, person, None)
    other = depth_from_disparity(disparity * scale + shift, person, None)
    assert np.allclose(plain, other, rtol=1e-3)
    assert np.median(plain[person > 0]) == pytest.approx(1.0, abs=0.05)
    assert plain.max() == pytest.approx(3.5, rel=0.05)


def test_mixed_depths_at_the_outline_go_to_one_side():
    """Networks smear depth over 2-3 pixels at jumps; a mesh would tear there into ribbons."""
    person = np.zeros((100, 100), np.float32)
    person[:, 40:] = 1
    disparity = np.clip((np.arange(100) - 38) / 4, 0, 1)[None].repeat(100, 0) + 0.2
    depth = depth_from_disparity(disparity, person, None)
    jump = np.abs(np.diff(depth[50]))
    assert jump[39] > 0.5 and np.delete(jump, 39).max() < 0.5 * jump[39]


def test_a_network_that_sees_nothing_behind_the_person_gives_a_plane(caplog):
    flat = depth_from_disparity(np.full((20, 20), 2.0), np.ones((20, 20), np.float32), None)
    assert (flat == 1).all() and "one plane" in caplog.text


def test_wrong_arguments_are_named(scene):
    pixels, face, mask = scene
    with pytest.raises(InputError, match=r"'laser'.*relief, auto, depth_anything"):
        estimate_depth(pixels, face, mask, backend="laser")
    with pytest.raises(InputError, match="mask is"):
        estimate_depth(pixels, face, mask[:10])


@pytest.fixture
def tiny_folder(tmp_path, monkeypatch):
    """A folder as published: config.json and model.safetensors, with 1 thousandth of the size."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = transformers.DepthAnythingForDepthEstimation(config)
    network.save_pretrained(tmp_path)
    monkeypatch.setenv(DEPTH_ANYTHING_VARIABLE, str(tmp_path))
    yield tmp_path
    depth_module._cached_network.cache_clear()


def test_depth_anything_is_read_from_a_folder_and_used(scene, tiny_folder, rng):
    _, face, mask = scene
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for backend in ("depth_anything", "auto"):
        result = estimate_depth(pixels, face, mask, backend=backend)
        assert "Depth Anything" in result.source
        assert result.depth.shape == (HEIGHT, WIDTH)
        assert torch.isfinite(result.depth).all() and float(result.depth.min()) > 0


def test_a_metric_network_says_how_far_the_background_is(scene, tiny_folder, rng, monkeypatch):
    """It was read as disparity, near for far."""
    config = json.loads((tiny_folder / "config.json").read_text())
    config |= {"depth_estimation_type": "metric", "max_depth": 20}
    (tiny_folder / "config.json").write_text(json.dumps(config))
    _, face, mask = scene
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert estimate_depth(pixels, face, mask, backend="auto").source.endswith("metric")
    metres = np.where(mask > 0.5, 1.5, 6.0).astype(np.float32)
    monkeypatch.setattr(depth_module, "predict_disparity", lambda *_: metres)
    depth = estimate_depth(pixels, face, mask, backend="auto").depth.numpy()
    assert np.allclose(depth[mask > 0.5], 1) and np.allclose(depth[mask <= 0.5], 4)


def test_the_disparity_equals_the_published_preprocessing(tiny_folder, rng):
    """The same picture through transformers' own image processor, within its resampling."""
    transformers = pytest.importorskip("transformers")
    ramp = np.linspace(0, 255, 84, dtype=np.float32)
    pixels = np.stack([ramp[None].repeat(56, 0)] * 3, -1).astype(np.uint8)
    processor = transformers.DPTImageProcessorPil(
        size={"height": 56, "width": 56},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    network = depth_module._cached_network(str(tiny_folder))
    batch = processor(images=pixels, return_tensors="pt")["pixel_values"]
    assert batch.shape == (1, 3, 56, 84)
    with torch.inference_mode():
        expected = network(pixel_values=batch).predicted_depth[0].numpy()
    assert np.allclose(predict_disparity(network, pixels), expected, rtol=1e-4, atol=1e-6)


def test_missing_weights_are_named_and_auto_falls_back(scene, tmp_path, monkeypatch):
    pixels, face, mask = scene
    monkeypatch.setenv(DEPTH_ANYTHING_VARIABLE, str(tmp_path / "nowhere"))
    assert estimate_depth(pixels, face, mask, backend="auto").source == "relief"
    expected = (CheckpointError, r"nowhere.*cannot be loaded")
    if find_spec("transformers") is None:
        expected = (MissingExtraError, r"transformers is not installed; install it with: pip")
    with pytest.raises(expected[0], match=expected[1]):
        estimate_depth(pixels, face, mask, backend="depth_anything")
