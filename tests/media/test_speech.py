"""Text to speech: voices by name, words and phonemes in time, the same text the same sound."""

from __future__ import annotations

import importlib.metadata
import sys

import numpy as np
import pytest

from skyreels_avatar.errors import InputError, MediaError, MissingExtraError
from skyreels_avatar.folders import MODELS_VARIABLE
from skyreels_avatar.media import espeak as espeak_module
from skyreels_avatar.media import speech
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.hibari import HibariEngine
from skyreels_avatar.media.speech import find_voice, list_voices, speak
from skyreels_avatar.media.spoken_text import SpokenText, SpokenWord
from skyreels_avatar.media.voice import Voice

SENTENCES = {
    "espeak:en-us": "Hello, I have 25 apples.",
    "en-gb+f3": "Good morning to you all.",
    "de": "Das sind 25 \u00c4pfel f\u00fcr dich.",
    "fr": "Bonjour \u00e0 tous mes amis.",
    "es": "\u00bfD\u00f3nde est\u00e1 la biblioteca?",
    "cmn": "\u4f60\u597d\uff0c\u6211\u670925\u4e2a\u82f9\u679c\u3002",
    "ja": "\u3053\u3093\u306b\u3061\u306f\u3001\u3042\u308a\u304c\u3068\u3046\u3002",
    "hi": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "ar": "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "ru": "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",
}


class TestEspeak:
    """What the offline engine does."""

    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("espeakng_loader")

    @pytest.mark.parametrize("voice", SENTENCES)
    def test_a_sentence_has_sound_where_its_words_and_phonemes_are(self, voice):
        text = SENTENCES[voice]
        spoken = speak(text, voice)
        said = "".join(("" if word.glued else " ") + word.text for word in spoken.words).strip()
        assert said == text
        starts = [word.start_s for word in spoken.words]
        assert starts == sorted(starts) and spoken.words[-1].end_s <= spoken.audio.duration_s
        power, rate = spoken.audio.samples**2, spoken.audio.sample_rate
        pauses = [p for p in spoken.phonemes if not p.ipa and p.end_s - p.start_s > 0.12]
        for pause in pauses:
            quiet = power[round((pause.start_s + 0.06) * rate) : round(pause.end_s * rate)]
            assert quiet.mean() < 0.05 * power.mean()
        for word in spoken.words:
            first, last = (round(t * rate) for t in (word.start_s, word.end_s))
            assert power[first:last].mean() > 0.05 * power.mean(), word

    def test_the_same_text_is_the_same_sound_whatever_was_said_before(self):
        first = speak("Good evening, dear friends.", "en-us+f2").audio.samples
        speak("Guten Abend.", "de")
        assert np.array_equal(speak("Good evening, dear friends.", "en-us+f2").audio.samples, first)

    def test_speed_and_pitch_change_what_they_say(self):
        text = "The quick brown fox jumps over the lazy dog."
        own, fast = (speak(text, "espeak:en-us", speed=speed) for speed in (1.0, 2.0))
        assert 1.6 < own.audio.duration_s / fast.audio.duration_s < 2.4
        low, high = (_median_hz(speak(text, "espeak:en", pitch=pitch).audio) for pitch in (10, 90))
        assert high > 1.3 * low

    def test_punctuation_makes_a_pause(self):
        gap_s = {}
        for text in ("yes no", "yes, no", "yes. No"):
            first, second = speak(text, "espeak:en-us").words
            gap_s[text] = second.start_s - first.end_s
        assert gap_s["yes no"] < 0.05 < gap_s["yes, no"] < gap_s["yes. No"]

    def test_every_voice_of_the_list_speaks_and_its_name_says_its_language(self):
        listed = list_voices()
        assert len({voice.name for voice in listed}) == len(listed)
        voices = [voice for voice in listed if voice.engine == "espeak"]
        assert len(voices) > 100 and all(voice.installed for voice in voices)
        names = [voice.name.removeprefix("espeak:") for voice in voices]
        for name in names:
            assert espeak_module.espeak().identifier(name)
        for name in names[:: len(voices) // 12]:
            assert len(espeak_module.espeak().say("1 2 3", name)[0]) > 1000, name

    def test_timbres_differ_and_may_be_written_in_any_case(self):
        plain, other = (
            speak("hello", voice).audio.samples for voice in ("espeak:en-us", "EN_us+F3")
        )
        assert not np.array_equal(plain[: len(other)], other[: len(plain)])

    def test_voices_are_found_by_language(self):
        portuguese = {voice.name for voice in list_voices("pt") if voice.engine == "espeak"}
        assert portuguese == {"espeak:pt", "espeak:pt-br"}
        assert "espeak:cmn" in {voice.name for voice in list_voices("zh")}
        with pytest.raises(InputError, match=r"'german'; did you mean espeak:de\?"):
            list_voices("german")

    @pytest.mark.parametrize(
        ("voice", "hint"),
        [
            ("german", "did you mean espeak:de?"),
            ("en-uk", "espeak:en or "),
            ("zh-cn", "did you mean espeak:cmn"),
            ("espeak:zh-cn", "did you mean cmn"),
            ("hart", " heart"),
            ("kokoro:ff_siwi", "did you mean ff_siwis"),
            ("qqq", "lists them all"),
            ("de+f33", "did you mean f3"),
            ("", "such as en-us"),
            ("nosuch:x", "engines here are hibari, kokoro, espeak, vits"),
        ],
    )
    def test_an_unknown_voice_is_refused_with_near_names(self, voice, hint):
        with pytest.raises(InputError) as caught:
            speak("hello", voice)
        assert hint in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "voice", "reader"),
        [
            (SENTENCES["cmn"], "espeak:en-us", "cmn"),
            (SENTENCES["ru"], "de", "ru"),
            (SENTENCES["ar"], "hi", "ar"),
            (SENTENCES["hi"], "cmn", "hi"),
            ("\u4eca\u65e5\u306f", "ja", "hiragana"),
        ],
    )
    def test_a_script_that_a_voice_cannot_read_is_refused(self, text, voice, reader):
        with pytest.raises(InputError, match=reader):
            speak(text, voice)

    def test_a_foreign_letter_and_latin_names_are_read(self):
        assert speak("The angle \u03b1 is small.", "espeak:en-us").words
        assert speak("\u6211\u7231 Python", "zh").words

    def test_a_long_text_keeps_its_times(self):
        spoken = speak("One two three four. " * 300, "espeak:en-us", speed=2.5)
        assert len(spoken.words) == 1200
        last = spoken.audio.samples[round(spoken.words[-1].start_s * spoken.audio.sample_rate) :]
        assert np.abs(last).max() > 0.1 and spoken.audio.duration_s > 100


@pytest.mark.parametrize("text", ["", "  \n ", "...", "?!", "\x00\x07", 5, "a" * 200_000])
def test_a_text_that_cannot_be_said_is_refused(text):
    with pytest.raises(InputError, match=r"nothing to say|must be text|at most"):
        speak(text)


@pytest.mark.parametrize("options", [{"speed": 0.4}, {"speed": float("nan")}, {"pitch": 101}])
def test_a_manner_out_of_range_is_refused(options):
    with pytest.raises(InputError, match="between"):
        speak("hello", **options)


def test_without_the_packages_their_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    espeak_module.espeak.cache_clear()
    for package in ("espeakng_loader", "hibari"):
        monkeypatch.setitem(sys.modules, package, None)
    for call in (lambda: speak("hello"), lambda: speak("hello", "de"), list_voices):
        with pytest.raises(MissingExtraError, match=r"pip install -e .*\[voice\]"):
            call()


class TestLanguage:
    """A voice that is named by its language."""

    @pytest.fixture(autouse=True)
    def _no_weights(self, monkeypatch, tmp_path):
        pytest.importorskip("espeakng_loader")
        monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
        speech._warn_synthetic.cache_clear()

    def test_english_is_spoken_by_the_natural_voice(self):
        pytest.importorskip("hibari")
        for name in ("en-us", "EN", "en_US", "heart", "hibari:heart"):
            assert find_voice(name) == ("hibari", "heart"), name
        assert find_voice("en-us+f3")[0] == find_voice("espeak:en-us")[0] == "espeak"

    def test_other_languages_are_spoken_by_espeak_with_a_word_on_it(self, caplog):
        assert speak("oui", "fr").voice == "espeak:fr" and speak("oui", "fr").words
        assert [record.message for record in caplog.records] == [
            "espeak-ng, which sounds synthetic, speaks fr; a natural voice: skyreels-avatar models "
            "pull kokoro"
        ]
        speak("ja", "de")
        assert "no natural voice" in caplog.records[1].message
        speak("nein", "espeak:de")
        speak("oui", "fr+f3")
        assert len(caplog.records) == 2

    def test_english_without_the_natural_voice_says_what_adds_it(self, monkeypatch, caplog):
        monkeypatch.setitem(sys.modules, "hibari", None)
        assert speak("hello").voice == "espeak:en-us"
        assert "[voice]" in caplog.records[0].message
        (heart,) = HibariEngine().voices()
        assert not heart.installed and "[voice]" in heart.install

    def test_a_voice_that_was_not_fetched_says_how(self):
        pytest.importorskip("hibari")
        listed = {voice.name: voice for voice in list_voices()}
        for name, model in (("ff_siwis", "kokoro"), ("emma", "hibari-voices")):
            assert not listed[name].installed
            assert listed[name].install == f"skyreels-avatar models pull {model}"
            with pytest.raises(InputError, match=f"models pull {model}"):
                speak("hello", name)


class _Beeps:
    """An engine that another package could bring: a beep a word."""

    def voices(self) -> tuple[Voice, ...]:
        return (Voice("high", ("en",), "Beeps"),)

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        words = tuple(SpokenWord(word, i, i + 1.0) for i, word in enumerate(text.split()))
        return SpokenText(AudioTrack(np.ones(8000 * len(words)), 8000), words, (), voice)


def test_a_package_can_bring_an_engine(monkeypatch):
    class Point:
        name = "beeps"

        def load(self):
            return _Beeps

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group, **_: (Point(),))
    speech._added_engine.cache_clear()
    spoken = speak("one\u0301 two", "beeps:high")
    assert spoken.voice == "beeps:high" and spoken.words[0].text == "on\u00e9"
    assert speech.engine_names() == ("hibari", "kokoro", "espeak", "vits", "beeps")
    speech._added_engine.cache_clear()


def test_text_is_read_from_a_file(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfhello\n")
    assert speech.read_text(tmp_path / "a.txt") == "hello\n"
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("b.txt", "absent.txt"):
        with pytest.raises(MediaError):
            speech.read_text(tmp_path / name)


def _median_hz(audio: AudioTrack) -> float:
    """Return the median pitch of the loud pieces of a voice, by autocorrelation."""
    rate, size = audio.sample_rate, 1024
    pieces = audio.samples[: len(audio.samples) // size * size].reshape(-1, size)
    loud = pieces[(pieces**2).mean(axis=1) > np.percentile((pieces**2).mean(axis=1), 60)]
    lags = np.arange(rate // 400, rate // 60)
    best = [lags[np.argmax([np.dot(x[lag:], x[:-lag]) for lag in lags])] for x in loud]
    return rate / float(np.median(best))
