"""Pictures are drawn in a second process as they are in this one, and here when it has ended."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

from skyreels_avatar import parallel
from skyreels_avatar.errors import AvatarError
from skyreels_avatar.live import drawing_process, forking
from skyreels_avatar.live.drawing_process import DrawingProcess
from skyreels_avatar.live.options import StreamOptions
from skyreels_avatar.live.painter import Job, Painter
from skyreels_avatar.live.stream import Stream
from tests.apps.live.fakes import wait_until

pytestmark = pytest.mark.skipif(not forking.is_possible(), reason="needs Linux and two cores")


def _play(avatar, parts, voice, start, tell=lambda frame, stream: None):
    """Return frames and pictures of a stream that is told something, and the stream.

    Args:
        start: makes the process that draws; None = there is none.
    """
    options = StreamOptions(low_latency=True, camera="push_in:50")
    with Stream(avatar, parts, options, start) as stream:
        stream.push(voice, 16000)
        frames = []
        for index in range(40):
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


def test_it_draws_the_same_bytes_and_ends_with_the_stream(avatar, parts, voice, monkeypatch):
    monkeypatch.setattr(DrawingProcess, "left_s", 1e-3)  # never behind, on a busy machine either
    played, stream = _play(avatar, parts, voice, DrawingProcess, _direct)
    _assert_equal(played, _play(avatar, parts, voice, None, _direct)[0])
    assert stream.draws_ahead and stream.drawing_s > 0 and stream.stats().core_ms["face"] > 0
    wait_until(lambda: not _children(), 300.0)


def test_it_does_not_matter_who_draws(avatar, parts, voice, monkeypatch):
    """Where the process is behind, this one draws; the bytes are the same."""
    busy, drawn = iter([0.0, 0.0, math.inf] * 50), []
    monkeypatch.setattr(DrawingProcess, "left_s", property(lambda _: next(busy)))
    draw = Painter.draw
    monkeypatch.setattr(Painter, "draw", lambda *given: drawn.append(given[1]) or draw(*given))
    played, _ = _play(avatar, parts, voice, DrawingProcess, _direct)
    assert 2 <= len(drawn) <= 8
    monkeypatch.undo()
    _assert_equal(played, _play(avatar, parts, voice, None, _direct)[0])


def test_streams_at_once_have_one_each_and_either_ends_alone(avatar, parts, voice):
    """The second one holds a copy of the pipe of the first, whose end would not be seen."""
    options = StreamOptions(low_latency=True)
    first, second = (Stream(avatar, parts, options, DrawingProcess) for _ in range(2))
    for stream in (first, second):
        stream.read()
    assert len(_children()) == 2
    first.close()
    wait_until(lambda: len(_children()) == 1, 300.0)
    assert isinstance(second.read().image, np.ndarray)
    second.close()
    wait_until(lambda: not _children(), 300.0)


def test_a_copy_that_does_not_answer_is_given_up(avatar, parts, voice, monkeypatch, caplog):
    """As one that meets a lock which a thread held that is not there."""
    monkeypatch.setattr(drawing_process, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(drawing_process.drawing_program, "run", lambda *_: time.sleep(300))
    played, _ = _play(avatar, parts, voice, DrawingProcess)
    _assert_equal(played, _play(avatar, parts, voice, None)[0])
    assert caplog.text.count("has ended") == 1
    wait_until(lambda: not _children(), 300.0)


def test_a_lock_that_another_thread_holds_is_free_in_the_copy(avatar, parts, caplog):
    held, released = threading.Event(), threading.Event()

    def hold():
        with parallel._alone._lock:
            held.set()
            released.wait(300.0)

    with Stream(avatar, parts, StreamOptions()) as stream:
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(300.0)
        process = DrawingProcess(stream._painter)
        job = Job([0], np.zeros((1, 32, 2, 1, 4), np.float32), [0.0])
        drawn = process.submit(job).result(timeout=60)
        released.set()
        thread.join()
        process.close()
    assert list(drawn) == [0] and "has ended" not in caplog.text


def test_a_stream_that_is_closed_at_once_leaves_nothing_behind(avatar, parts):
    Stream(avatar, parts, StreamOptions(low_latency=True), DrawingProcess).close()
    wait_until(lambda: not _children(), 300.0)
    wait_until(lambda: "live-draw" not in {thread.name for thread in threading.enumerate()})


def test_where_it_is_killed_this_process_goes_on(avatar, parts, voice, caplog):
    def kill(index, stream):
        if index == 21:
            os.kill(stream._drawer.process_id, signal.SIGKILL)

    played = _play(avatar, parts, voice, DrawingProcess, kill)[0]
    _assert_equal(played, _play(avatar, parts, voice, None)[0])
    assert caplog.text.count("has ended") == 1


def test_nothing_is_drawn_here_for_a_stream_that_is_closed(avatar, parts, voice):
    """When a program ends, `multiprocessing` ends the copy; a thread that draws would abort."""
    stream = Stream(avatar, parts, StreamOptions(low_latency=True), DrawingProcess)
    stream.push(voice, 16000)
    stream.read()  # it answers
    os.kill(stream._drawer.process_id, signal.SIGSTOP)
    asked = [stream.read(wait=False).image for _ in range(8)]
    waiting = next(one for one in asked if not one.drawn.done())
    stream.close()
    os.kill(stream._drawer.process_id, signal.SIGKILL)
    with pytest.raises(AvatarError, match="closed"):
        waiting.result(60.0)


def test_what_was_dropped_is_not_drawn(avatar, parts):
    class Here:
        goes_on = threading.Event()

        def draw(self, job):
            self.goes_on.wait(300.0)
            return {frame: job.latents for frame in job.frames}

    with Stream(avatar, parts, StreamOptions()) as stream:
        process = DrawingProcess(stream._painter)
    process._here = here = Here()
    wait_until(lambda: process._is_ready, 300.0)
    os.kill(process.process_id, signal.SIGKILL)
    first, *dropped = (process.submit(Job([frame], np.zeros(1), [0.0])) for frame in (3, 4, 5))
    process.drop(after=3)
    later = process.submit(Job([4], np.ones(1), [0.0]))
    here.goes_on.set()
    assert later.result(timeout=60)[4] == 1 and first.result()[3] == 0
    process.close()
    assert all(one.cancelled() for one in dropped)


def test_it_ends_when_who_asked_for_it_does(avatar, parts):
    with Stream(avatar, parts, StreamOptions()) as stream:
        process = DrawingProcess(stream._painter)
    wait_until(lambda: process._is_ready, 300.0)
    process._connection.close()  # as the end of this process would
    wait_until(lambda: process._process.exitcode is not None, 300.0)


def _children():
    """Return the processes that draw, which end a moment after their stream."""
    return [one for one in multiprocessing.active_children() if one.name.startswith("Fork")]
