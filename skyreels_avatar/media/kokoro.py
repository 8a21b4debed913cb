"""Kokoro-82M as a `SpeechEngine`: natural voices of six languages, fetched by `models pull kokoro`.

English is pronounced by hibari's lexicon, other languages by espeak-ng; both come with the extra
`voice`. The weights are Apache-2.0. Source: hexgrad/Kokoro-82M; the ONNX export is that of
onnx-community/Kokoro-82M-v1.0-ONNX, whose voices are tables (510, 256) with a row a length.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.folders import models_folder
from skyreels_avatar.media.english import pronounce
from skyreels_avatar.media.espeak import espeak
from skyreels_avatar.media.phoneme_network import PhonemeNetwork, PronouncedWord, speak_words
from skyreels_avatar.media.sentences import split_sentences
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.media.voice import Voice, near_voices
from skyreels_avatar.media.writing import check_script

_MODEL = "kokoro"  # of `models pull`
_GRAPH = "onnx/model_quantized.onnx"
_STYLE = 256
_OWN_PITCH = 50.0
# The first letter of a voice: its tags, the language, the voice of espeak-ng that pronounces it,
# and how natural it sounds (distillMOS).
_LANGUAGES = {
    "a": (("en-us", "en"), "English (America)", "", 4.6),
    "b": (("en-gb",), "English (Great Britain)", "", 4.6),
    "e": (("es",), "Spanish (Spain)", "es", 4.2),
    "f": (("fr-fr", "fr"), "French (France)", "fr-fr", 4.7),
    "h": (("hi",), "Hindi", "hi", 3.0),
    "i": (("it",), "Italian", "it", 4.6),
    "p": (("pt-br",), "Portuguese (Brazil)", "pt-br", 3.6),
}
_SEX = {"f": "female", "m": "male"}
# The best of each language comes first: it speaks where only the language is asked for.
_NAMES = (
    "af_heart af_bella af_alloy af_aoede af_jessica af_kore af_nicole af_nova af_river af_sarah "
    "af_sky am_michael am_fenrir am_puck am_adam am_echo am_eric am_liam am_onyx am_santa bf_emma "
    "bf_alice bf_isabella bf_lily bm_george bm_fable bm_daniel bm_lewis ef_dora em_alex em_santa "
    "ff_siwis hf_alpha hf_beta hm_omega hm_psi if_sara im_nicola pf_dora pm_alex pm_santa"
)


class KokoroEngine:
    """Kokoro's voices of the languages that can be pronounced here."""

    def voices(self) -> tuple[Voice, ...]:
        """Return the voices, fetched or not."""
        has_graph = (models_folder() / _MODEL / _GRAPH).is_file()
        return tuple(
            Voice(
                name, tags, title, (), _SEX[name[1]], "kokoro", mos,
                here := has_graph and _style_path(name).is_file(),
                "" if here else f"skyreels-avatar models pull {_MODEL}",
            )
            for name in _NAMES.split()
            for tags, title, _, mos in [_LANGUAGES[name[0]]]
        )  # fmt: skip

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        """Speak a text; see `speech.speak`. The same text gives the same sound.

        Raises:
            InputError: there is no such voice, it is not fetched, it cannot read the text, or
                `pitch` was changed.
            CheckpointError: the weights are damaged.
            MissingExtraError: the extra `voice` is not installed.
        """
        name = voice.strip().lower()
        if name not in _NAMES.split():
            raise InputError(f"kokoro has no voice {voice!r}{near_voices(name, self.voices())}")
        graph = models_folder() / _MODEL / _GRAPH
        if not (graph.is_file() and _style_path(name).is_file()):
            raise InputError(
                f"the voice {name} is not installed; add it with: skyreels-avatar models pull "
                f"{_MODEL}"
            )
        if pitch != _OWN_PITCH:
            raise InputError(
                f"the voice {name} has a pitch of its own, give 50, got {pitch:g}; voices of "
                "espeak-ng take any"
            )
        check_script(text, _LANGUAGES[name[0]][0][0])
        network, styles = _network(graph), _styles(_style_path(name))
        tokens_name = next((one for one in network.inputs if one not in ("style", "speed")), "")

        def say(tokens: list[int]) -> tuple[np.ndarray, np.ndarray]:
            row = min(len(tokens) - 2, len(styles) - 1)
            inputs = {
                tokens_name: np.asarray([tokens], np.int64),
                "style": styles[row : row + 1],
                "speed": np.asarray([speed], np.float32),
            }
            sound, *_, durations = network.run(inputs, len(tokens))
            return np.asarray(sound, np.float32).reshape(-1), durations

        sentences = [_pronounced(words, name[0]) for words in split_sentences(text)]
        return speak_words(text, name, sentences, say)


def _pronounced(words: list[tuple[int, str]], language: str) -> list[PronouncedWord]:
    reader = _LANGUAGES[language][2]
    if reader:
        return espeak().pronounce(words, reader)
    return pronounce(words, british=language == "b")


def _style_path(name: str) -> Path:
    return models_folder() / _MODEL / "voices" / f"{name}.bin"


@functools.lru_cache(maxsize=1)
def _network(path: Path) -> PhonemeNetwork:
    return PhonemeNetwork(path)


@functools.lru_cache(maxsize=8)
def _styles(path: Path) -> np.ndarray:
    """Return the table of a voice, (rows, 256)."""
    values = np.fromfile(path, "<f4")
    if not values.size or values.size % _STYLE:
        raise CheckpointError(f"{path} is not a Kokoro voice; fetch it again")
    return values.reshape(-1, _STYLE)
