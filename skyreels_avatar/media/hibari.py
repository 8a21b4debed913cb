"""hibari as a `SpeechEngine`: small English voices, the first of them inside the package.

The package `hibari-tts` comes with the extra `voice`; it and its voices, which were distilled from
Kokoro-82M, are Apache-2.0. It fetches no voice here: `models pull hibari-voices` does.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.errors import InputError, MissingExtraError, install_command
from skyreels_avatar.folders import models_folder
from skyreels_avatar.media.english import pronounce
from skyreels_avatar.media.phoneme_network import PhonemeNetwork, hibari_assets, speak_words
from skyreels_avatar.media.sentences import split_sentences
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.media.voice import Voice, near_voices
from skyreels_avatar.media.writing import check_script

_MODEL = "hibari-voices"  # of `models pull`
_INSIDE = "heart"
_MOS = {_INSIDE: 4.63}
_LANGUAGES = {
    "en-US": ("English (America)", ("en-us", "en")),
    "en-GB": ("English (Great Britain)", ("en-gb",)),
}
_OWN_PITCH = 50.0


class HibariEngine:
    """hibari's voices."""

    def voices(self) -> tuple[Voice, ...]:
        """Return the voices; without the package, the one that it would bring."""
        try:
            table = _table()
        except MissingExtraError:
            title, tags = _LANGUAGES["en-US"]
            extra = install_command("voice")
            return (
                Voice(_INSIDE, tags, title, (), "female", "hibari", _MOS[_INSIDE], False, extra),
            )
        return tuple(
            Voice(
                name, *_LANGUAGES[one["language"]][::-1], (), one["gender"], "hibari",
                _MOS.get(name), installed := _path(one).is_file(),
                "" if installed else f"skyreels-avatar models pull {_MODEL}",
            )
            for name, one in table.items()
            if one["language"] in _LANGUAGES
        )  # fmt: skip

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        """Speak a text; see `speech.speak`. The same text gives the same sound.

        Raises:
            InputError: there is no such voice, it is not installed or cannot read the text, or
                `pitch` was changed.
            MissingExtraError: hibari is not installed.
        """
        table = _table()
        name = voice.strip().lower()
        if name not in table:
            raise InputError(f"hibari has no voice {voice!r}{near_voices(name, self.voices())}")
        if not _path(table[name]).is_file():
            raise InputError(
                f"the voice {name} is not installed; add it with: skyreels-avatar models pull "
                f"{_MODEL}"
            )
        if pitch != _OWN_PITCH:
            raise InputError(
                f"the voice {name} has a pitch of its own, give 50, got {pitch:g}; espeak:en-us "
                "takes any"
            )
        check_script(text, "en")
        from hibari import dsp

        network = _network(_path(table[name]))
        rate = np.asarray([speed], np.float32)

        def say(tokens: list[int]) -> tuple[np.ndarray, np.ndarray]:
            inputs = {"ids": np.asarray([tokens], np.int64), "speed": rate}
            *spectra, durations = network.run(inputs, len(tokens))
            return dsp.synth(*(part[0] for part in spectra), np.random.default_rng(0)), durations

        british = table[name]["british"]
        sentences = [pronounce(words, british=british) for words in split_sentences(text)]
        return speak_words(text, name, sentences, say)


def _table() -> dict[str, Any]:
    """Return what hibari says of its voices, by their names."""
    return json.loads((hibari_assets() / "voices.json").read_text(encoding="utf-8"))


def _path(entry: dict[str, Any]) -> Path:
    if entry.get("bundled"):
        return hibari_assets() / entry["file"]
    return models_folder() / _MODEL / "voices" / entry["file"]


@functools.lru_cache(maxsize=2)
def _network(path: Path) -> PhonemeNetwork:
    return PhonemeNetwork(path)
