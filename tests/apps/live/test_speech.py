"""What waits to be said: in order, sentence by sentence, and dropped when somebody interrupts."""

from __future__ import annotations

import time

import numpy as np
import pytest
import soundfile

from skyreels_avatar.apps.live.speech import MAX_WAITING, SoundFile, SpeechQueue, Words
from skyreels_avatar.errors import InputError
from tests.apps.live.fakes import RATE, FakeStream, beep, wait_until


@pytest.fixture
def made():
    stream = FakeStream()
    queue = SpeechQueue(lambda: stream, "espeak:en-us")
    yield stream, queue
    queue.close()


@pytest.fixture
def tone(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, beep(0.5), RATE)
    return SoundFile(path)


def _play(stream, seconds):
    for _ in range(round(seconds * stream.fps)):
        stream.read()


def test_a_sound_is_pushed_and_ended(made, tone):
    stream, queue = made
    queue.put(tone)
    wait_until(lambda: queue.waiting == 0)
    assert stream.calls == ["push", "finish"]
    assert stream.queued_s == pytest.approx(0.5, abs=0.01)
    assert not queue.is_quiet()
    _play(stream, 1)
    assert queue.is_quiet()


def test_it_stays_a_little_ahead_and_not_more(made, tone):
    stream, queue = made
    for _ in range(20):
        queue.put(tone)
    wait_until(lambda: stream.queued_s > 2.9)
    time.sleep(0.3)
    assert stream.queued_s < 4.0 and queue.waiting > 10
    _play(stream, 2)
    wait_until(lambda: stream.queued_s > 2.9)


def test_an_interruption_drops_what_waits_and_what_is_being_made(made, tone):
    stream, queue = made
    for _ in range(20):
        queue.put(tone)
    wait_until(lambda: stream.queued_s > 2.9)
    queue.interrupt()
    assert stream.calls[-1] == "interrupt"
    wait_until(lambda: queue.waiting == 0)
    time.sleep(0.2)
    assert stream.queued_s == 0 and stream.calls[-1] == "interrupt"
    queue.put(tone)
    wait_until(lambda: stream.queued_s > 0.4)


def test_a_text_is_spoken_by_sentences(made):
    pytest.importorskip("espeakng_loader", reason="needs the extra voice")
    stream, queue = made
    queue.put(Words("Good morning. How are you? I am fine."))
    wait_until(lambda: queue.waiting == 0)
    assert stream.calls.count("push") == 3
    assert 1.5 < stream.queued_s < 6
    assert np.abs(stream._sound).max() > 0.1


def test_what_cannot_be_said_is_told_and_the_next_is_said(made, tone, tmp_path):
    stream, queue = made
    (tmp_path / "no.wav").write_text("no sound")
    queue.put(SoundFile(tmp_path / "no.wav"))
    wait_until(lambda: queue.problem is not None)
    assert "no.wav" in queue.problem
    queue.put(tone)
    wait_until(lambda: stream.queued_s > 0.4)
    wait_until(lambda: queue.problem is None)


@pytest.mark.parametrize("text", ["", "  \n", "a" * 5001])
def test_nothing_and_too_much_are_refused(made, text):
    with pytest.raises(InputError):
        made[1].put(Words(text))


def test_more_than_a_queue_full_is_refused(made, tone):
    with pytest.raises(InputError, match="queued already"):
        for _ in range(MAX_WAITING + 20):
            made[1].put(tone)
