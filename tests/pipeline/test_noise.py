"""Noise depends on seed, picture, face and voice, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.face import Face
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.noise import noise_key, segment_generator


def face_at(x: float, y: float) -> Face:
    return Face((x, y, 20.0, 20.0), np.zeros((478, 3)), 1.0, 1.0)


@pytest.fixture
def inputs(rng):
    pixels = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    voice = AudioTrack(rng.normal(0, 0.1, 16_000).astype(np.float32), 16_000)
    return pixels, [face_at(10, 20)], [voice]


def test_the_key_follows_picture_face_and_voice_and_repeats(inputs, rng):
    """One noise for all made every film's people blink in frames 22 to 25, whoever spoke."""
    pixels, faces, voices = inputs
    other_voice = AudioTrack(rng.normal(0, 0.1, 16_000).astype(np.float32), 16_000)
    keys = [
        noise_key(pixels, faces, voices),
        noise_key(255 - pixels, faces, voices),
        noise_key(pixels, [face_at(60, 20)], voices),
        noise_key(pixels, faces, [other_voice]),
        noise_key(pixels, faces, [*voices, other_voice]),
    ]
    assert len(set(keys)) == len(keys)
    assert noise_key(pixels.copy(), [face_at(10, 20)], voices) == keys[0]
    assert all(0 <= key < 2**62 for key in keys)


def test_a_face_box_that_differs_by_rounding_keeps_the_key(inputs):
    pixels, _, voices = inputs
    near = noise_key(pixels, [face_at(10.3, 20.2)], voices)
    assert near == noise_key(pixels, [face_at(10, 20)], voices)


def test_seed_key_and_window_each_give_other_noise():
    drawn = [
        torch.randn(64, generator=segment_generator(seed, index, key))
        for seed, index, key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (10, 0, 0), (1, 0, 10)]
    ]
    together = np.corrcoef(torch.stack(drawn).numpy())
    assert np.abs(together - np.eye(len(drawn))).max() < 0.5  # 64 numbers: chance reaches 0.3
    again = torch.randn(64, generator=segment_generator(0, 0, 1))
    assert torch.equal(again, drawn[3])
    segment_generator(2**63 - 1, 10_000, 2**62)
