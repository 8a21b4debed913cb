"""Text to speech: a text and a voice become a `SpokenText`.

A voice is named by itself (`heart`, `ff_siwis`), by its language (`en-us`, `fr`, `de`: the most
natural voice of it that is installed, espeak-ng's where there is no other) or as `engine:voice`:
`espeak:fr`, `vits:deu`. Names with a timbre, such as `de+f3`, are espeak-ng's. Packages add engines
of their own through the entry point group `skyreels_avatar.speech`: a callable without arguments
that returns a `SpeechEngine`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import math
import unicodedata
from dataclasses import replace
from pathlib import Path

from skyreels_avatar.errors import InputError, MediaError, MissingExtraError
from skyreels_avatar.media.espeak import EspeakEngine
from skyreels_avatar.media.files import existing_file
from skyreels_avatar.media.hibari import HibariEngine
from skyreels_avatar.media.kokoro import KokoroEngine
from skyreels_avatar.media.spoken_text import Phone, SpokenText, SpokenWord
from skyreels_avatar.media.vits import VitsEngine
from skyreels_avatar.media.voice import SpeechEngine, Voice, near_voices

__all__ = [
    "DEFAULT_VOICE", "Phone", "SpeechEngine", "SpokenText", "SpokenWord", "Voice", "engine_names",
    "find_voice", "list_voices", "read_text", "speak",
]  # fmt: skip

logger = logging.getLogger(__name__)

DEFAULT_VOICE = "en-us"
MIN_SPEED, MAX_SPEED = 0.5, 2.5
MAX_PITCH = 100.0
MAX_CHARACTERS = 150_000  # some three hours, within what an `AudioTrack` may be
ENTRY_POINTS = "skyreels_avatar.speech"
# The first two have voices with names of their own, the better one first.
_ENGINES: dict[str, type[SpeechEngine]] = {
    "hibari": HibariEngine,
    "kokoro": KokoroEngine,
    "espeak": EspeakEngine,
    "vits": VitsEngine,
}
_NATURAL = ("hibari", "kokoro")


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
    text = _checked_text(text)
    if engine == "espeak" and name == voice.strip() and "+" not in name:
        _warn_synthetic(name)
    spoken = _engine(engine).speak(text, name, speed, pitch)
    return replace(spoken, voice=_full_name(engine, name))


def list_voices(language: str | None = None) -> tuple[Voice, ...]:
    """Return the voices of all engines, as `speak` takes them, those not installed too.

    Args:
        language: a tag such as "de" or "pt-br"; "en" finds "en-us", too. None means all.

    Raises:
        InputError: no voice speaks that language; near ones are named.
        MissingExtraError: no engine is installed.
    """
    found: list[Voice] = []
    missing: MissingExtraError | None = None
    for engine in engine_names():
        try:
            voices = _engine(engine).voices()
        except MissingExtraError as error:
            missing = error
            continue
        found += [replace(v, name=_full_name(engine, v.name), engine=engine) for v in voices]
    if missing and not any(voice.installed for voice in found):
        raise missing
    if language is None:
        return tuple(found)
    wanted = _tag(language)
    spoken = tuple(voice for voice in found if voice.speaks(wanted))
    if not spoken:
        raise missing or InputError(f"no voice speaks {language!r}{near_voices(wanted, found)}")
    return spoken


def find_voice(name: str) -> tuple[str, str]:
    """Return the engine of a voice and what the voice is called there.

    Raises:
        InputError: there is no such engine or no such voice; whether `engine:voice` exists, the
            engine says.
        MissingExtraError: no engine that speaks the language is installed.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"voice must be a name such as {DEFAULT_VOICE}, got {name!r}")
    prefix, colon, rest = name.strip().partition(":")
    if colon:
        if prefix not in engine_names():
            raise InputError(
                f"unknown speech engine {prefix!r} in voice {name!r}; the engines here are "
                f"{', '.join(engine_names())}"
            )
        return prefix, rest
    if "+" in prefix:
        return "espeak", prefix
    tag = _tag(prefix)
    natural = _natural_voices()
    spoken = [voice for voice in natural if tag in voice.languages]
    named = [voice for voice in natural if _tag(voice.name) == tag]
    chosen = named or [voice for voice in spoken if voice.installed]
    if not chosen:
        try:
            synthetic = _engine("espeak").voices()
        except MissingExtraError:
            if not spoken:
                raise
            chosen = spoken  # its engine says what to install
        else:
            if any(tag in (voice.name, *voice.languages) for voice in synthetic):
                return "espeak", prefix
            raise InputError(f"there is no voice {name!r}{near_voices(tag, list_voices())}")
    return chosen[0].engine, chosen[0].name


def engine_names() -> tuple[str, ...]:
    """Return the names that may stand before the colon of a voice."""
    added = {point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    return *_ENGINES, *sorted(added - set(_ENGINES))


def read_text(path: str | Path) -> str:
    """Return what a text file holds (UTF-8).

    Raises:
        MediaError: there is no such file, or it is not a text.
    """
    path = existing_file(path, "text")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} is not UTF-8 text: {error}; save it as UTF-8") from error


def _engine(name: str) -> SpeechEngine:
    return _ENGINES[name]() if name in _ENGINES else _added_engine(name)


def _natural_voices() -> list[Voice]:
    return [voice for engine in _NATURAL for voice in _engine(engine).voices()]


def _tag(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _full_name(engine: str, name: str) -> str:
    return name if engine in _NATURAL else f"{engine}:{name}"


@functools.lru_cache
def _warn_synthetic(name: str) -> None:
    """Say once that a language is spoken by espeak-ng, and what would sound natural."""
    better = [voice for voice in _natural_voices() if _tag(name) in voice.languages]
    hint = f"a natural voice: {better[0].install}" if better else "it has no natural voice here"
    logger.warning("espeak-ng, which sounds synthetic, speaks %s; %s", name, hint)


@functools.lru_cache
def _added_engine(name: str) -> SpeechEngine:
    (point,) = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    return point.load()()


def _checked_text(text: object) -> str:
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
