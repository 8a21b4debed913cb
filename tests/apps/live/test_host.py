"""A face on air: what it is told reaches its stream, and what cannot be used changes nothing."""

from __future__ import annotations

import gc
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.apps.live.host import LiveHost, LiveSettings
from skyreels_avatar.apps.live.speech import Words
from skyreels_avatar.errors import InputError
from skyreels_avatar.live.pictures import Picture
from tests.apps.live.fakes import RATE, FakeAvatar, FakeStream, beep, wait_until

SETTINGS = LiveSettings(Path("a.png"), prompt="a woman smiles", voice="espeak:en-us")


@pytest.fixture
def opened():
    return []


@pytest.fixture
def host(opened):
    def open_one(image, **given):
        opened.append(FakeStream(image, **given))
        return opened[-1]

    with LiveHost(SETTINGS, open_one) as made:
        yield made


def test_garbage_is_looked_for_only_in_what_is_made_on_air():
    """It stopped all threads for 0.3 s, when a browser joined."""
    gc.unfreeze()
    with LiveHost(SETTINGS, FakeStream):
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < gc.get_freeze_count() / 10
    gc.unfreeze()


def test_the_stream_is_opened_with_the_settings_and_runs(host, opened):
    (stream,) = opened
    assert stream.image == Path("a.png") and stream.fps == 25
    assert stream.given == {
        "size": None, "seed": 0, "prompt": "a woman smiles", "camera": None,
        "expressiveness": 100.0,
    }  # fmt: skip
    wait_until(lambda: host.state()["frames"] > 3)
    state = host.state()
    assert state["picture_fps"] == 25 and not state["speaking"] and state["problem"] is None


def test_sound_that_comes_is_said_and_ends(host, opened):
    host.hear(beep(), RATE)
    host.hear(np.zeros(0, np.float32), RATE, ended=True)
    assert opened[0].calls == ["push", "finish"]
    host.interrupt()
    assert opened[0].calls[-1] == "interrupt"


def test_words_are_spoken(host, opened):
    pytest.importorskip("espeakng_loader", reason="needs the extra voice")
    host.say("Hello.")
    wait_until(lambda: "finish" in opened[0].calls)
    with pytest.raises(InputError):
        host.say("Hello.", "nobody-has-this-voice")
    host.play(Words("Good bye."))
    wait_until(lambda: host.state()["waiting"] == 0)


def test_another_portrait_keeps_what_was_directed(host, opened):
    host.set(camera="push_in:40")
    host.show(Path("b.png"), prompt="a man nods")
    assert opened[1].given["camera"] == "push_in:40" and opened[1].given["prompt"] == "a man nods"
    wait_until(lambda: opened[0].closed)
    host.hear(beep(), RATE)
    assert opened[1].calls == ["push"] and host.portrait == Path("b.png")


def test_who_was_on_air_is_prepared_once_and_all_are_of_one_size(host, opened):
    host.show(Path("b.png"))
    host.show(Path("a.png"))
    assert opened[2].image is opened[0].avatar
    assert opened[1].given["size"] == opened[0].avatar.size


def test_another_portrait_is_prepared_beside_the_stream_and_once(opened):
    prepared = []

    def open_one(image, **given):
        opened.append(FakeStream(image, **given))
        return opened[-1]

    def prepare(image, size):
        prepared.append((image, size))
        return FakeAvatar(image)

    with LiveHost(SETTINGS, open_one, prepare) as host:
        for name in ("b.png", "a.png", "b.png"):
            host.show(Path(name))
    assert prepared == [(Path("b.png"), opened[0].avatar.size)]
    assert [stream.image for stream in opened[2:]] == [one.avatar for one in opened[:2]]
    assert opened[1].image == FakeAvatar(Path("b.png"))


def test_a_portrait_that_cannot_be_used_changes_nothing(host, opened):
    with pytest.raises(InputError):
        host.show(Path("bad.png"), prompt="a man nods")
    with pytest.raises(InputError):
        host.set(camera="nonsense")
    assert host.portrait == Path("a.png") and not opened[0].closed
    assert host.state()["prompt"] == "a woman smiles" and host.state()["camera"] is None


@pytest.mark.parametrize("fps", [0, 4, 61, "many"])
def test_rates_out_of_range_are_refused(fps):
    with pytest.raises(InputError):
        LiveSettings(Path("a.png"), fps=fps)


def test_another_portrait_is_on_air_when_its_first_frames_are_made():
    """The stream stood still for 0.36 s: first frames take several times as long as those after."""

    class Elsewhere(FakeStream):
        draws_ahead, drawing_s = False, 0.01

        def read(self, picture=True, wait=True, every=1):
            frame = super().read(picture)
            if wait:
                return frame
            drawn = Future()
            drawn.set_result({frame.index: frame.image})
            return replace(frame, image=Picture(frame.index, True, drawn))

    class Second(Elsewhere):
        draws_ahead = True

    streams = iter((Elsewhere, Second))
    with LiveHost(SETTINGS, lambda image, **given: next(streams)(image, **given)) as host:
        begun, switch = [], host._pacer.switch
        host._pacer.switch = lambda stream: (begun.append(stream.index), switch(stream))
        host.show(Path("b.png"))
        assert begun == [5]
        wait_until(lambda: host._pacer.stream.index > 8)
