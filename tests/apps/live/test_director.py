"""The endless host: rounds, turns, shots and what comes every so often, by the clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import soundfile

from skyreels_avatar.apps.live.director import Director
from skyreels_avatar.apps.live.host import LiveHost, LiveSettings
from skyreels_avatar.apps.live.script import HostScript, Step
from skyreels_avatar.apps.live.speech import Words
from tests.apps.live.fakes import RATE, FakeStream, beep, wait_until


@pytest.fixture
def host(monkeypatch):
    """Return a host that notes what it is told, and when."""
    monkeypatch.setattr("skyreels_avatar.apps.live.director._REST_S", 0.05)
    with LiveHost(LiveSettings(Path("a.png")), FakeStream) as made:
        made.told = []
        begun_s = time.monotonic()

        def note(name, function):
            def noted(*values, **named):
                made.told.append((time.monotonic() - begun_s, name, values, named))
                return function(*values, **named)

            return noted

        for name in ("play", "set", "show"):
            setattr(made, name, note(name, getattr(made, name)))
        yield made


@pytest.fixture
def tone(tmp_path):
    soundfile.write(tmp_path / "tone.wav", beep(0.4), RATE)
    return tmp_path / "tone.wav"


def _run(host, script):
    ended = []
    director = Director(host, script, lambda: ended.append(True))
    director.start()
    wait_until(lambda: ended, 60)
    director.close()
    return director


def test_rounds_take_texts_in_turn_and_end(host, monkeypatch):
    said = []
    monkeypatch.setattr(host, "play", lambda item: said.append(item))
    steps = (Step(("one", "two"), pause_s=0.0), Step(("always",), "de", pause_s=0.0))
    director = _run(host, HostScript({}, steps, rounds=3))
    assert director.round == 3
    assert said == [
        Words("one"), Words("always", "de"), Words("two"), Words("always", "de"), Words("one"),
        Words("always", "de"),
    ]  # fmt: skip


def test_a_step_waits_until_its_sound_was_said_and_its_pause_is_over(host, tone):
    script = HostScript(
        {}, (Step(sound=tone, pause_s=0.5), Step(sound=tone, pause_s=0.0)), rounds=1
    )
    _run(host, script)
    (first, *_), (second, *_) = host.told
    assert 0.85 < second - first < 2.5


def test_the_look_changes_before_during_and_the_picture_with_it(host, tone):
    wide = {"image": Path("b.png"), "camera": "static"}
    during = ((0.2, {"prompt": "a woman smiles"}),)
    steps = (Step(sound=tone, look=wide, during=during, pause_s=0.0),
             Step(look={"camera": "push_in:40"}, pause_s=0.0))  # fmt: skip
    _run(host, HostScript({}, steps, rounds=1))
    names = [(name, values, named) for _, name, values, named in host.told if name != "play"]
    assert names == [
        ("show", (Path("b.png"),), {"camera": "static"}),
        ("set", (), {"prompt": "a woman smiles"}),
        ("set", (), {"camera": "push_in:40"}),
    ]
    assert host.portrait == Path("b.png")


def test_what_comes_every_so_often_keeps_to_the_clock(host):
    """Ten times in two seconds, however long the steps between take."""
    often = Step(look={"camera": "static"}, pause_s=0.0)
    steps = (Step(look={"prompt": "a"}, pause_s=0.07),)
    script = HostScript({}, steps, ((0.2, often),))
    director = Director(host, script)
    director.start()
    time.sleep(2.1)
    director.close()
    count = sum("camera" in named for _, _, _, named in host.told)
    assert 7 <= count <= 10


def test_a_step_that_cannot_be_done_is_left_out(host, tone):
    steps = (
        Step(look={"camera": "nonsense"}, pause_s=0.0),
        Step(look={"image": Path("bad.png")}, pause_s=0.0),
        Step(sound=tone, pause_s=0.0),
    )
    _run(host, HostScript({}, steps, rounds=1))
    assert host.told[-1][1] == "play" and host.portrait == Path("a.png")
