"""Phonemes of espeak-ng as Kokoro's symbols; the network itself is played by a stub."""

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.media import phoneme_network
from train.data.simulate import kokoro
from train.data.simulate.speech import LANGUAGES

pytest.importorskip("hibari", reason="Kokoro's vocabulary comes with the extra voice")


class Network:
    """Answers with silence whose durations are one unit a token, and remembers what it got."""

    def run(self, inputs, num_tokens):
        self.inputs = inputs
        return np.zeros(600 * num_tokens, np.float32), np.ones(num_tokens, np.float32)


@pytest.fixture
def engine():
    made = object.__new__(kokoro.Kokoro)
    made.styles = {name: np.full((510, 256), at, np.float32) for at, name in enumerate("ab")}
    made._network = Network()
    return made


def test_diphthongs_and_affricates_are_one_symbol():
    assert kokoro.spell("\u02c8a\u026a", english=True) == "\u02c8I"
    assert kokoro.spell("t\u0283", english=False) == "\u02a7"
    assert kokoro.spell("i\u02d0", english=True) == "i"
    assert kokoro.spell("i\u02d0", english=False) == "i\u02d0"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_can_be_spelt(language):
    from train.data.simulate.speech import make_text

    rng = np.random.default_rng(3)
    pieces = kokoro.tokens_of(make_text(language, rng), language, rng)
    symbols = "".join(written for _, written in pieces)
    assert set(symbols) <= set(phoneme_network.vocabulary()) and symbols[-1] in ".!?"
    assert sum(bool(ipa) for ipa, _ in pieces) > 2


def test_words_are_parted_and_keep_their_lips():
    pieces = kokoro.tokens_of("my mother, Barbara", "en-us", np.random.default_rng(0))
    symbols = "".join(written for _, written in pieces)
    assert symbols.count(" ") == 2 and ", " in symbols
    assert [ipa for ipa, _ in pieces if ipa in "bm" and ipa] == ["m", "m", "b", "b"]


def test_phonemes_stand_where_the_durations_put_them(engine):
    samples, phones = engine.say("by my map", "en-us", engine.styles["a"], 1.0, None)
    assert len(samples) == 400 * engine._network.inputs["tokens"].shape[1]
    # the first token is the silence before the speech; all times are drawn forward by LATE_S
    assert phones[0].ipa == "b"
    assert phones[0].end_s == pytest.approx(
        max(2 * phoneme_network.UNIT_S - phoneme_network.LATE_S, 0.001)
    )
    ends_s = [phone.end_s for phone in phones]
    assert ends_s == sorted(ends_s)


def test_a_mixture_of_voices_lies_between_them(engine):
    assert np.allclose(engine.style({"a": 0.25, "b": 0.75}), 0.75)


def test_a_folder_without_the_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"kokoro\.onnx"):
        kokoro.Kokoro(tmp_path)
