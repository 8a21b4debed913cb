"""Sound comes out of the queue as it was pushed, whatever its chunks, rate and kind."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.live.sound_queue import SAMPLE_RATE, SoundQueue

BLOCK = 1920


def _all(queue: SoundQueue) -> np.ndarray:
    taken = []
    while (block := queue.take(BLOCK)) is not None:
        taken.append(block)
    return np.concatenate(taken) if taken else np.zeros(0, np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000, 96000])
def test_a_tone_of_any_rate_comes_out_at_48_khz(rate):
    queue, seconds = SoundQueue(), 0.5
    tone = np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate).astype(np.float32)
    queue.push(tone, rate)
    queue.finish()
    assert abs(queue.queued_s - seconds) < 0.002
    out = _all(queue)[: int(seconds * SAMPLE_RATE)]
    expected = np.sin(2 * np.pi * 440 * np.arange(len(out)) / SAMPLE_RATE)
    inside = slice(2000, -2000)
    assert np.abs(out[inside] - expected[inside]).max() < 0.02


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_the_size_of_the_chunks_changes_nothing(rate, rng):
    samples = rng.uniform(-0.5, 0.5, rate).astype(np.float32)
    outputs = []
    for size in (1, 160, 441, rate):
        queue = SoundQueue()
        step = 1 if size == 1 else size
        for start in range(0, len(samples) if size > 1 else 2000, step):
            queue.push(samples[start : start + step], rate)
        if size == 1:
            queue.push(samples[2000:], rate)
        queue.finish()
        outputs.append(_all(queue))
    for output in outputs[1:]:
        assert np.array_equal(output, outputs[0])


def test_integers_and_channels_are_mixed_to_one():
    queue = SoundQueue()
    left = np.full(4800, 16384, np.int16)
    queue.push(np.stack([left, 0 * left], 1), SAMPLE_RATE)
    assert np.allclose(queue.take(BLOCK), 0.25)


def test_an_utterance_that_is_not_finished_keeps_its_last_fragment_for_a_moment():
    queue = SoundQueue()
    queue.push(np.full(5 * BLOCK // 4, 0.5, np.float32), SAMPLE_RATE)
    assert queue.take(BLOCK) is None  # less than is begun with
    queue.push(np.full(BLOCK, 0.5, np.float32), SAMPLE_RATE)
    assert queue.take(BLOCK).all() and queue.take(BLOCK).all()
    waits = 0
    while (last := queue.take(BLOCK)) is None:
        waits += 1
    assert 5 <= waits <= 15
    assert np.count_nonzero(last) == BLOCK // 4


def test_a_finished_utterance_ends_in_silence_and_the_next_begins_at_once():
    queue = SoundQueue()
    queue.push(np.full(100, 0.5, np.float32), SAMPLE_RATE)
    queue.finish()
    assert np.count_nonzero(queue.take(BLOCK)) == 100
    assert queue.take(BLOCK) is None and queue.queued_s == 0


def test_what_is_dropped_is_not_heard():
    queue = SoundQueue()
    queue.push(np.full(44100, 0.5, np.float32), 44100)
    queue.drop()
    assert queue.take(BLOCK) is None and queue.queued_s == 0


def test_more_than_ten_minutes_are_refused():
    queue = SoundQueue()
    minute = np.zeros(60 * 8000, np.float32)
    for _ in range(9):
        queue.push(minute, 8000)
    with pytest.raises(InputError, match=r"wait already.*interrupt"):
        queue.push(np.zeros(70 * 8000, np.float32), 8000)
    queue.push(minute[:8000], 8000)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        ([0.0, 1.0], 16000, "numpy array"),
        (np.zeros((2, 2, 2), np.float32), 16000, "numpy array"),
        (np.zeros((2, 4000), np.float32), 16000, "transpose"),
        (np.zeros(10, np.int32), 16000, "float32 or int16"),
        (np.full(10, np.nan, np.float32), 16000, "not numbers"),
        (np.zeros(10, np.float32), 100, "sample_rate"),
        (np.zeros(10, np.float32), 16000.5, "sample_rate"),
    ],
)
def test_samples_of_another_kind_are_refused(samples, rate, message):
    with pytest.raises(InputError, match=message):
        SoundQueue().push(samples, rate)


def _flow(waits: int, rng, chunk: int = 640, ends: bool = False):
    """Return what is taken of speech with pauses that comes as it is played, and the queue.

    Args:
        waits: blocks that are there before the first one is taken.
        ends: all of it is there already, and complete.
    """
    blocks = 300
    loud = np.repeat(np.arange(blocks) // 10 % 3 > 0, BLOCK)
    speech = (rng.uniform(-0.5, 0.5, len(loud)) * np.where(loud, 1, 0.01)).astype(np.float32)
    queue, pushed, taken = SoundQueue(), 0, []
    for index in range(blocks - waits):
        due = len(speech) if ends else (index + waits) * BLOCK
        while pushed < due:
            queue.push(speech[pushed : min(pushed + chunk, due)], SAMPLE_RATE)
            pushed = min(pushed + chunk, due)
        if ends:
            queue.finish()
        taken.append(queue.take(BLOCK))
    return speech, [block for block in taken if block is not None], queue


def test_sound_that_waits_longer_than_it_must_catches_up_in_pauses(rng):
    """What began late, as a stream did that was starting, was late for as long as it went on."""
    speech, taken, queue = _flow(12, rng)
    assert queue.queued_s < 0.15  # of 0.48
    words = speech.reshape(-1, BLOCK)[10:30], speech.reshape(-1, BLOCK)[40:60]
    heard = np.concatenate(taken)
    for word in words:  # none of them is touched
        starts = np.flatnonzero(heard == word[0, 0])
        assert any(np.array_equal(heard[at : at + word.size], word.ravel()) for at in starts)


def test_what_waits_no_longer_than_it_must_or_is_complete_keeps_its_pauses(rng):
    for given in ({"waits": 2}, {"waits": 12, "ends": True}):
        speech, taken, _ = _flow(rng=np.random.default_rng(0), **given)
        heard = np.concatenate(taken)
        assert np.array_equal(heard, speech[: len(heard)])


def test_how_it_catches_up_does_not_depend_on_the_chunks():
    heard = [np.concatenate(_flow(9, np.random.default_rng(1), size)[1]) for size in (333, 1920)]
    assert np.array_equal(*heard)
