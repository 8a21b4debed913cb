"""Closures, rounding and tuck: of people, of puppets, of mouths that are always shut."""

import json

import numpy as np
import pytest
import soundfile

from skyreels_avatar.evaluation.lip_sync import (
    POINTS,
    lip_places,
    places_of,
    points_of,
    puppet,
    sound_picture,
)
from skyreels_avatar.evaluation.phonemes import align
from skyreels_avatar.evaluation.spoken_lips import spoken_lips
from skyreels_avatar.faces.alignment import RIGID
from skyreels_avatar.faces.template import template
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.spoken_text import Phone

FRAMES = 75


def _phones(name: str, frames: range) -> list[Phone]:
    """Return a vowel all along, and a sound of one frame at some frames."""
    ends = [Phone("\u0251", 0.0, 0.04), Phone("\u0251", FRAMES / 25 - 0.04, FRAMES / 25)]
    return [*ends, *(Phone(name, f / 25, (f + 1) / 25) for f in frames)]


@pytest.fixture
def open_mouth():
    """(F, 47, 2): the average face, its lips apart."""
    face = np.repeat(200 * template()[None], FRAMES, 0)
    face[:, [14, 17, 87, 317, 84, 314], 1] += 10
    return lip_places(face[:, RIGID], face[:, POINTS])


def _sound(rng) -> np.ndarray:
    return rng.normal(size=(4 * FRAMES, 80)).astype(np.float32)


def _move(places: np.ndarray, frames: range, changed: dict[int, tuple[float, float]]) -> np.ndarray:
    moved = places.copy()
    for point, way in changed.items():
        moved[list(frames), POINTS.index(point)] += way
    return moved


def test_lips_that_shut_on_the_sound_alone_close_beyond_chance(open_mouth, rng):
    frames = range(10, 70, 10)
    height = open_mouth[0, POINTS.index(14), 1] - open_mouth[0, POINTS.index(13), 1]
    shut = _move(open_mouth, frames, dict.fromkeys((14, 87, 317), (0, -height)))
    found = spoken_lips(shut, _sound(rng), _phones("m", frames))
    assert (found.closures, found.closures_chance, found.num_closures) == (1.0, 0.0, 6)
    assert spoken_lips(open_mouth, _sound(rng), _phones("m", frames)).closures == 0


def test_a_mouth_that_is_always_shut_is_no_better_than_chance(open_mouth, rng):
    height = open_mouth[0, POINTS.index(14), 1] - open_mouth[0, POINTS.index(13), 1]
    shut = _move(open_mouth, range(FRAMES), dict.fromkeys((14, 87, 317), (0, -height)))
    found = spoken_lips(shut, _sound(rng), _phones("b", range(10, 70, 10)))
    assert found.closures == found.closures_chance == 1 and found.closures_gain == 0


def test_a_narrow_mouth_counts_on_round_sounds_and_a_raised_lip_on_f(open_mouth, rng):
    frames = range(10, 70, 10)
    narrow = _move(open_mouth, frames, {78: (0.03, 0), 308: (-0.03, 0)})
    assert spoken_lips(narrow, _sound(rng), _phones("w", frames)).rounding > 2
    assert spoken_lips(narrow, _sound(rng), _phones("\u025b", frames)).rounding is None
    raised = _move(open_mouth, frames, {17: (0, -0.02)})
    assert spoken_lips(raised, _sound(rng), _phones("f", frames)).tuck > 2
    wide = _move(open_mouth, frames, {78: (-0.03, 0), 308: (0.03, 0)})
    assert spoken_lips(wide, _sound(rng), _phones("w", frames)).rounding < -2


def test_real_lips_are_told_from_a_puppet_with_the_same_sound(shared):
    """Ten clips kept back: what real lips do beyond moments as loud, no puppet does."""
    pytest.importorskip("pocketsphinx")
    folder = shared / "speech" / "grid_s1"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    kept = json.loads((folder / "points.json").read_text())["mediapipe_index"]
    said = json.loads((folder / "words.json").read_text())
    names = np.load(folder / "curves.npz")["clip"]
    sounds = soundfile.read(folder / "audio_09.ogg", dtype="float32")[0].reshape(100, -1)
    stored = np.load(folder / "landmarks_09.npz")
    landmarks = stored["lm"][..., :10, :].transpose(2, 3, 0, 1).astype(np.float32)
    rigid, lips = ([kept.index(point) for point in some] for some in (RIGID, POINTS))
    people, dolls = [], []
    for row in range(10):
        text = " ".join(w for w, *_ in said[str(names[900 + row])] if w not in ("sil", "sp"))
        try:
            phones = align(sounds[row], text)
        except RuntimeError:  # three in a hundred
            continue
        places = lip_places(landmarks[row][:, rigid], landmarks[row][:, lips])
        sound = sound_picture(AudioTrack(sounds[row], 16000), len(places))
        toy = places_of(puppet(points_of(places), sound), places.mean(0))
        people.append(spoken_lips(places, sound, phones))
        dolls.append(spoken_lips(toy, sound, phones))
    beyond = [
        np.mean([one.closures_gain for one in some if one.closures is not None])
        for some in (people, dolls)
    ]
    rounding = [
        np.mean([one.rounding for one in some if one.rounding is not None])
        for some in (people, dolls)
    ]
    # Measured: 8 of 9 sounds.
    assert np.mean([one.closures for one in people if one.closures is not None]) > 0.75
    assert beyond[0] > beyond[1] and rounding[0] > 0.7 > 0.4 > abs(rounding[1])
