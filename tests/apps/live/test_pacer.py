"""The clock of a stream: nothing is lost of the sound, and pictures come in an even rhythm."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from skyreels_avatar.apps.live.pacer import Pacer
from skyreels_avatar.live.pictures import Picture
from tests.apps.live.fakes import RATE, FakeStream, Time, beep, read_number, wait_until

FRAME = FakeStream().read()


class Slow(FakeStream):
    """A stream whose pictures take time by that clock."""

    def __init__(self, time, costs, **given):
        super().__init__(**given)
        self._time, self._costs = time, costs

    def read(self, picture=True):
        self._time.sleep(self._costs(self.index) if picture else 0.002)
        return super().read(picture)


class Batched(FakeStream):
    """A stream that samples the motion of eight frames at once, and draws four together.

    Args:
        slower: how many times slower than a core of today, by the time.
    """

    SAMPLES_S, DRAWS_S, PICTURE_S = 0.070, 0.045, 0.011

    def __init__(self, time, slower):
        super().__init__()
        self._time, self._slower = time, slower
        self._drawn, self._seen, self._every = set(), 0, 1

    def read(self, picture=True):
        at = self.index
        work_s = self.SAMPLES_S if at % 8 == 1 else 0.0
        if picture:
            self._every, self._seen = max(1, at - self._seen), at
            if at not in self._drawn:
                self._drawn = set(range(at, at + 8 - (at - 1) % 8, self._every)[:4])
                work_s += self.DRAWS_S + self.PICTURE_S * len(self._drawn)
        self._time.sleep(work_s * self._slower(self._time()))
        return super().read(picture)


class Collected(list):
    """A viewer that keeps frames."""

    def put(self, frame):
        self.append(frame)


def _take(pacer, time, num_frames):
    """Return when frames are handed out, each when it is due or made, and the frames."""
    made = pacer.scheduled()
    return [(max(due_s, time()), frame) for _, (due_s, frame) in zip(range(num_frames), made)]


def _run(costs, num_frames, prepare=lambda stream: None):
    time = Time()
    stream = Slow(time, costs)
    prepare(stream)
    pacer = Pacer(stream, 25.0, time, time.sleep)
    return pacer, _take(pacer, time, num_frames)


def test_frames_come_each_at_its_time():
    pacer, seen = _run(lambda _: 0.02, 100)
    steps = np.diff([at for at, _ in seen])
    assert np.allclose(steps, 0.04)
    assert [frame.index for _, frame in seen] == list(range(100))
    assert pacer.counts() == {"frames": 99, "pictures": 99, "late": 0, "missing": 0, "restarts": 0}


def test_a_picture_that_takes_longer_now_and_then_is_not_late():
    _, seen = _run(lambda index: 0.055 if index % 10 == 5 else 0.015, 200)
    assert np.allclose(np.diff([at for at, _ in seen]), 0.04)


def test_a_stream_that_draws_four_pictures_at_once_is_read_early_enough():
    pacer, seen = _run(lambda index: 0.11 if index % 4 == 0 else 0.001, 400)
    assert np.allclose(np.diff([at for at, _ in seen[8:]]), 0.04)
    assert pacer.picture_fps == 25


@pytest.mark.parametrize(("slower", "every"), [(1.0, 1), (1.2, 1), (1.5, 2), (2.0, 2), (2.2, 5)])
def test_a_stream_that_makes_several_at_once_keeps_an_even_rhythm_that_it_can_hold(slower, every):
    time = Time()
    pacer = Pacer(Batched(time, lambda _: slower), 25.0, time, time.sleep)
    seen = _take(pacer, time, 1500)[800:]  # after it has found its rate
    assert np.diff([at for at, _ in seen]).max() < 0.06
    shown = [frame.index for _, frame in seen if frame.image is not None]
    assert set(np.diff(shown)) == {every}


def test_after_a_moment_of_slowness_every_picture_comes_again_soon():
    """Each step down once doubled the time until the next try: minutes after two seconds."""
    time = Time()
    stream = Batched(time, lambda now_s: 4.0 if 110 < now_s < 112 else 1.0)
    pacer = Pacer(stream, 25.0, time, time.sleep)
    seen = _take(pacer, time, 1500)
    assert any(frame.image is None for _, frame in seen[250:400])
    assert all(frame.image is not None for _, frame in seen[1100:])


@pytest.mark.parametrize(("cost_s", "every"), [(0.055, 2), (0.1, 3), (0.15, 5)])
def test_a_slow_machine_shows_fewer_pictures_evenly_and_all_of_the_sound(cost_s, every):
    sound = np.random.default_rng(0).uniform(-1, 1, RATE * 30).astype(np.float32)
    pacer, seen = _run(lambda _: cost_s, 1000, lambda stream: stream.push(sound, RATE))
    heard = np.concatenate([frame.audio for _, frame in seen])
    assert np.allclose(heard[: len(sound)], sound, atol=1e-6)
    late = seen[200:400]  # after it has found its rate, before it tries a quicker one
    shown = [frame.index for _, frame in late if frame.image is not None]
    assert set(np.diff(shown)) == {every}
    assert pacer.picture_fps <= 25 / every * 2
    assert np.abs(np.diff([at for at, _ in seen[200:400]]) - 0.04).max() < 0.04


def test_it_goes_back_to_every_picture_when_the_machine_is_quick_again():
    pacer, seen = _run(lambda index: 0.06 if index < 200 else 0.01, 1500)
    assert pacer.picture_fps == 25
    assert all(frame.image is not None for _, frame in seen[-200:])


def test_a_machine_that_slept_does_not_hurry_through_what_it_missed():
    pacer, seen = _run(lambda index: 30.0 if index == 50 else 0.01, 100)
    times = [at for at, _ in seen]
    assert pacer.counts()["restarts"] == 1
    assert np.diff(times[52:]).min() > 0.03


def test_another_stream_takes_over_at_a_frame_and_the_one_before_is_closed():
    time = Time()
    first, second = Slow(time, lambda _: 0.01), Slow(time, lambda _: 0.01)
    second.base = 200
    pacer = Pacer(first, 25.0, time, time.sleep)
    frames = pacer.scheduled()
    for _ in range(10):
        next(frames)
    pacer.switch(second)
    seen = [next(frames)[1] for _ in range(10)]
    assert first.closed and not second.closed and first.index == 10 and second.index == 10
    assert seen[0].image[-1, -1, 0] == 200 and seen[0].index == 10


def test_viewers_get_every_frame_until_they_are_removed():
    stream, stays, leaves = FakeStream(), Collected(), Collected()
    pacer = Pacer(stream, 25.0)
    pacer.add(stays)
    pacer.add(leaves)
    pacer.start()
    wait_until(lambda: len(stays) > 4)
    pacer.remove(leaves)
    count = len(leaves)
    wait_until(lambda: len(stays) > count + 4)
    pacer.stop()
    assert [frame.index for frame in stays] == list(range(len(stays)))
    assert len(leaves) <= count + 1


def test_an_interruption_drops_what_was_read_ahead_and_silences_the_rest():
    """Four frames were read ahead and shown, with an open mouth, after it."""

    class ReadAhead(FakeStream):
        def read(self, picture=True):
            self.cost_s = 0.09 if self.index % 4 == 0 else 0.0
            return super().read(picture)

    stream, seen = ReadAhead(), Collected()
    stream.push(beep(20), RATE)
    pacer = Pacer(stream, 25.0)
    pacer.add(seen)
    pacer.start()
    wait_until(lambda: len(seen) > 10)
    for _ in range(3):
        pacer.interrupt()
        count = len(seen)
        wait_until(lambda least=count + 5: len(seen) > least)
        loud = [np.abs(frame.audio).max() > 0 for frame in seen[count:]]
        assert sum(loud) <= 2  # one may be on its way, one fades
        shown = [frame.image for frame in seen[count:] if frame.image is not None]
        assert sum(image[-1, -1, 0] == 240 for image in shown) <= 2
        stream.push(beep(20), RATE)
        wait_until(lambda: np.abs(seen[-1].audio).max() > 0)
    pacer.stop()
    assert [frame.index for frame in seen] == list(range(len(seen)))
    assert stream.calls.count("interrupt") == 3


def test_a_frame_that_obeys_an_interruption_already_is_not_dropped():
    """It was drawn in a hurry, for nothing: mouths were shut after up to 0.23 s."""

    class Sampling(FakeStream):
        interrupts = False  # whoever samples then looks, and begins anew

        def read(self, picture=True):
            if self.index == 20 and "interrupt" not in self.calls:
                pacer.interrupt()
            return super().read(picture)

    stream, seen = Sampling(), Collected()
    pacer = Pacer(stream, 25.0)
    pacer.add(seen)
    pacer.start()
    wait_until(lambda: len(seen) > 30)
    pacer.stop()
    assert "interrupt" in stream.calls
    assert [read_number(frame.image) for frame in seen] == [frame.index for frame in seen]


def test_of_frames_that_are_late_those_whose_pictures_are_being_drawn_have_them():
    """They were left out: after an interruption the mouth stayed open until the next window."""

    class Windows(FakeStream):
        draws_ahead, drawing_s = True, 0.0
        is_coming = property(lambda self: self.index % 4 != 1)

        def read(self, picture=True, wait=True, every=1):
            if self.index == 61:
                clock.sleep(0.3)
            frame = super().read(picture=False)
            return replace(frame, image=Picture(frame.index, False, Future()) if picture else None)

    clock = Time()
    seen = _take(Pacer(Windows(), 25.0, clock, clock.sleep), clock, 80)
    without = [frame.index for _, frame in seen if frame.image is None]
    assert without and all(index % 4 == 1 for index in without)


class Fading(FakeStream):
    """A stream whose sound fades in the first frame after an interruption."""

    fades = False

    def interrupt(self, after=None):
        super().interrupt(after)
        self.fades = True

    def read(self, picture=True):
        frame = super().read(picture)
        if self.fades:
            self.fades = False
            frame.audio[:240] = np.linspace(0.5, 0, 240)
        return frame


def test_after_an_interruption_silence_goes_on_without_a_pause():
    """The sound came again for 5 ms, a frame later, and then nothing came for 0.3 s."""
    times = []

    class Timed(Collected):
        def put(self, frame):
            super().put(frame)
            times.append(time.monotonic())

    stream, seen = Fading(), Timed()
    stream.push(beep(20), RATE)
    pacer = Pacer(stream, 25.0)
    pacer.add(seen)
    pacer.start()
    wait_until(lambda: len(seen) > 10)
    pacer.interrupt()
    count = len(seen)
    wait_until(lambda: len(seen) > count + 12)
    pacer.stop()
    sounds = [frame.audio for frame in seen[count - 1 : count + 12]]
    fading = next(place for place, sound in enumerate(sounds) if not sound[-240:].any())
    assert fading <= 2 and not any(sound.any() for sound in sounds[fading + 1 :])
    assert np.diff(times)[count - 1 :].max() < 0.12  # 0.14 s, and 0.3 s of a real one


class Elsewhere(FakeStream):
    """A stream whose pictures are drawn by somebody else, one of them late."""

    draws_ahead, drawing_s = True, 0.01

    def __init__(self, late):
        super().__init__()
        self._late, self.drawn = late, {}

    def read(self, picture=True, wait=True, every=1):
        frame = super().read(picture)
        if wait or not picture:
            return frame
        drawn = Future()
        self.drawn[frame.index] = drawn, {frame.index: frame.image}
        if frame.index not in self._late:
            drawn.set_result({frame.index: frame.image})
        return replace(frame, image=Picture(frame.index, True, drawn))


def test_the_sound_does_not_wait_for_a_picture_that_is_late():
    stream, seen = Elsewhere(late=range(20, 24)), Collected()
    stream.push(beep(4.0), RATE)
    pacer = Pacer(stream, 25.0)
    pacer.add(seen)
    pacer.start()
    wait_until(lambda: len(seen) > 40)
    pacer.stop()
    assert [frame.index for frame in seen] == list(range(len(seen)))
    assert [frame.index for frame in seen if frame.image is None][:4] == [20, 21, 22, 23]
    assert all(np.abs(frame.audio).max() > 0 for frame in seen[:40])
    assert read_number(seen[24].image) == 24


def test_who_draws_too_slowly_is_not_asked_for_more_and_more():
    stream, seen = Elsewhere(late=[0]), Collected()
    pacer = Pacer(stream, 25.0)
    pacer.add(seen)
    pacer.start()
    time.sleep(2.0)
    assert not seen and stream.index < 30
    drawn, pictures = stream.drawn[0]
    drawn.set_result(pictures)
    wait_until(lambda: len(seen) > 5)
    pacer.stop()
    assert seen[0].image is not None


def test_an_interruption_before_the_first_frame_is_passed_on():
    stream = FakeStream()
    Pacer(stream, 25.0).interrupt()
    assert stream.calls == ["interrupt"]


def test_hours_do_not_drift():
    """Each frame has its own time; nothing is added up."""

    class Quick:
        def read(self, picture=True):
            return FRAME

    time, start_s = Time(), None
    pacer = Pacer(Quick(), 30.0, time, time.sleep)
    for due_s, frame in pacer.scheduled():
        start_s = start_s or due_s
        if frame.index == 4 * 3600 * 30:
            break
    assert due_s - start_s == pytest.approx(4 * 3600, abs=0.1)
    assert pacer.counts()["restarts"] == 0 and pacer.counts()["late"] == 0


def test_a_stream_that_fails_ends_the_thread_and_is_told():
    class Broken(FakeStream):
        def read(self, picture=True):
            raise RuntimeError("no more")

    pacer = Pacer(Broken(), 25.0)
    pacer.start()
    pacer.stop()
    assert "no more" in str(pacer.failure)


def test_a_picture_that_cannot_be_drawn_ends_the_stream_and_is_told():
    stream = Elsewhere(late=[0])
    pacer = Pacer(stream, 25.0)
    pacer.start()
    wait_until(lambda: 0 in stream.drawn)
    stream.drawn[0][0].set_exception(RuntimeError("no paint"))
    wait_until(lambda: pacer.failure is not None)
    pacer.stop()
    assert "no paint" in str(pacer.failure)


def test_it_keeps_up_with_the_time_of_the_day():
    """Two seconds by the real clock, with sound."""
    stream, seen = FakeStream(), Collected()
    stream.push(beep(1.0), RATE)
    pacer = Pacer(stream, 25.0)
    pacer.add(seen)
    begun_s = time.monotonic()
    pacer.start()
    time.sleep(2.0)
    pacer.stop()
    assert len(seen) == pytest.approx((time.monotonic() - begun_s) * 25, abs=6)
