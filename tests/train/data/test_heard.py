"""Phonemes from the spikes of a recogniser, and banks of recordings."""

import numpy as np
import pytest
import soundfile

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.phonemes import spread_spikes
from skyreels_avatar.media.speech import Phone
from train.config import load_config
from train.data import recorded
from train.data.heard import with_stress
from train.data.spoken import read_banks
from train.stages import voices


def test_the_loudest_third_of_the_vowels_is_stressed():
    samples = 0.01 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    spikes = [(ipa, 0.1 + 0.2 * index) for index, ipa in enumerate("taikousem")]
    phones = spread_spikes(spikes)
    loud = phones[4]  # "o"
    samples[int(loud.start_s * 16000) : int(loud.end_s * 16000)] *= 20
    marked = [phone.ipa for phone in with_stress(phones, samples) if "\u02c8" in phone.ipa]
    assert "\u02c8o" in marked and len(marked) == 2  # of five
    assert with_stress([], samples) == []


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("one", "two"):
        tone = 0.1 * np.sin(np.arange(48000) * 0.1).astype(np.float32)
        soundfile.write(folder / f"{name}.wav", tone, 16000)
    (folder / "broken.wav").write_bytes(b"no sound")
    heard = [Phone("m", 0.2 * index, 0.2 * index + 0.1) for index in range(12)]
    monkeypatch.setattr(recorded, "heard_phones", lambda samples: heard)
    return folder


def test_recordings_become_a_bank_once(tmp_path, recordings):
    asked = [f"data.cache={tmp_path}/corpus", f"data.recordings={recordings}"]
    for _ in range(2):
        voices.run(load_config("voices", asked))
        said = read_banks(tmp_path / "corpus", "recorded")
        assert [one.speaker for one in said] == ["one", "two"]
        assert len(said[0].samples) == 48000 and len(said[0].phones) == 12


def test_one_in_nine_recordings_is_kept_back(tmp_path, recordings):
    for index in range(8):
        tone = np.full(16000 * (index + 1), 0.1, np.float32)
        soundfile.write(recordings / f"p{index}.wav", tone, 16000)
    recorded.make_recorded(tmp_path, recordings)
    learnt, held = (read_banks(tmp_path, name) for name in ("recorded", "recorded-held"))
    assert len(learnt) == 9 and [one.speaker for one in held] == ["p7"]
    assert "p7" not in {one.speaker for one in learnt}


def test_what_is_no_speech_is_left_out(tmp_path, recordings, monkeypatch):
    monkeypatch.setattr(recorded, "heard_phones", lambda samples: [Phone("m", 0.0, 0.1)])
    with pytest.raises(InputError, match="no recording of speech among 3 files"):
        recorded.make_recorded(tmp_path / "corpus", recordings)
