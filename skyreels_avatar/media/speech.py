"""Text to speech: `SpokenText`, a sound whose words and phonemes know their times.

An engine turns text into sound. A voice is called `engine:voice`, or without prefix a voice of
espeak-ng, which is offline and speaks some 120 languages: `en-us`, `de`, `cmn`, and with another
talker's timbre `en-us+f3`. `vits:` are neural voices, see `vits.py`. Packages add engines of their
own through the entry point group `skyreels_avatar.speech`: a callable without arguments that
returns a `SpeechEngine`.
"""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import math
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.files import existing_file

DEFAULT_VOICE = "en-us"
MIN_SPEED, MAX_SPEED = 0.5, 2.5
MAX_PITCH = 100.0
MAX_CHARACTERS = 150_000  # some three hours, within what an `AudioTrack` may be
ENTRY_POINTS = "skyreels_avatar.speech"
_OWN_ENGINES = ("espeak", "vits")


@dataclass(frozen=True)
class Phone:
    """One phoneme: IPA text with stress marks ("" = silence), start and end in seconds."""

    ipa: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class SpokenWord:
    """One word as it is written, punctuation included, and when it sounds, in seconds.

    Args:
        glued: no space stands before it in the text, as between Chinese characters.
    """

    text: str
    start_s: float
    end_s: float
    glued: bool = False


@dataclass(frozen=True, eq=False)
class SpokenText:
    """A text that was spoken.

    Args:
        audio: the sound.
        words: in order; together they are the text.
        phonemes: in order, without gap; empty where the engine does not tell.
        voice: whose name `find_voice` knows.
    """

    audio: AudioTrack
    words: tuple[SpokenWord, ...]
    phonemes: tuple[Phone, ...]
    voice: str

    def __repr__(self) -> str:
        return f"SpokenText({self.voice!r}, {len(self.words)} words, {self.audio.duration_s:.2f} s)"

    def cut(self, start_s: float | None = None, end_s: float | None = None) -> SpokenText:
        """Return the piece from `start_s` to `end_s` with the words that sound in it."""
        audio = self.audio.cut(start_s, end_s)
        first_s = start_s or 0.0
        last_s = first_s + audio.duration_s

        def moved(item: SpokenWord | Phone) -> SpokenWord | Phone:
            times = (min(max(t, first_s), last_s) - first_s for t in (item.start_s, item.end_s))
            return replace(item, **dict(zip(("start_s", "end_s"), times)))

        words, phonemes = (
            tuple(moved(x) for x in items if x.end_s > first_s and x.start_s < last_s)
            for items in (self.words, self.phonemes)
        )
        return SpokenText(audio, words, phonemes, self.voice)


@dataclass(frozen=True)
class Voice:
    """One voice that `speak` takes.

    Args:
        name: what to write, such as "de" or "en-us".
        languages: IETF language tags, the nearest first.
        title: the language in English.
        variants: timbres that may follow the name after a +, such as "f3".
    """

    name: str
    languages: tuple[str, ...]
    title: str
    variants: tuple[str, ...] = ()


class SpeechEngine(Protocol):
    """What an engine can do."""

    def voices(self) -> tuple[Voice, ...]:
        """Return the voices that can be used at once, their names without the engine's prefix."""
        ...

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        """Speak a checked text; see `speak`."""
        ...


def speak(
    text: str, voice: str = DEFAULT_VOICE, *, speed: float = 1.0, pitch: float = 50.0
) -> SpokenText:
    """Return a text as sound, with the times of its words and phonemes.

    Args:
        text: in the language of the voice; punctuation makes pauses, numbers are read out.
        voice: see the module's docstring; `list_voices` names them.
        speed: 0.5 to 2.5 times the voice's own.
        pitch: 0 (low) to 100 (high); 50 is the voice's own.

    Raises:
        InputError: nothing to say, an unknown voice, or a script that the voice cannot read.
        MissingExtraError: the engine's package is not installed.
    """
    _check_range("speed", speed, MIN_SPEED, MAX_SPEED)
    _check_range("pitch", pitch, 0.0, MAX_PITCH)
    engine, name = find_voice(voice)
    return engine.speak(_speakable(text), name, speed, pitch)


def list_voices(language: str | None = None) -> tuple[Voice, ...]:
    """Return the voices of all engines that are installed, as `speak` takes them.

    Args:
        language: a tag such as "de" or "pt-br"; "en" finds "en-us", too. None means all.

    Raises:
        InputError: no voice speaks that language; near ones are named.
        MissingExtraError: no engine is installed.
    """
    found = list(_engine("espeak").voices())
    for name in engine_names():
        if name not in _OWN_ENGINES:
            found += [
                Voice(f"{name}:{voice.name}", voice.languages, voice.title, voice.variants)
                for voice in _engine(name).voices()
            ]
    if language is None:
        return tuple(found)
    wanted = language.strip().lower().replace("_", "-")
    spoken = tuple(
        voice
        for voice in found
        if any(tag == wanted or tag.startswith(f"{wanted}-") for tag in voice.languages)
    )
    if not spoken:
        raise InputError(f"no voice speaks {language!r}{near_voices(wanted, found)}")
    return spoken


def find_voice(name: str) -> tuple[SpeechEngine, str]:
    """Return the engine of a voice and what the voice is called there.

    Raises:
        InputError: there is no such engine; whether it has the voice, the engine says.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"voice must be a name such as {DEFAULT_VOICE}, got {name!r}")
    prefix, colon, rest = name.strip().partition(":")
    if not colon:
        return _engine(_OWN_ENGINES[0]), prefix
    if prefix not in engine_names():
        raise InputError(
            f"unknown speech engine {prefix!r} in voice {name!r}; the engines here are "
            f"{', '.join(engine_names())}"
        )
    return _engine(prefix), rest


def engine_names() -> tuple[str, ...]:
    """Return the names that may stand before the colon of a voice."""
    added = {point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    return *_OWN_ENGINES, *sorted(added - set(_OWN_ENGINES))


def near_voices(name: str, voices: list[Voice] | tuple[Voice, ...]) -> str:
    """Return the end of a message about an unknown voice: near names, and where all of them are."""
    wanted = name.lower()
    first = re.split(r"[-_]", wanted)[0]
    titles = {voice.name: re.findall(r"\w+", voice.title.lower()) for voice in voices}
    names = [voice for voice, words in titles.items() if words[0] == wanted]
    names = names or [voice for voice, words in titles.items() if wanted in words]
    names = names or [
        voice.name for voice in voices if any(tag.split("-")[0] == first for tag in voice.languages)
    ]
    if not names:
        tags = {tag: voice.name for voice in voices for tag in (*voice.languages, voice.name)}
        tags |= {words[0]: voice for voice, words in titles.items()}
        names = [tags[tag] for tag in difflib.get_close_matches(wanted, tags, n=3, cutoff=0.6)]
    names.sort(key=len)
    hint = f"; did you mean {' or '.join(dict.fromkeys(names[:4]))}?" if names else ";"
    return f"{hint} `skyreels-avatar voices` or `sa.voices()` lists them all"


def read_text(path: str | Path) -> str:
    """Return what a text file holds (UTF-8).

    Raises:
        MediaError: there is no such file, or it is no text.
    """
    path = existing_file(path, "text")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} is no text in UTF-8: {error}; save it as UTF-8") from error


def _engine(name: str) -> SpeechEngine:
    if name == "espeak":
        from skyreels_avatar.media.espeak import EspeakEngine

        return EspeakEngine()
    if name == "vits":
        from skyreels_avatar.media.vits import VitsEngine

        return VitsEngine()
    return _added_engine(name)


@functools.lru_cache
def _added_engine(name: str) -> SpeechEngine:
    (point,) = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    return point.load()()


def _speakable(text: object) -> str:
    """Return a text in composed form, without control characters."""
    if not isinstance(text, str):
        raise InputError(f"the text to say must be text, got {text!r}")
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"the text has {len(text)} characters, at most {MAX_CHARACTERS} are spoken at once; "
            "split it"
        )
    text = unicodedata.normalize("NFC", text)
    kept = (" " if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)
    text = "".join(kept).strip()
    if not any(unicodedata.category(c)[0] in "LNS" for c in text):
        raise InputError(f"there is nothing to say in the text {text[:40]!r}; give some words")
    return text


def _check_range(name: str, value: object, low: float, high: float) -> None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not usable or not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"{name} must be between {low:g} and {high:g}, got {value!r}")
