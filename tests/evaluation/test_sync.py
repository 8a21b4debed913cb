"""Lips against sound: laws on made-up curves, and the published values of real speech."""

import numpy as np
import pytest

from skyreels_avatar.evaluation.sync import correlate, loudness_db
from skyreels_avatar.faces.opening import face_heights, mouth_opening
from skyreels_avatar.faces.template import template

FPS = 25.0


def speech_like(rng: np.random.Generator, num_frames: int = 250) -> np.ndarray:
    """Return (F,) smooth positive bumps, a few a second."""
    noise = rng.standard_normal(num_frames + 8)
    return np.maximum(np.convolve(noise, np.hanning(9), "valid"), 0)


def test_a_mouth_that_follows_the_sound_scores_one(rng):
    curve = speech_like(rng)
    score = correlate(0.05 * curve, 5 * curve - 60, FPS)
    assert score.sync_r0 == pytest.approx(1, abs=1e-6) and score.sync_lag == 0


@pytest.mark.parametrize("late", [-8, -3, -1, 1, 2, 8])
def test_a_late_mouth_has_a_positive_lag(rng, late):
    curve = speech_like(rng, 300)
    opening = np.roll(curve, late)[20:-20]
    score = correlate(opening, 10 * curve[20:-20], FPS)
    assert score.sync_lag == late and score.sync_best > score.sync_r0


def test_a_still_mouth_and_a_silent_sound_score_zero(rng):
    curve = speech_like(rng)
    for opening, loudness in ((0 * curve, curve), (curve, 0 * curve - 120)):
        score = correlate(opening, loudness, FPS)
        assert score.sync_r0 == 0 and score.sync_lag == 0


def test_quiet_ratio_tells_a_mouth_that_moves_in_silence(rng):
    loudness = np.where(np.arange(250) < 100, -80.0, -20.0) + rng.standard_normal(250)
    lively = rng.random(250) * 0.05
    assert correlate(lively, loudness, FPS).quiet_ratio == pytest.approx(1, abs=0.25)
    resting = np.where(np.arange(250) < 99, 0.0, lively)
    assert correlate(resting, loudness, FPS).quiet_ratio < 0.05


def test_a_clip_without_silence_has_no_quiet_ratio(rng):
    assert correlate(rng.random(100), rng.random(100) - 20, FPS).quiet_ratio is None


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97])
def test_loudness_sees_a_burst_in_its_own_frame(fps):
    sample_rate, frame = 16_000, 30
    samples = np.zeros(4 * sample_rate)
    middle = round((frame + 0.5) / fps * sample_rate)
    wave = np.sin(2 * np.pi * 1000 * np.arange(-160, 160) / sample_rate)
    samples[middle - 160 : middle + 160] = 0.5 * wave
    curve = loudness_db(samples, sample_rate, round(3.8 * fps), fps)
    assert abs(int(np.argmax(curve)) - frame) <= 1 and curve[frame] > curve[frame - 5] + 40


def test_loudness_of_a_full_tone_is_three_decibels_under_full_scale():
    time_s = np.arange(48_000) / 24_000
    curve = loudness_db(np.sin(2 * np.pi * 1000 * time_s), 24_000, 50, FPS)
    assert curve[10:40] == pytest.approx(-3.01, abs=0.1)


def test_loudness_ignores_rumble_and_short_sounds_do_not_fail():
    time_s = np.arange(32_000) / 16_000
    curve = loudness_db(np.sin(2 * np.pi * 50 * time_s), 16_000, 50, FPS)
    assert curve[10:40].max() < -50
    assert loudness_db(np.ones(20), 16_000, 3, FPS).shape == (3,)


def test_opening_is_a_share_of_the_face_height():
    face = np.repeat(template()[None] * 400, 2, axis=0)
    closed = mouth_opening(face)[0]
    face[1, [14, 87, 317], 1] += 0.05 * face_heights(face)[0]
    assert mouth_opening(face)[1] - closed == pytest.approx(0.05, abs=0.005)
    assert mouth_opening(3 * face) == pytest.approx(mouth_opening(face), rel=1e-5)


def test_real_speech_scores_as_published(shared):
    """GRID talker s1: r at lag 0 0.359 (se 0.005), range 0.060, quiet ratio 0.18."""
    folder = shared / "speech" / "grid_s1"
    if not (folder / "curves.npz").exists():
        pytest.skip("no GRID curves here")
    with np.load(folder / "curves.npz") as stored:
        good = stored["face_ok"].all(1)
        opening = stored["mouth_open"][good].astype(np.float32)
        loudness = stored["loudness_db"][good].astype(np.float32)
    scores = [correlate(*pair, FPS) for pair in zip(opening, loudness)]
    # Differs from the published 0.359: the floor lies under the 95th percentile, not the peak.
    assert np.mean([score.sync_r0 for score in scores]) == pytest.approx(0.359, abs=0.01)
    assert np.mean([score.open_range for score in scores]) == pytest.approx(0.060, abs=0.002)
    quiet = [score.quiet_ratio for score in scores if score.quiet_ratio is not None]
    assert np.mean(quiet) == pytest.approx(0.18, abs=0.01)


def test_loudness_of_real_speech_equals_the_stored_curves(shared):
    """The stored curves come from the sound before Opus, so some difference is expected."""
    soundfile = pytest.importorskip("soundfile")
    folder = shared / "speech" / "grid_s1"
    if not (folder / "audio_09.ogg").exists():
        pytest.skip("no GRID sound here")
    with soundfile.SoundFile(folder / "audio_09.ogg") as file:
        samples = file.read(48_000 * 4, dtype="float32").reshape(4, 48_000)
    with np.load(folder / "curves.npz") as stored:
        wanted = stored["loudness_db"][900:904].astype(np.float32)
    for clip, curve in zip(samples, wanted):
        loud = curve > curve.max() - 25
        got = loudness_db(clip, 16_000, 75, FPS)
        assert np.median(np.abs(got - curve)[loud]) < 1.5
