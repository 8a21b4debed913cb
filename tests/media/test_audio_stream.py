"""A sound that waits on disk is the sound itself, at the rate that is asked for."""

from __future__ import annotations

import av
import numpy as np
import pytest

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack, speech_block_size, speech_gain
from skyreels_avatar.media.audio_stream import SpooledAudio
from skyreels_avatar.media.video import VideoWriter


def _track(rate: int, seconds: float = 3.3) -> AudioTrack:
    stereo = np.random.default_rng(0).normal(0, 0.1, (2, round(seconds * rate))).astype(np.float32)
    return AudioTrack(stereo.mean(0), rate, None, stereo)


@pytest.mark.parametrize(("rate", "kept"), [(16_000, 48_000), (44_100, 48_000), (22_050, 48_000)])
def test_what_waits_is_what_is_played(tmp_path, rate, kept):
    track = _track(rate)
    sound = SpooledAudio(track, tmp_path)
    played = track.resampled(kept).channels
    assert (sound.sample_rate, sound.num_channels, sound.num_samples) == (kept, *played.shape)
    assert np.array_equal(sound.read(1000, 5000), played[:, 1000:6000])
    assert np.array_equal(np.concatenate(list(sound.blocks(7000)), axis=1), played)
    assert not sound.read(sound.num_samples, 10).any(), "silence beyond the end"
    assert not list(tmp_path.iterdir())
    sound.close()


@pytest.mark.parametrize(("rate", "to"), [(44_100, 16_000), (16_000, 48_000), (11_025, 16_000)])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 4.7])
def test_resampling_by_the_second_leaves_no_seams(rate, to, seconds):
    """As one piece a sound of ten minutes took ten times its memory."""
    samples = _track(rate, seconds).samples
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler("fltp", "mono", to)
    whole = [*resampler.resample(frame), *resampler.resample(None)]
    whole = np.concatenate([piece.to_ndarray()[0] for piece in whole])
    found = AudioTrack(samples, rate).resampled(to).samples
    assert len(found) == -(-len(samples) * to // rate)
    count = min(len(found), len(whole))
    assert np.array_equal(found[:count], whole[:count]) and not found[count:].any()


def test_the_level_of_speech_is_the_same_block_by_block():
    track = _track(16_000, 30.0).mono()
    sound = SpooledAudio(track, sample_rate=16_000)
    blocks = (block[0] for block in sound.blocks(speech_block_size(16_000)))
    gained = track.samples * np.float32(speech_gain(blocks, 16_000))
    assert np.array_equal(gained, track.normalized().samples)
    sound.close()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MediaError, match="absent"):
        SpooledAudio(_track(16_000), tmp_path / "absent")


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize(("fps", "num_frames"), [(25, 43), (50, 16), (50, 77), (60, 11), (60, 101)])
def test_decoded_sound_ends_with_the_picture_and_begins_with_it(tmp_path, rate, fps, num_frames):
    """The padding of the last AAC frame was heard for up to 23 ms after the last picture."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(num_frames / fps * rate))
    track = AudioTrack(samples.astype(np.float32), rate)
    with VideoWriter(tmp_path / "a.mp4", 64, 64, fps, track) as writer:
        writer.write(np.zeros((num_frames, 64, 64, 3), np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].pts == 0
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert abs(len(heard) / 48_000 - num_frames / fps) * fps < 1
    played = track.resampled(48_000).samples
    inner = slice(500, min(len(played), len(heard)) - 1500)
    shifts = range(-30, 31)
    fits = [played[inner] @ np.roll(heard, -shift)[inner] for shift in shifts]
    assert shifts[int(np.argmax(fits))] == 0, "the first decoded sample is the first of the sound"
