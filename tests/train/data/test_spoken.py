"""Banks of utterances, and the tracks that are cut from them."""

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.speech import Phone
from train.config import load_config
from train.data import spoken
from train.data.cache import natural_track, read_shards
from train.data.simulate.kokoro import HELD_OUT
from train.stages import corpus as corpus_stage


class Engine:
    """Voices that say one long "m" in every sentence."""

    styles = dict.fromkeys(("af_bella", "am_adam", "ff_siwis", *HELD_OUT))

    def style(self, voices):
        return voices

    def say(self, text, language, style, speed, rng):
        tone = np.sin(np.arange(16000) * 0.1).astype(np.float32)
        return tone, [Phone("m", 0.2, 0.8), Phone("\u02c8a", 0.8, 1.0)]


@pytest.fixture
def banks(tmp_path, monkeypatch):
    monkeypatch.setattr(spoken, "Kokoro", lambda folder: Engine())
    for prefix in ("spoken", "spoken-held"):
        spoken.make_banks(tmp_path, prefix, 1, 0, tmp_path)
    return tmp_path


def test_training_never_hears_the_voices_that_are_kept_back(banks):
    learnt, held = (spoken.read_banks(banks, name) for name in ("spoken", "spoken-held"))
    assert not {part for said in learnt for part in said.speaker.split("+")} & set(HELD_OUT)
    assert {said.speaker for said in held} <= set(HELD_OUT)
    count = spoken.SPEAKERS_PER_BANK * spoken.UTTERANCES_PER_SPEAKER
    assert len(learnt) == len(held) == count


def test_a_bank_that_is_there_is_not_made_again(banks, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in banks.iterdir()}
    monkeypatch.setattr(spoken, "Kokoro", None)
    spoken.make_banks(banks, "spoken", 1, 0, banks)
    assert before and {path: path.stat().st_mtime_ns for path in banks.iterdir()} == before


def test_missing_banks_are_an_error(tmp_path):
    with pytest.raises(InputError, match="python -m train voices"):
        spoken.read_banks(tmp_path, "spoken")


def test_sound_and_phonemes_move_together(banks):
    """Lips are shut where the tone is an "m", whatever the speed and the pauses."""
    said = spoken.read_banks(banks, "spoken")[:6]
    for seed in range(8):
        speech = spoken.join_utterances(said, 8.0, np.random.default_rng(seed))
        assert len(speech.samples) == 128000
        for phone in speech.phones:
            assert 0 <= phone.start_s < phone.end_s
            middle = int(16000 * (phone.start_s + phone.end_s) / 2)
            if middle < len(speech.samples) - 200:
                assert np.abs(speech.samples[middle : middle + 200]).max() > 0.01


def test_corpus_makes_natural_tracks_where_there_are_banks(banks):
    options = [f"data.cache={banks}", "data.tracks_per_shard=2", "data.natural_shards=1"]
    corpus_stage.run(load_config("corpus", [*options, "data.synthetic_shards=1"]))
    tracks, held = (read_shards(banks, name) for name in ("natural", "held-natural"))
    assert len(tracks) == len(held) == 2
    speakers = spoken.by_speaker(spoken.read_banks(banks, "spoken"))
    made = natural_track(np.random.default_rng(0), speakers)
    assert made["mel"].shape == (800, 80) and made["mouth"].shape == (200, 8)
    shut = made["mouth"][:, 0] < 0.004
    assert 0.3 < shut.mean() < 1 and made["active"].mean() > 0.3
