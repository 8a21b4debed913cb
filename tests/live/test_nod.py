"""Nods go down and come back, without a jump."""

from __future__ import annotations

import torch

from skyreels_avatar.live.nod import Nod


def test_a_nod_goes_down_twice_and_back_without_a_jump():
    frames = torch.arange(0, 60)
    pitch = Nod(10, 1.0).pitch(frames, 25.0)
    assert not pitch[:11].any() and float(pitch[37:].abs().max()) < 1e-6
    lowest = [i for i in range(1, 59) if pitch[i] < pitch[i - 1] and pitch[i] <= pitch[i + 1]]
    assert len(lowest) == 2 and float(pitch[lowest[0]]) < 1.8 * float(pitch[lowest[1]]) < -0.05
    assert float(pitch.diff().abs().max()) < 0.02  # radians in a frame
    torch.testing.assert_close(Nod(10, 0.5).pitch(frames, 25.0), pitch / 2)
