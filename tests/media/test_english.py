"""English as phonemes: what is read out, and which word the phonemes belong to."""

from __future__ import annotations

import pytest

pytest.importorskip("hibari")

from skyreels_avatar.media.english import pronounce, read_out
from skyreels_avatar.media.sentences import split_sentences


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Dr. Smith paid $3.50 on 3/4.", "Dr Smith paid 3 dollars and 50 cents on March fourth."),
        ("It costs \u00a320, 1,250 people.", "It costs 20 pounds, 1,250 people."),
        ("$1 or $0.99, and \u20ac1.01", "1 dollar or 99 cents, and 1 euro and 1 cent"),
        ("$1M and $3.2 billion", "1 million dollars and 3.2 billion dollars"),
        ("3/4 of it, by 1/2.", "3 quarters of it, by one half."),
        ("on 14/35.", "on 14 slash 35."),
        ("At 10:30 on 2026-11-29.", "At ten thirty on November twenty-ninth, 2026."),
        ("No. 5 of St. John St. weighs 3 kg.", "Number 5 of Saint John Street weighs 3 kilograms."),
        ("Call 555-1234, 24/7!", "Call 5 5 5, 1 2 3 4, twenty-four seven!"),
        ("the angle \u03b1", "the angle alpha"),
    ],
)
def test_numbers_dates_money_and_abbreviations_are_read_out(written, read):
    assert read_out(written) == read


def test_the_phonemes_of_a_word_stand_at_the_word():
    ((*sentence,),) = split_sentences("Dr. Smith paid $3.50 on 3/4, my friend.")
    spoken = {offset: phonemes for offset, phonemes in pronounce(sentence)}
    by_word = {word: spoken[offset] for offset, word in sentence}
    assert by_word["Dr."].startswith("d") and by_word["Smith"].endswith("\u03b8")
    assert by_word["$3.50"].count(" ") == 4 and by_word["$3.50"].endswith("s\u02c8\u025bnts")
    assert by_word["3/4,"].startswith("m") and by_word["3/4,"].endswith(",")
    assert by_word["friend."].endswith("d.")


def test_words_are_read_by_their_neighbours_and_unknown_ones_by_their_letters():
    read = {}
    for text in ("I read it yesterday.", "I will read it."):
        read[text] = " ".join(word.phonemes for word in pronounce(split_sentences(text)[0]))
    assert "\u0279\u02c8\u025bd" in read["I read it yesterday."]
    assert "\u0279\u02c8id" in read["I will read it."]
    ((word,),) = [pronounce([(0, "zorblaxian")])]
    assert word.phonemes[0] == "z" and len(word.phonemes) > 7


def test_british_english_is_pronounced_otherwise():
    american, british = (pronounce([(0, "bath")], british=b)[0].phonemes for b in (False, True))
    assert "\u00e6" in american and "\u0251\u02d0" in british
