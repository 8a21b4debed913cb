"""A shot says what it starts from and where its sound is; contradictions are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.separation import names_no_file
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker


def test_a_shot_needs_something_to_start_from_and_a_request_a_voice():
    with pytest.raises(InputError, match="image or a video"):
        Shot(audio="a.wav")
    with pytest.raises(InputError, match="no sound"):
        GenerationRequest(Shot(image="p.png"), "o.mp4")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": " "}, "text of a shot must be words"),
        ({"text": "hello", "audio": "a.wav"}, "either audio or a text"),
        ({"audio": "a.wav", "voice": "de"}, "has nothing to say"),
        ({"text": "hello", "vocals": "v.wav"}, "vocals belong to a sound"),
        ({"audio": "a.wav", "gate": "on"}, "gate must be auto or off"),
        ({"audio": "a.wav", "fade_s": 11}, "fade_s must be between 0 and 10"),
        ({"audio": "a.wav", "keep": "head"}, "keep must be one of lips, face, none"),
    ],
)
def test_contradictions_are_refused(values, said):
    with pytest.raises(InputError, match=said):
        Shot(image="p.png", **values)


@pytest.mark.parametrize("vocals", ["auto", "on", "off", "v.wav"])
def test_vocals_are_a_file_or_say_what_is_separated(vocals):
    shot = Shot(image="p.png", audio="a.wav", vocals=vocals)
    assert shot.vocals_file == (Path("v.wav") if vocals == "v.wav" else None)
    assert shot.vocals == {"off": None, "v.wav": Path("v.wav")}.get(vocals, vocals)
    assert names_no_file("vocals", vocals) == (vocals != "v.wav")
    assert not names_no_file("audio", vocals)


def test_a_shot_has_sound_by_a_file_a_text_or_a_speaker():
    assert Shot(image="p.png", audio="a.wav").has_sound
    assert Shot(image="p.png", text="hello").has_sound
    assert Shot(image="p.png", speakers=[Speaker("anna", "0", "a.wav")]).has_sound
    assert not Shot(image="p.png", speakers=[Speaker("anna", "0")]).has_sound
