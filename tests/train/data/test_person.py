"""What is learnt of a person from tracked faces: smiles that are not of speech, and gaze."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.footage_pieces import Features
from train.data.person import amounts, find_smile, make_piece

FRAMES = 250


def speaking(rng: np.random.Generator) -> np.ndarray:
    """Return (F, 32) tracked motion of lips that speak, which reads as quick smiles, too."""
    motion = np.zeros((FRAMES, 32))
    time_s = np.arange(FRAMES) / 25
    for name, hz in (("lip_gap", 3.1), ("width", 2.3), ("jaw_drop", 3.7)):
        motion[:, MOTION_INDEX[name]] = 0.04 * (1 + np.sin(2 * np.pi * hz * time_s))
    motion[:, MOTION_INDEX["smile"]] = 4 * motion[:, MOTION_INDEX["width"]]
    motion[:, MOTION_INDEX["smile"]] += 2 * motion[:, MOTION_INDEX["lip_gap"]]
    motion[:, MOTION_INDEX["smile"]] += 0.02 * rng.standard_normal(FRAMES)
    return motion


def test_a_mouth_that_speaks_does_not_smile():
    motion = speaking(np.random.default_rng(0))
    assert motion[:, MOTION_INDEX["smile"]].mean() > 0.2
    assert np.abs(find_smile(motion)).max() < 0.03


def test_a_smile_while_speaking_is_found_as_large_as_it_is():
    """Half of the piece, four seconds in and out; its level counts, and not its middle."""
    motion = speaking(np.random.default_rng(1))
    true = 0.6 * np.clip(1.5 - np.abs(np.arange(FRAMES) - 150) / 40, 0, 1)
    motion[:, MOTION_INDEX["smile"]] += true
    found = find_smile(motion)
    assert np.abs(found - true).max() < 0.08
    assert found.mean() == pytest.approx(true.mean(), abs=0.03)


def test_pieces_hold_smiles_from_the_face_without_one_and_gaze_from_where_it_rests():
    rng = np.random.default_rng(2)
    motion = speaking(rng)
    motion[:100, MOTION_INDEX["smile"]] += 0.5
    motion[:, MOTION_INDEX["gaze_x"]] = 0.05
    motion[200:, MOTION_INDEX["gaze_x"]] += 0.12
    thumb, face = np.zeros((8, 8, 3), np.uint8), np.zeros(128)
    samples = 0.1 * rng.standard_normal(640 * FRAMES).astype(np.float32)
    piece = make_piece(Features(motion.astype(np.float32), samples, face, thumb), "")
    smile, gaze = (piece.motion[:, MOTION_INDEX[name]] for name in ("smile", "gaze_x"))
    assert smile[:60].mean() == pytest.approx(0.5, abs=0.05) and abs(smile[150:]).max() < 0.05
    assert gaze[:200] == pytest.approx(0, abs=1e-6) and gaze[200:] == pytest.approx(0.12, abs=1e-6)
    assert amounts([piece.motion])["gaze"] == pytest.approx(0.2, abs=0.01)
