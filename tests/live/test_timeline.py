"""The sound of a stream: what is played, and what the networks hear of it."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.live.timeline import HEARD_RATE, Timeline
from skyreels_avatar.media.speech_level import ACTIVE_RMS

BLOCK = 1920


def _with_tone(num_blocks: int, hz: float, level: float) -> Timeline:
    timeline = Timeline(BLOCK)
    at = np.arange(num_blocks * BLOCK) / 48000
    tone = (level * np.sin(2 * np.pi * hz * at)).astype(np.float32)
    for index in range(num_blocks):
        timeline.append(tone[index * BLOCK : (index + 1) * BLOCK])
    return timeline


def test_what_is_played_is_what_came_and_silence_before_it():
    timeline = Timeline(BLOCK)
    timeline.append(None)
    timeline.append(np.full(BLOCK, 0.5, np.float32))
    played = timeline.read(-100, 2 * BLOCK + 200)
    assert not played[: BLOCK + 100].any() and not played[-100:].any()
    assert (played[BLOCK + 100 : -100] == 0.5).all()
    assert not timeline.speaks(0, BLOCK) and timeline.speaks(BLOCK - 10, BLOCK + 10)


def test_the_networks_hear_the_same_tone_at_16_khz_without_what_it_cannot_hold():
    for hz, kept in ((440, 1.0), (3000, 1.0), (11000, 0.0)):
        sound = _with_tone(20, hz, 0.3).heard(4)
        assert sound.num_samples == 24 * BLOCK // 3
        heard = sound.read(3200, 6400) / sound._gain
        expected = kept * 0.3 * np.sin(2 * np.pi * hz * (3200 + np.arange(6400)) / HEARD_RATE)
        assert np.abs(heard - expected).max() < 0.01
    assert not sound.read(20 * BLOCK // 3, 2000).any()


def test_soft_and_loud_voices_are_heard_alike_after_a_second_and_a_room_is_not():
    for level in (0.01, 0.1, 0.9):
        heard = _with_tone(60, 300, level).heard(0).read(30 * 640, 6400)
        rms = np.sqrt(np.square(heard).mean())
        assert 0.7 * ACTIVE_RMS < rms < 1.6 * ACTIVE_RMS
    room = _with_tone(60, 300, 0.003).heard(0).read(30 * 640, 6400)
    assert np.abs(room).max() < 0.004


def test_sound_that_is_cut_off_falls_silent_within_5_ms_for_ears_and_networks():
    timeline = _with_tone(30, 300, 0.3)
    cut = 20 * BLOCK + 500
    timeline.silence_from(cut)
    assert timeline.read(cut - 400, 400).any() and not timeline.read(cut + 240, 2 * BLOCK).any()
    assert not timeline.heard(0).read((cut + 240) // 3 + 20, 4000).any()
    assert timeline.speaks(cut - 10, cut) and not timeline.speaks(21 * BLOCK, 30 * BLOCK)


def test_a_long_stream_keeps_its_last_seconds_and_no_more():
    timeline = _with_tone(500, 300, 0.3)
    assert timeline._sound.nbytes < 2_000_000
    assert timeline.read(499 * BLOCK, BLOCK).any()
    assert not timeline.read(0, BLOCK).any()
