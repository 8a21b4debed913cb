"""Phonemes with their times: spikes of a recognizer, and what real aligners say of real speech."""

import json
import sys

import pytest

from skyreels_avatar.errors import MissingExtraError
from skyreels_avatar.evaluation import phonemes
from skyreels_avatar.evaluation.phonemes import align, phonemes_of, spread_spikes
from skyreels_avatar.media.audio import AudioTrack

SPIKES = [("m", 0.30), ("a", 0.40), ("p", 0.55), ("i", 0.62), ("s", 1.50)]


def test_a_phoneme_lasts_until_the_next_and_closures_lie_round_their_spike():
    phones = spread_spikes(SPIKES)
    assert [phone.ipa for phone in phones] == ["m", "a", "p", "i", "s"]
    middles = {p.ipa: (p.start_s + p.end_s) / 2 for p in phones}
    assert middles["m"] == pytest.approx(0.30) and middles["p"] == pytest.approx(0.55)
    assert phones[1].start_s == pytest.approx(0.35) and phones[1].end_s == pytest.approx(0.50)
    assert phones[3].end_s == pytest.approx(0.92)  # nobody holds a vowel for long
    assert all(phone.end_s > phone.start_s for phone in phones)


def test_without_a_recognizer_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "hama", None)
    phonemes._recognizer.cache_clear()
    audio = AudioTrack.load(root / "assets" / "examples" / "speech.wav").cut(0, 0.5)
    with pytest.raises(MissingExtraError, match=r"hama is not installed.*phonemes"):
        phonemes_of(audio)


@pytest.fixture(scope="module")
def reader(shared):
    """A real reader, his text, and the middles of some of its words in seconds."""
    folder = shared / "inputs" / "audio"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    words = json.loads((folder / "word_times.json").read_text())["a03_en_male_read"]["words"]
    return AudioTrack.load(folder / "a03_en_male_read.flac"), words


def test_a_text_is_aligned_with_real_speech(reader):
    pytest.importorskip("pocketsphinx")
    audio, words = reader
    text = " ".join(word.lower() for word, *_ in words).replace("mr ", "mister ")
    phones = align(audio.mono().resampled(16000).normalized().samples, text)
    (middle,) = (w for w in words if w[0] == "middle")
    first = [p for p in phones if p.ipa == "m" and abs(p.start_s - middle[1]) < 0.08]
    assert len(first) == 1


def test_a_recognizer_hears_the_sounds_of_lips(reader):
    pytest.importorskip("hama")
    audio, words = reader
    (middle,) = (w for w in words if w[0] == "middle")
    heard = [p for p in phonemes_of(audio) if p.ipa == "m"]
    assert any(p.start_s - 0.1 < middle[1] < p.end_s + 0.1 for p in heard)
