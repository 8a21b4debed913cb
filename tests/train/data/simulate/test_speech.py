import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from train.data.simulate.speech import HELD_OUT_VOICES, LANGUAGES, VOICES, make_speech, make_text

pytest.importorskip("espeakng_loader")

from skyreels_avatar.media.espeak import espeak


def test_phonemes_carry_their_times():
    samples, phones = espeak().say("mama", "en-us")
    assert [p.ipa.strip("\u02c8\u02d0") for p in phones if p.ipa][:1] == ["m"]
    assert all(p.end_s > p.start_s for p in phones)
    assert phones[-1].end_s == pytest.approx(len(samples) / espeak().sample_rate, abs=0.02)


def test_an_unknown_voice_is_refused():
    with pytest.raises(InputError, match="voice"):
        espeak().say("hello", "nowhere")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks_sounds_the_lips_know(language):
    from train.data.simulate.articulation import symbols

    rng = np.random.default_rng(0)
    spoken = [p for _ in range(4) for p in espeak().say(make_text(language, rng), language)[1]]
    sounding = [p for p in spoken if p.ipa]
    assert np.mean([bool(symbols(p.ipa)) for p in sounding]) > 0.95


def test_a_track_has_its_length_and_ordered_phonemes():
    speech = make_speech(4.0, np.random.default_rng(1))
    starts = [p.start_s for p in speech.phones]
    assert len(speech.samples) == 64000 and starts == sorted(starts) and starts[-1] < 4.0


def test_sound_is_loud_where_phonemes_are():
    rng = np.random.default_rng(3)
    for _ in range(5):
        speech = make_speech(6.0, rng)
        spoken = np.zeros(len(speech.samples), bool)
        for phone in speech.phones:
            if phone.ipa:
                spoken[int(phone.start_s * 16000) : int(phone.end_s * 16000)] = True
        power = speech.samples**2
        assert power[spoken].mean() > 8 * power[~spoken].mean()


def test_held_out_voices_are_not_trained_on():
    assert set(HELD_OUT_VOICES).isdisjoint(VOICES)
