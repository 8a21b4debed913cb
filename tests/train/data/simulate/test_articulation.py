import numpy as np
import pytest

from skyreels_avatar.media.spoken_text import Phone
from train.data.simulate.articulation import LEAD_S, VISEMES, accents, mouth_numbers

GAP, JAW, WIDTH, PUCKER, RAISE, PRESS, TUCK, TONGUE = range(8)


def spoken(*symbols: str, seconds: float = 0.16, start_s: float = 0.4) -> list[Phone]:
    return [
        Phone(symbol, start_s + i * seconds, start_s + (i + 1) * seconds)
        for i, symbol in enumerate(symbols)
    ]


def frame_of(phone: Phone) -> int:
    return int(((phone.start_s + phone.end_s) / 2 - LEAD_S) * 25)


def numbers(phones, num_frames=60):
    return mouth_numbers(phones, num_frames, np.random.default_rng(0))


@pytest.mark.parametrize("consonant", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["a", "i", "u", "\u025b"])
def test_lips_meet_on_bilabials_between_any_vowels(consonant, vowel):
    phones = spoken(vowel, consonant, vowel)
    mouth = numbers(phones)
    around = slice(frame_of(phones[1]) - 1, frame_of(phones[1]) + 2)
    assert mouth[around, GAP].min() < 0.002
    assert mouth[around, PRESS].max() > 0.5


@pytest.mark.parametrize("seconds", [0.05, 0.07, 0.1])
def test_even_a_short_closure_shows_in_a_picture(seconds):
    for offset in np.linspace(0, 0.04, 5):
        phones = [Phone("a", 0.2, 0.6 + offset), Phone("p", 0.6 + offset, 0.6 + offset + seconds)]
        phones.append(Phone("a", phones[-1].end_s, 1.2))
        mouth = numbers(phones)
        assert mouth[13:20, GAP].min() < 0.008


def test_the_lower_lip_tucks_in_on_f_and_leaves_a_small_gap():
    phones = spoken("a", "f", "a")
    frame = frame_of(phones[1])
    mouth = numbers(phones)
    assert mouth[frame, TUCK] > 0.6
    assert mouth[frame, GAP] < 0.02


def test_rounded_vowels_pucker_and_open_vowels_drop_the_jaw():
    rounded, opened = (numbers(spoken(vowel, vowel, vowel)) for vowel in ("u", "a"))
    middle = frame_of(spoken("a", "a", "a")[1])
    assert rounded[middle, PUCKER] > opened[middle, PUCKER] + 0.3
    assert opened[middle, JAW] > rounded[middle, JAW] + 0.01
    assert opened[middle, GAP] > rounded[middle, GAP] + 0.02


def test_the_mouth_rests_shut_and_still_long_before_and_after_speech():
    mouth = numbers(spoken("a", "t", "a", start_s=0.8), num_frames=75)
    assert np.abs(mouth[:10]).max() < 0.02
    assert np.abs(mouth[-20:]).max() < 0.02


def test_silence_gives_zeros():
    assert not numbers([Phone("", 0.0, 1.0)]).any()


def test_strength_scales_opening_but_not_closures():
    phones = spoken("a", "m", "a")
    soft, loud = (
        mouth_numbers(phones, 60, np.random.default_rng(0), strength) for strength in (0.6, 0.9)
    )
    assert loud[:, GAP].max() == pytest.approx(1.5 * soft[:, GAP].max(), rel=0.15)
    closure = slice(frame_of(phones[1]) - 1, frame_of(phones[1]) + 2)
    assert loud[closure, GAP].min() < 0.003


def test_every_viseme_has_eight_numbers_in_range():
    table = np.array(list(VISEMES.values()))
    assert table.shape[1] == 8
    assert (table[:, [GAP, JAW, PUCKER, PRESS, TUCK, TONGUE]] >= 0).all()
    assert (table[:, [PUCKER, PRESS, TUCK, TONGUE]] <= 1).all()


def test_accents_mark_stressed_vowels_and_speech():
    pulses = accents([Phone("\u02c8a", 0.4, 0.6), Phone("t", 0.6, 0.7)], 50)
    assert pulses[:, 0].argmax() in (10, 11)
    assert pulses[:, 1].sum() == pytest.approx(8, abs=1)
