"""Pictures are drawn in a second process as they are in this one, and here when it has ended."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import psutil
import pytest

from skyreels_avatar.live import drawing_process
from skyreels_avatar.live.drawing_process import DrawingProcess
from skyreels_avatar.live.options import StreamOptions
from skyreels_avatar.live.painter import Job, Look
from skyreels_avatar.live.stream import Stream
from tests.apps.live.fakes import wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a pipe is handed on to the process")


def _play(avatar, parts, voice, process, tell=lambda frame, stream: None, ready=0):
    """Return frames and pictures of a stream that is told something, and the stream.

    Args:
        ready: the frame from which the process draws.
    """
    options = StreamOptions(low_latency=True, camera="push_in:50")
    with Stream(avatar, parts, options, process) as stream:
        stream.push(voice, 16000)
        frames = []
        for index in range(40):
            if process is not None and index == ready:
                wait_until(lambda: stream.draws_ahead, 300.0)
            tell(index, stream)
            frame = stream.read(wait=False)
            frames = [*frames[: frame.index], frame]  # others are made again
            if index == 20:
                frames[-1].image.result()
        return [(frame, frame.image.result()) for frame in frames], stream


def _direct(index, stream):
    if index == 12:
        stream.set(prompt="a woman smiles", camera="pan_left:40")
    if index == 30:
        stream.interrupt(after=27)


def _assert_equal(played, again):
    for (frame, image), (other, same) in zip(played, again, strict=True):
        assert frame.index == other.index and np.array_equal(frame.audio, other.audio)
        assert np.array_equal(image, same), frame.index


def test_it_draws_the_same_bytes_and_ends_with_the_stream(avatar, parts, voice):
    process = DrawingProcess()
    played, stream = _play(avatar, parts, voice, process, _direct)
    _assert_equal(played, _play(avatar, parts, voice, None, _direct)[0])
    assert stream.draws_ahead and stream.drawing_s > 0 and stream.stats().core_ms["face"] > 0
    wait_until(lambda: process._process.poll() is not None, 300.0)


@pytest.mark.parametrize("ready", [10, 17, 33])
def test_until_it_is_ready_this_process_draws_the_same_bytes(
    avatar, parts, voice, ready, monkeypatch
):
    goes_on, run = threading.Event(), DrawingProcess._run

    def waiting(self, *given):
        goes_on.wait(300.0)
        run(self, *given)

    def tell(index, stream):
        assert stream.draws_ahead is (index >= ready) is not stream.is_starting
        if index == ready - 1:
            goes_on.set()
        _direct(index, stream)

    monkeypatch.setattr(DrawingProcess, "_run", waiting)
    process = DrawingProcess()
    played = _play(avatar, parts, voice, process, tell, ready)[0]
    _assert_equal(played, _play(avatar, parts, voice, None, _direct)[0])


@pytest.mark.parametrize("when", ["closed", "failed"])
def test_a_stream_does_not_need_it_to_become_ready(avatar, parts, voice, when, monkeypatch, caplog):
    if when == "failed":
        monkeypatch.setattr(drawing_process, "_PROGRAM", "skyreels_avatar.no_such_program")
    process = DrawingProcess()
    with Stream(avatar, parts, StreamOptions(low_latency=True), process) as stream:
        if when == "failed":
            wait_until(lambda: not stream.is_starting, 300.0)
        stream.push(voice, 16000)
        assert all(isinstance(stream.read().image, np.ndarray) for _ in range(9))
        assert not stream.draws_ahead
    assert process._process.poll() is not None  # it does not go on loading
    assert caplog.text.count("has ended") == (when == "failed")


def test_a_stream_that_is_closed_at_once_leaves_nothing_behind(avatar, parts):
    """A program that ended while a thread still packed the avatar was aborted."""
    process = DrawingProcess()
    Stream(avatar, parts, StreamOptions(low_latency=True), process).close()
    assert not psutil.pid_exists(process.process_id)
    assert "live-draw" not in {thread.name for thread in threading.enumerate()}


def test_where_it_is_killed_this_process_goes_on(avatar, parts, voice, caplog):
    process = DrawingProcess()

    def kill(index, stream):
        if index == 21:
            os.kill(process.process_id, signal.SIGKILL)

    played = _play(avatar, parts, voice, process, kill)[0]
    _assert_equal(played, _play(avatar, parts, voice, None)[0])
    assert caplog.text.count("has ended") == 1


def test_what_was_dropped_is_not_drawn(avatar, parts):
    class Here:
        goes_on = threading.Event()

        def draw(self, job):
            self.goes_on.wait(300.0)
            return {frame: job.latents for frame in job.frames}

    process, here = DrawingProcess(), Here()
    process.open(parts.tier, avatar, Look(25.0, 0, None, None), here)
    wait_until(lambda: process.is_ready, 300.0)
    os.kill(process.process_id, signal.SIGKILL)
    first, *dropped = (process.submit(Job([frame], np.zeros(1), [0.0])) for frame in (3, 4, 5))
    process.drop(after=3)
    later = process.submit(Job([4], np.ones(1), [0.0]))
    here.goes_on.set()
    process.close()
    assert later.result(timeout=60)[4] == 1 and first.result()[3] == 0
    assert all(one.cancelled() for one in dropped)


def test_it_ends_when_who_asked_for_it_does(avatar, parts):
    process = DrawingProcess()
    other = psutil.Process(process.process_id)
    process._connection.close()  # as the end of this process would
    wait_until(lambda: process._process.poll() is not None, 300.0)
    assert not other.is_running()


def test_one_core_has_no_use_for_it(parts, monkeypatch):
    monkeypatch.setattr(drawing_process, "num_cores", lambda: 1)
    assert DrawingProcess.start(parts.tier) is None
