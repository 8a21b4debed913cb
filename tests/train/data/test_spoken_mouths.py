"""Frames of talking clips in the patch of the mouth's decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.rig.geometry import lip_gap
from tests.train.data.test_talking import PEOPLE, write_talkers
from train.data import spoken_mouths as module
from train.data.spoken_mouths import CLIPS_PER_PERSON, FRAMES_PER_CLIP, MIN_GAP, spoken_mouths

NUM_FRAMES = 45


class Rig:
    """Reads nothing but the lip gap."""

    def motion_of(self, landmarks: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        motion = torch.zeros(len(landmarks), 32)
        motion[:, 0] = lip_gap(module.FaceFrame.of(landmarks).points)
        return motion


class Reader:
    """Shows noise that is another one in every frame."""

    contrast = 60

    def __init__(self, path):
        self.rng = np.random.default_rng(int(path.stem))

    def read(self, start: int, stop: int) -> np.ndarray:
        noise = self.rng.integers(-self.contrast, self.contrast + 1, (stop - start, 160, 160, 3))
        return (150 + noise).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_talkers(tmp_path / "talkers", NUM_FRAMES)
    monkeypatch.setattr(module, "VideoReader", Reader)
    return tmp_path / "talkers"


def test_open_mouths_are_cut_out_with_their_lips_and_some_people_are_kept_out(folder, monkeypatch):
    monkeypatch.setattr(module, "HELD_OUT_PEOPLE", 5)
    mouths = spoken_mouths(folder, Rig())
    count = len(mouths.colors)
    assert 0 < count <= PEOPLE * FRAMES_PER_CLIP
    assert mouths.colors.shape == (count, 3, 64, 128) and mouths.colors.dtype == torch.uint8
    assert (mouths.motion[:, 0] > MIN_GAP).all()
    assert (mouths.lower >= mouths.upper).all()
    assert 0 < int(mouths.kept_out.sum()) < count and not mouths.control.any()
    open_rows = mouths.seen.sum(2).amax((1, 2)) * 0.22 / 64
    tallest = (mouths.lower - mouths.upper).amax(1)
    assert (open_rows <= tallest + 0.22 / 64).all() and (open_rows > 0.5 * tallest).all()
    one = mouths.pick(torch.tensor([3]))
    assert len(one.look.light) == len(one.seen) == 1


def test_blurred_clips_are_left_out(folder, monkeypatch):
    monkeypatch.setattr(Reader, "contrast", 1)
    with pytest.raises(InputError, match="shows no open mouths"):
        spoken_mouths(folder, Rig())


def test_nobody_is_seen_too_often(folder):
    manifest = folder / "MANIFEST.csv"
    text = manifest.read_text()
    for person in range(PEOPLE):
        text = text.replace(f",p{person},", ",p0,")
    manifest.write_text(text)
    assert len(spoken_mouths(folder, Rig()).colors) <= CLIPS_PER_PERSON * FRAMES_PER_CLIP


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"data\.talkers"):
        spoken_mouths(tmp_path, Rig())
