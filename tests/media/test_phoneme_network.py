"""Phonemes become words with times; how a graph gets its durations as an output."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.media import phoneme_network
from skyreels_avatar.media.phoneme_network import (
    LATE_S,
    SAMPLE_RATE,
    UNIT_S,
    PhonemeNetwork,
    PronouncedWord,
    speak_words,
)

LETTERS = " abdefgA\u02c8\u02d0,."
NUMBERS = {letter: index + 1 for index, letter in enumerate(LETTERS)}


@pytest.fixture(autouse=True)
def _vocabulary(monkeypatch):
    monkeypatch.setattr(phoneme_network, "vocabulary", lambda: NUMBERS)


def say(tokens):
    """Take four units for every token, and as many samples."""
    samples = np.zeros(round(4 * UNIT_S * SAMPLE_RATE) * len(tokens), np.float32)
    return samples, np.full(len(tokens), 4.0)


def speak(text, *words):
    return speak_words(text, "tiny", [[PronouncedWord(*word) for word in words]], say)


def test_words_begin_where_their_first_letter_does():
    spoken = speak("ad be", (0, "ad"), (3, "b\u02d0e"))
    assert [word.text for word in spoken.words] == ["ad", "be"]
    # Tokens before the second word: the pad, two letters and the space.
    assert spoken.words[1].start_s == pytest.approx(4 * 4 * UNIT_S - LATE_S)
    ipa = [phone.ipa for phone in spoken.phonemes]
    assert "b\u02d0" in ipa  # a length mark belongs to what stands before
    assert spoken.phonemes[-1].end_s == pytest.approx(spoken.audio.duration_s)
    for one, after in zip(spoken.phonemes, spoken.phonemes[1:]):
        assert one.end_s == after.start_s


def test_a_stress_mark_belongs_to_the_vowel_and_a_letter_may_be_a_diphthong():
    spoken = speak("gay", (0, "g\u02c8A"))
    assert [phone.ipa for phone in spoken.phonemes if phone.ipa] == ["g", "\u02c8e\u026a"]


def test_long_sentences_are_read_in_pieces_that_follow_each_other(monkeypatch):
    monkeypatch.setattr(phoneme_network, "_MAX_PHONEMES", 3)
    calls = []

    def counted(tokens):
        calls.append(len(tokens))
        return say(tokens)

    words = [PronouncedWord(3 * i, "ab") for i in range(3)]
    spoken = speak_words("ab ab ab", "tiny", [words], counted)
    assert calls == [4, 4, 4]
    starts = [word.start_s for word in spoken.words]
    assert starts == sorted(starts) and starts[2] > 2 * 4 * 4 * UNIT_S
    assert spoken.audio.duration_s == pytest.approx(12 * 4 * UNIT_S)


def test_a_text_without_phonemes_is_refused():
    with pytest.raises(InputError, match="tiny finds nothing to say"):
        speak("...", (0, ".,"))


def test_lengths_of_many_bytes_are_written_as_protobuf_does():
    assert phoneme_network._varint(127) == b"\x7f" and phoneme_network._varint(300) == b"\xac\x02"
    message = phoneme_network._as_output(b"x")
    assert message == b"\x3a\x05\x62\x03\x0a\x01x"  # graph(7) output(12) name(1)


def test_a_file_that_is_no_network_is_named(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra voice is not installed")
    (tmp_path / "voice.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"voice\.onnx cannot be loaded"):
        PhonemeNetwork(tmp_path / "voice.onnx")
