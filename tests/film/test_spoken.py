"""Shots of a film that say a text."""

from __future__ import annotations

import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.film.sound import open_film
from skyreels_avatar.media.speech import speak

pytest.importorskip("espeakng_loader")


def _film(kit, folder, *shots: str):
    path = folder / "film.yaml"
    lines = [f"defaults: {{image: {kit.portrait}, voice: de}}", "height: 64", "width: 64", "shots:"]
    path.write_text("\n".join([*lines, *(f"  - {shot}" for shot in shots)]))
    return path


def test_shots_that_say_a_text_last_as_long_as_it(kit, tmp_path):
    path = _film(
        kit, tmp_path, "{text: Guten Tag}", "{text: Good evening, voice: en-us}",
        f"{{audio: {kit.voice}, end_s: 1}}",
    )  # fmt: skip
    film = open_film(read_script(path))
    said = speak("Guten Tag", "de").audio, speak("Good evening", "en-us").audio
    assert [len(sound.samples) for sound in film.own_sounds[:2]] == [len(x.samples) for x in said]
    total_s = sum(sound.duration_s for sound in said) + 1
    assert film.timeline.duration_s == pytest.approx(total_s, abs=0.1)


def test_a_film_of_texts_is_rendered_with_its_sound(kit, tmp_path):
    script = read_script(_film(kit, tmp_path, "{text: Ja}", "{text: Nein}"))
    sa.render(script, output=tmp_path / "o.mp4", tier=kit.tier)
    reader = sa.VideoReader(tmp_path / "o.mp4")
    assert reader.audio().duration_s == pytest.approx(reader.duration_s, abs=0.04)
    assert abs(reader.audio().samples).max() > 0.1


@pytest.mark.parametrize(
    ("shot", "message"),
    [
        ("{text: Guten Tag, voice: german}", "did you mean espeak:de"),
        ("{text: '...'}", "nothing to say"),
        ("{text: Tag, audio: a.wav}", "either audio or a text|not both|not found"),
        ("{text: Tag, start_s: 90}", "cannot use the sound"),
    ],
)
def test_a_text_that_cannot_be_said_is_told_with_its_line(kit, tmp_path, shot, message):
    with pytest.raises(ScriptError, match=rf"(?s)film\.yaml:5.*({message})"):
        read_script(_film(kit, tmp_path, shot))
