"""The natural English voice: its sound, the times of its words, and when its lips close."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("hibari")

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.hibari import HibariEngine
from skyreels_avatar.media.speech import speak

VOWELS = "aeiou\u0251\u00e6\u0259\u025b\u025c\u026a\u0254\u028a\u028c"
CLOSURES = (
    "Bob put a big map on top of a cup.", "Maybe people imagine a happy summer.",
    "My mother bought a pumpkin pie above the bay.", "Please stop by the open market before noon.",
    "The paper boat came apart below the bridge.", "Probably nobody remembers the number.",
    "A simple problem became important to him.", "Pam may keep the lamp upon the table.",
    "The baby monkey jumped over the empty box.", "We both hope to go home in September.",
    "Amber is a warm color, but I prefer purple.", "The rabbit was grabbing a ripe apple.",
    "Come up and help me move the sofa.", "He began to speak about the company.",
    "Every member of the club was impatient.", "I am about to open a pub in Boston.",
    "The camera was above a pile of papers.", "Somebody dropped a lamp in the lobby.",
    "The apartment is a bit more compact.", "Tomorrow we may buy a simple table.",
)  # fmt: skip


def test_words_and_pauses_are_where_the_times_say():
    text = "Dr. Smith paid $3.50 on 3/4. \u201cHello,\u201d he said - my dear friend!"
    spoken = speak(text, "heart")
    assert " ".join(word.text for word in spoken.words) == text and spoken.voice == "heart"
    assert spoken.phonemes[0].start_s == 0
    assert spoken.phonemes[-1].end_s == pytest.approx(spoken.audio.duration_s)
    for one, after in zip(spoken.phonemes, spoken.phonemes[1:]):
        assert one.start_s < one.end_s == after.start_s and (one.ipa or after.ipa)
    power, rate = spoken.audio.samples**2, spoken.audio.sample_rate
    for word in spoken.words:
        first, last = (round(t * rate) for t in (word.start_s, word.end_s))
        assert power[first:last].mean() > 0.05 * power.mean(), word
    for pause in (one for one in spoken.phonemes if not one.ipa and one.end_s - one.start_s > 0.2):
        first, last = (round(t * rate) for t in (pause.start_s + 0.08, pause.end_s - 0.02))
        assert power[first:last].mean() < 0.05 * power.mean(), pause


def test_lips_close_when_the_sound_does():
    """Durations of the network alone are 60 ms late."""
    late_s = []
    for sentence in CLOSURES:
        spoken = speak(sentence, "heart")
        rate = spoken.audio.sample_rate
        window = np.hanning(rate // 66)
        power = np.convolve(spoken.audio.samples**2, window / window.sum(), "same")
        phones = spoken.phonemes
        for before, phone, after in zip(phones, phones[1:], phones[2:]):
            # Between vowels the closure is where the sound is weakest.
            if phone.ipa in ("p", "b") and {before.ipa[-1:], after.ipa[-1:]} <= set(VOWELS):
                middle_s = (phone.start_s + phone.end_s) / 2
                first, last = (round((middle_s + d) * rate) for d in (-0.1, 0.1))
                late_s.append(middle_s - (first + np.argmin(power[first:last])) / rate)
    assert len(late_s) > 15
    assert abs(np.median(late_s)) < 0.015
    assert np.mean(np.abs(late_s) < 0.03) > 0.75  # 0.86 of 36


def test_the_same_text_is_the_same_sound_whatever_was_said_before():
    first = speak("Good evening.", "heart").audio.samples
    speak("Something else.", "heart")
    assert np.array_equal(speak("Good evening.", "heart").audio.samples, first)


def test_speed_changes_how_long_it_speaks_and_pitch_is_its_own():
    text = "The quick brown fox jumps over the lazy dog."
    own, fast = (speak(text, "heart", speed=speed) for speed in (1.0, 1.6))
    assert 1.3 < own.audio.duration_s / fast.audio.duration_s < 1.8
    with pytest.raises(InputError, match=r"pitch of its own.*espeak:en-us"):
        speak(text, "heart", pitch=60)


def test_punctuation_makes_a_pause():
    gap_s = {}
    for text in ("yes no", "yes, no", "yes. No"):
        first, second = speak(text, "heart").words
        gap_s[text] = second.start_s - first.end_s
    assert gap_s["yes no"] < 0.05 < gap_s["yes, no"] < gap_s["yes. No"]


def test_a_long_text_is_said_sentence_by_sentence():
    spoken = speak("One two three four. " * 40 + "on and on " * 100, "heart", speed=2.5)
    assert len(spoken.words) == 460
    starts = [word.start_s for word in spoken.words]
    assert starts == sorted(starts) and spoken.audio.duration_s > 60


def test_a_script_that_it_cannot_read_is_refused():
    with pytest.raises(InputError, match="cmn"):
        speak("\u4f60\u597d\uff0c\u4e16\u754c", "heart")
    with pytest.raises(InputError, match=r"did you mean heart\?"):
        speak("hello", "hibari:hart")
    with pytest.raises(InputError, match="nothing to say"):
        speak("\u2603", "heart")


def test_the_voice_inside_the_package_comes_first():
    heart, *others = HibariEngine().voices()
    assert heart.name == "heart" and heart.installed and heart.sex == "female"
    assert {voice.sex for voice in others} == {"female", "male"}
