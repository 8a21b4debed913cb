"""An open microphone: speech passes whole, and the noise of the room does not."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.apps.live.gate import VoiceGate

RATE = 48_000


def _room(seconds, level=0.001, seed=0):
    noise = np.random.default_rng(seed).normal(0, level, round(seconds * RATE))
    return noise.astype(np.float32)


def _passed(sound, chunk=480):
    gate, passed, ends = VoiceGate(RATE), [], 0
    for at in range(0, len(sound), chunk):
        samples, ended = gate.take(sound[at : at + chunk])
        passed.append(samples)
        ends += ended
    return np.concatenate(passed), ends


@pytest.mark.parametrize("level", [0.0, 0.001, 0.01])
def test_a_room_is_no_voice(level):
    passed, _ = _passed(_room(10, level))
    assert len(passed) < 4 * RATE  # until it knows the room


@pytest.mark.parametrize("chunk", [160, 480, 960, 10_000])
def test_a_voice_passes_whole_with_what_is_around_it(chunk):
    voice = 0.2 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE).astype(np.float32)
    sound = np.concatenate((_room(3), voice, _room(3, seed=1)))
    passed, ends = _passed(sound, chunk)
    assert ends == 1
    found = np.flatnonzero(np.abs(passed) > 0.1)
    assert found[-1] - found[0] == pytest.approx(RATE, rel=0.01)
    assert len(passed) == pytest.approx(1.7 * RATE, abs=0.1 * RATE)


def test_a_short_pause_does_not_end_it_and_a_long_one_does():
    voice = 0.2 * np.sin(2 * np.pi * 200 * np.arange(RATE // 2) / RATE).astype(np.float32)
    parts = (_room(1), voice, _room(0.3), voice, _room(2), voice, _room(1))
    _, ends = _passed(np.concatenate(parts))
    assert ends == 2
