"""Of several people in a video the one speaks whose lips say what is heard."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.pipeline.heard_speaker import speech_match

NUM_FRAMES = 40


def write(path, samples: np.ndarray | None) -> sa.VideoReader:
    audio = None if samples is None else sa.AudioTrack(samples.astype(np.float32), 16_000)
    with sa.VideoWriter(path, 64, 64, 25, audio=audio) as writer:
        writer.write(np.zeros((NUM_FRAMES, 64, 64, 3), np.uint8))
    return sa.VideoReader(path)


@pytest.fixture
def still() -> np.ndarray:
    return np.repeat(synthetic_landmarks((0.0, 0.0, 50.0, 60.0))[None], NUM_FRAMES, 0)


def test_where_nothing_is_heard_lips_are_not_matched(tmp_path, still):
    silence = np.zeros(NUM_FRAMES * 640)
    assert speech_match(write(tmp_path / "a.mp4", None))(still) is None
    assert speech_match(write(tmp_path / "b.mp4", silence))(still) is None


def test_a_sound_is_matched_but_not_with_a_moment(tmp_path, still, root):
    speech = sa.AudioTrack.load(root / "assets" / "examples" / "speech.wav")
    samples = speech.mono().resampled(16_000).samples[: NUM_FRAMES * 640]
    match = speech_match(write(tmp_path / "a.mp4", samples))
    assert match(still[:10]) is None
    assert -2 <= match(still) < 0


def test_real_lips_match_their_own_sound(shared, tmp_path):
    """The livelier mouth was taken, even if it said something else: of talkers half were wrong."""
    folder = shared / "talkers"
    if not folder.is_dir():
        pytest.skip("no talkers here")
    clips = ("003", "010", "020", "032")
    faces = {}
    for clip in clips:
        stored = np.load(folder / "landmarks" / f"{clip}.npz")
        steps = stored["dq"][:75].astype(np.int32)
        faces[clip] = np.cumsum(steps, 0).astype(np.float32) * float(stored["scale"])
    right = 0
    for clip in clips:
        match = speech_match(sa.VideoReader(folder / "clips" / f"{clip}.mp4"))
        scores = {other: match(points) for other, points in faces.items()}
        right += sum(scores[clip] > scores[other] for other in clips if other != clip)
    assert right >= 10  # of 12; of 342 pairs of people whom the network had not seen 94 %
