"""What a style is fitted to: with the weights that ship, made motion comes near the person's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.audio_encoder import SAMPLE_RATE
from skyreels_avatar.pipeline.talker_style import FACTORS
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.acting import column
from train.data.person import PersonPiece
from train.rollout import roll_out
from train.stages.style import fit_smile


@pytest.fixture(scope="module")
def shipped() -> Components:
    """The networks of the nano tier."""
    return load_components("nano")


@pytest.fixture(scope="module")
def voice() -> AudioTrack:
    """Five seconds of speech."""
    audio = AudioTrack.load(asset_path("examples") / "speech.wav").mono().resampled(SAMPLE_RATE)
    return AudioTrack(np.resize(audio.samples, 5 * SAMPLE_RATE), SAMPLE_RATE)


def pieces(voice: AudioTrack, smile: float) -> list[PersonPiece]:
    """Return two pieces of a person who smiles so much, and says this."""
    halves = np.split(voice.samples, 2)
    count = len(halves[0]) * 25 // SAMPLE_RATE
    motion = np.zeros((count, 32))
    motion[:, MOTION_INDEX["smile"]] = smile
    mel = np.zeros((4 * count, 80), np.float32)
    return [PersonPiece(motion, half, mel, np.ones(count), "") for half in halves]


def mean_smile(parts: Components, voice: AudioTrack, shift: float) -> float:
    """Return how much people smile to this voice with seeds that no fit has seen."""
    told = torch.zeros(1, len(FACTORS))
    made = [roll_out(parts, voice, seed=s, key=9, style=told, smile=shift) for s in (5, 6)]
    return float(np.mean([column(one.motion, "smile").mean() for one in made]))


def test_the_fitted_shift_makes_a_person_smile_about_as_much_as_they_do(shipped, voice):
    """A third of a full smile, and none; the lips that speak stay as they are."""
    numbers = np.zeros(len(FACTORS))
    usual = mean_smile(shipped, voice, 0.0)
    shifts = {}
    for wanted in (0.0, 0.35):
        shifts[wanted] = fit_smile(shipped, pieces(voice, wanted), numbers)
        made = mean_smile(shipped, voice, shifts[wanted])
        assert abs(made - wanted) < 0.5 * abs(usual - wanted) + 0.03, (usual, made)
    assert shifts[0.35] > shifts[0.0] + 0.2
    told = torch.zeros(1, len(FACTORS))
    gaps = [
        roll_out(shipped, voice, seed=5, key=9, style=told, smile=shift).motion[:, 0]
        for shift in (0.0, shifts[0.35])
    ]
    assert np.abs(gaps[1] - gaps[0]).mean() < 0.1 * gaps[0].std()
