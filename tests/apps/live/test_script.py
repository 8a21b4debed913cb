"""Scripts of an endless host: what they may hold, and what is said of those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from skyreels_avatar.apps.live.script import read_host_script
from skyreels_avatar.errors import InputError
from tests.apps.live.fakes import RATE, beep

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def write(tmp_path):
    soundfile.write(tmp_path / "jingle.wav", beep(), RATE)
    (tmp_path / "a.png").write_bytes(b"not looked into here")

    def write_one(text):
        (tmp_path / "host.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "host.yaml"

    return write_one


def test_a_whole_script(write, tmp_path):
    script = read_host_script(
        write("""
image: a.png
size: 512x512
voice: en-us
pause_s: 2
rounds: 3
shots:
  close: {camera: "push_in:60", prompt: a woman smiles}
steps:
  - Good evening.
  - {text: [One., Two.], shot: close, expressiveness: 120, pause_s: 0}
  - sound: jingle.wav
    during: [{after_s: 3, camera: static}, {after_s: 1, prompt: a woman nods}]
every:
  - {minutes: 5, text: Welcome to those who have just come.}
  - {seconds: 90, camera: "swing:20"}
""")
    )
    assert script.settings == {
        "size": "512x512", "voice": "en-us", "image": tmp_path / "a.png"
    }  # fmt: skip
    first, second, third = script.steps
    assert first.texts == ("Good evening.",) and first.pause_s == 2
    assert second.texts == ("One.", "Two.") and second.pause_s == 0
    assert second.look == {
        "camera": "push_in:60", "prompt": "a woman smiles", "expressiveness": 120
    }  # fmt: skip
    assert third.sound == tmp_path / "jingle.wav"
    assert [after_s for after_s, _ in third.during] == [1, 3]
    assert [often_s for often_s, _ in script.every] == [300, 90] and script.rounds == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: []", "needs steps"),
        ("steps: [{txt: hello}]", "do you mean text"),
        ("steps: [{text: ''}]", "step 1"),
        ("steps: [Hello., {text: 5}]", "step 2"),
        ("steps: [{sound: no.wav}]", "not found"),
        ("steps: [{text: a, sound: jingle.wav}]", "two steps"),
        ("steps: [{text: a, shot: wide}]", "no shot 'wide'"),
        ("steps: [{text: a, camera: fly}]", "step 1"),
        ("steps: [{text: a, pause_s: -1}]", "pause_s"),
        ("steps: [a]\nrounds: -1", "rounds"),
        ("steps: [a]\nevery: [{text: b}]", "minutes or seconds"),
        ("steps: [a]\nevery: [{text: b, seconds: 0}]", "how often"),
        ("steps: [{text: a, expressiveness: 300}]", "expressiveness"),
        ("steps: [{text: a, prompt: 5}]", "prompt must be text"),
        ("steps: [{text: a, voice: 5}]", "voice must be text"),
        ("steps: 5", "must be a list"),
        ("steps: [{text: a, during: [{camera: static}]}]", "after_s"),
        ("[1, 2]", "mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, text, said):
    with pytest.raises(InputError, match=said) as refused:
        read_host_script(write(text))
    assert "host.yaml" in str(refused.value)


def test_the_example_can_be_used():
    script = read_host_script(ROOT / "assets" / "examples" / "host.yaml")
    assert len(script.steps) >= 4 and script.every and script.rounds == 0
