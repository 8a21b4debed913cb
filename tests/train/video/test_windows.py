"""Windows of footage are what the pipeline would be asked for, and are found again."""

from __future__ import annotations

import json

import pytest
import torch

from skyreels_avatar.loading.components import load_components
from train.data.footage_report import read_table
from train.video.loop import prepare_windows, start
from train.video.windows import Footage, VideoWindow, encode_pieces, piece_windows, window_files


@pytest.fixture
def footage(video_config, own_footage, studio) -> Footage:
    video = own_footage / "videos" / "a.mp4"
    return Footage(own_footage, {video.name: video}, str(studio), "160x128")


@pytest.fixture
def pieces(own_footage):
    return read_table(own_footage / "pieces.csv")


def test_a_piece_gives_what_the_sampler_is_given(footage, pieces, studio):
    parts = load_components(str(studio))
    windows = list(piece_windows(parts, footage, pieces[0]))
    assert len(windows) == 1  # 17 of 18 frames
    window = windows[0]
    assert window.clean.shape == (1, 16, 5, 16, 20)
    conditions = window.conditions
    assert conditions.known_mask[0, :, 0].all() and not conditions.known_mask[0, :, 1:].any()
    # A causal VAE: the first latent is that of the first frame, whatever follows.
    first = conditions.known_latents[:, :, :1]
    assert torch.allclose(window.clean[:, :, :1], first, atol=0.05) and first.abs().max() > 0.1
    assert conditions.audio_embeds.std() > 0 and conditions.image_embeds is not None
    assert not torch.equal(conditions.prompt_embeds, conditions.negative_embeds)


def test_windows_that_go_on_know_the_frames_before(footage, pieces, studio):
    long = type(pieces[0])(**{**vars(pieces[0]), "name": "long.npz"})
    _join(footage.folder / "pieces")
    windows = list(piece_windows(load_components(str(studio)), footage, long))
    assert len(windows) == 2  # 17 + 12 of 36 frames
    later = windows[1].conditions
    assert later.known_mask[0, 0, :2].all() and not later.known_mask[0, 0, 2:].any()
    assert windows[0].injection == windows[1].injection == "noised"


def _join(folder) -> None:
    import numpy as np

    parts = [dict(np.load(folder / f"{number}.npz")) for number in (0, 1)]
    joined = {
        name: np.concatenate([part[name] for part in parts])
        for name in ("motion", "samples", "landmarks")
    }
    np.savez(folder / "long.npz", **{**parts[0], **joined})


def test_what_the_sampler_puts_in_is_not_learnt(footage, pieces, studio):
    window = next(piece_windows(load_components(str(studio)), footage, pieces[1]))
    noise, sigma = torch.randn(window.clean.shape), torch.tensor([0.5])
    latents, free = window.noised(noise, sigma, torch.Generator())
    assert free[0, 0, :, 0, 0].tolist() == [0, 1, 1, 1, 1]
    expected = 0.5 * window.clean + 0.5 * noise
    assert torch.allclose(latents[:, :, 1:], expected[:, :, 1:])
    drawn = VideoWindow(window.clean, window.conditions, "none")
    assert drawn.noised(noise, sigma, torch.Generator())[1].all()


def test_windows_are_stored_whole_and_encoded_once(footage, pieces, studio, tmp_path):
    parts = load_components(str(studio))
    encode_pieces(parts, footage, pieces[:2], tmp_path)
    files = window_files(tmp_path, pieces[:2])
    stamps = [path.stat().st_mtime_ns for path in files]
    assert [path.name for path in files] == ["0-0.safetensors", "1-0.safetensors"]
    made, stored = next(piece_windows(parts, footage, pieces[0])), VideoWindow.load(files[0])
    assert torch.equal(made.clean, stored.clean) and made.injection == stored.injection
    for name, value in vars(made.conditions).items():
        other = getattr(stored.conditions, name)
        assert (value is None and other is None) or torch.equal(value, other), name
    encode_pieces(None, footage, pieces[:2], tmp_path)
    assert stamps == [path.stat().st_mtime_ns for path in files]


def test_a_piece_that_is_too_short_is_noted_down(footage, pieces, studio, tmp_path):
    import numpy as np

    stored = dict(np.load(footage.folder / "pieces" / "0.npz"))
    stored["samples"] = stored["samples"][: 640 * 10]
    np.savez(footage.folder / "pieces" / "short.npz", **stored)
    short = type(pieces[0])(**{**vars(pieces[0]), "name": "short.npz"})
    encode_pieces(load_components(str(studio)), footage, [short], tmp_path)
    note = json.loads((tmp_path / "short.json").read_text())
    assert note["windows"] == [] and "shorter than a window" in note["left_out"]


def test_one_piece_in_four_is_kept_back(video_config):
    config = video_config("lora")
    learnt, back = prepare_windows(config, start(config))
    assert [path.name[0] for path in learnt] == ["0", "1", "3"]
    assert [path.name[0] for path in back] == ["2"]
