"""What shots speak and what a film plays: to the sample, wherever the sounds come from."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.sound import open_film

RATE = 48_000


@pytest.fixture
def tones(tmp_path):
    """Write two sounds, four seconds rising to a half and one second of a constant."""
    rising = np.linspace(0, 0.5, 4 * RATE, dtype=np.float32)
    sa.AudioTrack(rising, RATE, None, np.stack([rising, -rising])).save(tmp_path / "music.wav")
    sa.AudioTrack(np.full(RATE, 0.25, np.float32), RATE).save(tmp_path / "word.wav")
    return tmp_path


def _shot(**values) -> sa.Shot:
    return sa.Shot(image="p.png", **values)


def test_the_soundtrack_is_heard_from_where_the_film_begins(tones):
    shots = _shot(start_s=1, end_s=2), _shot(end_s=3)
    heard = open_film(sa.Script(shots, tones / "music.wav")).mixdown()
    assert heard.channels.shape == (2, 2 * RATE)
    assert heard.channels[0, [0, -1]] == pytest.approx([0.125, 0.375], abs=1e-4)
    assert heard.channels[1] == pytest.approx(-heard.channels[0], abs=1e-4)


def test_a_shots_own_sound_lies_over_the_soundtrack_at_its_time(tones):
    shots = _shot(end_s=1), _shot(audio=tones / "word.wav"), _shot()
    film = open_film(sa.Script(shots, tones / "music.wav"))
    rising = np.linspace(0, 0.5, 4 * RATE)
    added = film.mixdown().channels[0] - rising
    assert added[[0, RATE - 1, RATE, 2 * RATE - 1, 2 * RATE]] == pytest.approx(
        [0, 0, 0.25, 0.25, 0], abs=1e-3
    )
    assert film.spoken(film.timeline.shots[1]).samples == pytest.approx(0.25, abs=1e-3)


def test_shots_hear_on_in_cross_fades_and_silence_beyond_their_own_sound(tones):
    over = sa.Script((_shot(end_s=1), _shot(end_s=2, fade_s=0.4)), tones / "music.wav")
    film = open_film(over)
    first, second = (film.spoken(placed) for placed in film.timeline.shots)
    assert len(first.samples) == len(second.samples) == 1.2 * RATE
    own = tones / "word.wav"
    film = open_film(sa.Script((_shot(audio=own), _shot(audio=own, fade_s=0.4))))
    first, second = (film.spoken(placed).samples for placed in film.timeline.shots)
    quiet = round(0.2 * RATE)
    assert (first[RATE:] == 0).all() and (second[:quiet] == 0).all()
    assert first[:RATE].min() > 0.2 and second[quiet:].min() > 0.2
    assert len(film.mixdown().samples) == 2 * RATE and film.mixdown().samples.min() > 0.2


def test_sounds_that_are_too_loud_together_are_scaled_with_a_warning(tones, caplog):
    loud = sa.AudioTrack(np.full(RATE, 0.9, np.float32), RATE).save(tones / "loud.wav")
    shots = _shot(end_s=2), _shot(audio=loud)
    heard = open_film(sa.Script(shots, tones / "music.wav")).mixdown()
    assert np.abs(heard.channels).max() == pytest.approx(1)
    assert "together peak at 1.27" in caplog.text


def test_a_script_made_in_python_has_its_problems_named_by_shot(tones):
    shots = _shot(end_s=1), _shot(start_s=2, end_s=9), _shot(audio=tones / "word.wav")
    with pytest.raises(ScriptError) as error:
        open_film(sa.Script(shots, tones / "music.wav"))
    gap, beyond = error.value.problems
    assert gap.startswith("shot 2 starts at 2 s and leaves a gap after shot 1")
    assert beyond == "shot 2 ends at 9 s, but the soundtrack has 4.00 s"
    with pytest.raises(ScriptError, match="shot 1 needs an end_s"):
        open_film(sa.Script((_shot(), shots[2]), tones / "music.wav"))


def test_vocals_run_beside_what_is_heard(tones):
    """Over a soundtrack they are on its clock, beside a shot's own sound on that one's."""
    song, word = tones / "music.wav", tones / "word.wav"
    over = sa.Script((_shot(start_s=1, end_s=2), _shot(vocals=song, end_s=3, fade_s=0.4)), song)
    film = open_film(over)
    plain, sung = (film.sounds(placed) for placed in film.timeline.shots)
    assert list(plain) == [""] and list(sung) == ["", "vocals"]
    assert sung["vocals"].samples == pytest.approx(sung[""].samples, abs=1e-4)
    own = _shot(audio=song, vocals=word, start_s=0.25, end_s=0.75)
    film = open_film(sa.Script((own,)))
    heard = film.sounds(film.timeline.shots[0])
    assert len(heard["vocals"].samples) == len(heard[""].samples) == 0.52 * RATE
    assert heard["vocals"].samples[: RATE // 2] == pytest.approx(0.25, abs=1e-3)


def test_speakers_bring_their_voices(tones):
    speakers = [{"name": "anna", "face": "0", "audio": tones / "word.wav"}]
    speakers.append({"name": "ben", "face": "1"})
    film = open_film(sa.Script((_shot(speakers=speakers), _shot(audio=tones / "word.wav"))))
    assert film.timeline.num_frames == 50
    heard = film.sounds(film.timeline.shots[0])
    assert list(heard) == ["", "speaker0"]
    assert len(heard["speaker0"].samples) == RATE
