"""Who speaks, as text and as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna=0,a.wav", Speaker("anna", "0", Path("a.wav"))),
        ("ben=10,20,80,90.5,b=1.wav", Speaker("ben", "10,20,80,90.5", Path("b=1.wav"))),
        ("the cat=1,", Speaker("the cat", "1", None)),
    ],
)
def test_the_sound_is_what_follows_the_last_comma(text, expected):
    assert Speaker.parse(text) == expected


@pytest.mark.parametrize("text", ["anna", "anna=", "a=0", "=0,a.wav", "a=1,2,3,a.wav", "a=x,b"])
def test_other_text_is_refused(text):
    with pytest.raises(InputError, match=r"speaker is NAME=FACE,AUDIO|face must be"):
        Speaker.parse(text)


def test_speakers_of_a_shot_survive_plain_values():
    speakers = (Speaker("anna", "0", Path("a.wav")), Speaker("ben", "1"))
    shot = Shot(image="p.png", speakers=speakers)
    request = GenerationRequest(shot, "o.mp4")
    assert GenerationRequest.from_dict(request.to_dict()) == request
    assert shot.has_sound and not Shot(image="p.png", speakers=speakers[1:]).has_sound


@pytest.mark.parametrize(
    ("speakers", "face", "words"),
    [
        ([{"name": "a", "face": "0"}, {"name": "a", "face": "1"}], "auto", "a name of its own"),
        ([{"name": "a", "face": "0"}, {"name": "b", "face": "0"}], "auto", "a face of its own"),
        ([{"name": "a", "face": "0"}, {"name": "b"}], "auto", "not auto"),
        ([{"name": "a"}], "2", "leave out the face"),
        ([{"name": "a", "voice": "x"}], "auto", "name, face, audio"),
        ([{"name": "a", "audio": 3}], "auto", "must be a path"),
        ("a=0,a.wav", "auto", "a list"),
    ],
)
def test_speakers_that_cannot_be_told_apart_are_refused(speakers, face, words):
    with pytest.raises(InputError, match=words):
        Shot(image="p.png", face=face, speakers=speakers)
