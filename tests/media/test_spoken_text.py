"""A piece of a spoken text keeps the words and phonemes that sound in it."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.spoken_text import Phone, SpokenText, SpokenWord


def test_a_cut_moves_times_and_drops_what_is_outside():
    audio = AudioTrack(np.zeros(48_000, np.float32), 16_000)
    words = tuple(SpokenWord(text, at, at + 0.9) for at, text in enumerate(("one", "two", "three")))
    phones = tuple(Phone(ipa, at / 2, at / 2 + 0.5) for at, ipa in enumerate("abcdef"))
    piece = SpokenText(audio, words, phones, "en-us").cut(0.5, 2.0)
    assert piece.audio.duration_s == 1.5 and piece.voice == "en-us"
    assert [word.text for word in piece.words] == ["one", "two"]
    assert (piece.words[0].start_s, piece.words[0].end_s) == (0.0, 0.4)
    assert (piece.words[1].start_s, piece.words[1].end_s) == (0.5, 1.4)
    assert "".join(phone.ipa for phone in piece.phonemes) == "bcd"
    assert repr(piece) == "SpokenText('en-us', 2 words, 1.50 s)"
