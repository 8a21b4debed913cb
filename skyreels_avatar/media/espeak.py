"""espeak-ng as a `SpeechEngine`: its voices by readable names, its words and phonemes in time.

The library and its voices come with the package `espeakng-loader` (extra `voice`).
"""

from __future__ import annotations

import difflib
import functools
import re
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from skyreels_avatar.errors import AvatarError, InputError, MissingExtraError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.espeak_library import EspeakLibrary, Utterance
from skyreels_avatar.media.phoneme_network import KOKORO_LETTERS, PronouncedWord
from skyreels_avatar.media.spoken_text import Phone, SpokenText
from skyreels_avatar.media.voice import Voice, near_voices
from skyreels_avatar.media.words import word_times
from skyreels_avatar.media.writing import check_script

_OWN_RATE = 170  # words a minute at speed 1
_OWN_PITCH = 50
_KOKORO_MARKS = ";:,.!?\u2014\u2026"


class Espeak:
    """One running espeak-ng; use `espeak()` to get the process's only one."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise MissingExtraError("espeakng-loader", "voice") from error
        self._library = EspeakLibrary(
            espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
        )
        self.sample_rate = self._library.sample_rate

    @functools.cached_property
    def voices(self) -> dict[str, Voice]:
        """The languages by their names, each with all timbres."""
        variants = tuple(
            sorted(record.rpartition("/")[2] for _, _, record in self._library.voices("variant"))
        )
        return {
            identifier.rpartition("/")[2].lower(): Voice(
                identifier.rpartition("/")[2].lower(), tags, title, variants
            )
            for title, tags, identifier in self._library.voices()
        }

    def identifier(self, name: str) -> str:
        """Return what the library calls a voice such as "en-gb+f3".

        Raises:
            InputError: there is no such language or timbre; near ones are named.
        """
        language, plus, variant = name.partition("+")
        language = language.strip().lower().replace("_", "-")
        if language not in self._identifiers:
            hint = near_voices(language, tuple(self.voices.values()))
            raise InputError(f"espeak-ng has no voice {name!r}{hint}")
        found = self._identifiers[language]
        if not plus:
            return found
        timbres = {timbre.lower(): timbre for timbre in next(iter(self.voices.values())).variants}
        if variant.strip().lower() not in timbres:
            near = difflib.get_close_matches(variant.strip().lower(), timbres, n=3) or ["f3", "m3"]
            raise InputError(
                f"espeak-ng has no timbre {variant!r} (voice {name!r}); did you mean "
                f"{' or '.join(near)}? the list of voices has them all"
            )
        return f"{found}+{timbres[variant.strip().lower()]}"

    def say(
        self,
        text: str,
        voice: str,
        rate: int = _OWN_RATE,
        pitch: int = _OWN_PITCH,
        pitch_range: int = 50,
    ) -> tuple[np.ndarray, list[Phone]]:
        """Speak a text quickly; what was said before changes the samples a little.

        Args:
            voice: language and variant, such as "de+f3".
            rate: words a minute, 80 to 450.
            pitch: 0 to 99. pitch_range: 0 (monotone) to 100.

        Returns:
            samples (S,) float32 in [-1, 1] at `sample_rate`, and the phonemes in order.
        """
        identifier = self.identifier(voice)
        said = self._library.say(text, identifier, int(rate), int(pitch), int(pitch_range))
        return _samples(_loaded(said, voice)), _phones(said)

    def say_in_new_process(self, text: str, voice: str, rate: int, pitch: int) -> SpokenText:
        """Speak a text; the same text always gives the same samples."""
        identifier = self.identifier(voice)
        try:
            said = self._library.say_in_new_process(text, identifier, rate, pitch, 50)
        except (OSError, RuntimeError) as error:
            raise AvatarError(
                f"espeak-ng failed at a text of {len(text)} characters: {error}"
            ) from error
        phones = _phones(_loaded(said, voice))
        if not any(phone.ipa for phone in phones):
            raise InputError(f"the voice {voice} finds nothing to say in {text[:40]!r}")
        words = word_times(text, said.marks, phones)
        audio = AudioTrack(_samples(said), self.sample_rate)
        return SpokenText(audio, words, tuple(phones), voice)

    def pronounce(self, words: Sequence[tuple[int, str]], voice: str) -> list[PronouncedWord]:
        """Return the words of a sentence in Kokoro's letters, each with its offset.

        Words that are run together ("of the") stand at the first of them.
        """
        sentence = " ".join(word for _, word in words)
        identifier = self.identifier(voice)
        said = self._library.say(sentence, identifier, _OWN_RATE, _OWN_PITCH, 50)
        said = _loaded(said, voice)
        starts = np.cumsum([0, *(len(word) + 1 for _, word in words[:-1])])
        phonemes = [""] * len(words)
        marks_s = [start_s for _, start_s in said.marks]
        for start_s, ipa in sorted(said.phonemes, key=lambda event: event[0]):
            mark = bisect_right(marks_s, start_s + 1e-6) - 1
            offset = said.marks[mark][0] if mark >= 0 else 0
            index = max(0, bisect_right(starts.tolist(), offset) - 1)
            if not ipa.startswith("("):  # a change of language
                phonemes[index] += _in_kokoro_letters(ipa)
        pronounced = []
        for (offset, word), letters in zip(words, phonemes):
            # A full stop inside a sentence is that of an abbreviation, and no pause.
            behind = _punctuation(word)
            kept = letters + (behind if offset == words[-1][0] else behind.replace(".", ""))
            if not kept.strip(_KOKORO_MARKS) and pronounced:
                pronounced[-1] = pronounced[-1]._replace(phonemes=pronounced[-1].phonemes + kept)
            elif kept:
                pronounced.append(PronouncedWord(offset, kept))
        return pronounced

    @functools.cached_property
    def _identifiers(self) -> dict[str, str]:
        """Every name of a language, and what the library calls its voice."""
        listed = self._library.voices()
        found = {tag: identifier for _, tags, identifier in reversed(listed) for tag in tags[1:]}
        found |= {tags[0]: identifier for _, tags, identifier in reversed(listed)}
        return found | {name: listed[i][2] for i, name in enumerate(self.voices)}


@functools.lru_cache(maxsize=1)
def espeak() -> Espeak:
    """Return the espeak-ng of this process, started at the first call."""
    return Espeak()


class EspeakEngine:
    """espeak-ng as a `SpeechEngine`."""

    def voices(self) -> tuple[Voice, ...]:
        """Return one voice a language."""
        return tuple(espeak().voices.values())

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        """Speak a text; see `speech.speak`."""
        speaker = espeak()
        speaker.identifier(voice)
        check_script(text, voice)
        return speaker.say_in_new_process(
            text, voice, round(_OWN_RATE * speed), min(round(pitch), 99)
        )


def _in_kokoro_letters(ipa: str) -> str:
    bare = ipa.lstrip("\u02c8\u02cc")
    return ipa[: len(ipa) - len(bare)] + KOKORO_LETTERS.get(bare, bare).replace("-", "")


def _punctuation(word: str) -> str:
    """Return the marks behind a word that make a pause, in Latin form."""
    latin = {"\u3002": ".", "\u0964": ".", "\uff0c": ",", "\uff01": "!", "\uff1f": "?"}
    behind = re.search(r"[^\w\s]*$", word)
    return "".join(c for c in (latin.get(c, c) for c in behind[0]) if c in _KOKORO_MARKS)


def _loaded(said: Utterance | None, voice: str) -> Utterance:
    if said is None:
        raise InputError(f"espeak-ng cannot load its voice {voice!r}; give another one")
    return said


def _samples(said: Utterance) -> np.ndarray:
    return np.frombuffer(said.pcm, np.int16).astype(np.float32) / 32768


def _phones(said: Utterance) -> list[Phone]:
    ordered = sorted(said.phonemes, key=lambda event: event[0])
    duration_s = len(said.pcm) / 2 / said.sample_rate
    ends = [start_s for start_s, _ in ordered[1:]] + [duration_s]
    return [
        Phone(ipa, start_s, end_s)
        for (start_s, ipa), end_s in zip(ordered, ends)
        if end_s > start_s and not ipa.startswith("(")
    ]
