"""Waveforms."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from skyreels_avatar.apps.playground.peaks import find_peaks
from skyreels_avatar.errors import InputError


def _write(path, samples):
    soundfile.write(path, samples, 8000)
    return path


def test_peaks_follow_the_loudness_and_reach_one(tmp_path):
    loud = np.sin(np.arange(8000) * 0.3) * np.repeat([0.02, 0.1], 4000)
    found = find_peaks(_write(tmp_path / "a.wav", loud), 10)
    assert found["duration_s"] == 1.0 and len(found["peaks"]) == 10
    assert found["peaks"][7] == pytest.approx(1, abs=0.02)
    assert found["peaks"][2] == pytest.approx(0.2, abs=0.02)


def test_silence_stays_silent(tmp_path):
    found = find_peaks(_write(tmp_path / "a.wav", np.zeros(4000)), 5)
    assert found["peaks"] == [0.0] * 5


def test_a_sound_of_fewer_samples_than_peaks_has_fewer(tmp_path):
    assert len(find_peaks(_write(tmp_path / "a.wav", np.ones(900) * 0.5), 4000)["peaks"]) == 900


def test_a_number_of_peaks_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="count"):
        find_peaks(_write(tmp_path / "a.wav", np.zeros(4000)), 0)
