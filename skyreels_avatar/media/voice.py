"""What a voice is, what a speech engine can do, and near names for a voice that does not exist."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Protocol

from skyreels_avatar.media.spoken_text import SpokenText


@dataclass(frozen=True)
class Voice:
    """One voice that `speak` takes.

    Args:
        name: what to write, such as "de" or "en-us".
        languages: IETF language tags, the nearest first.
        title: the language in English.
        variants: timbres that may follow the name after a +, such as "f3".
        sex: "female" or "male"; "" where it is not known or a timbre decides.
        engine: that speaks it.
        mos: how natural it sounds, 1 to 5, as distillMOS rates it; None where nobody measured.
        installed: it can be used at once.
        install: the command that adds it where it is not installed.
    """

    name: str
    languages: tuple[str, ...]
    title: str
    variants: tuple[str, ...] = ()
    sex: str = ""
    engine: str = ""
    mos: float | None = None
    installed: bool = True
    install: str = ""

    def speaks(self, tag: str) -> bool:
        """Tell whether a language tag means the voice: "en" means one of "en-us", too."""
        return any(own == tag or own.startswith(f"{tag}-") for own in self.languages)


class SpeechEngine(Protocol):
    """What an engine can do."""

    def voices(self) -> tuple[Voice, ...]:
        """Return the voices, their names without the prefix of the engine."""
        ...

    def speak(self, text: str, voice: str, speed: float, pitch: float) -> SpokenText:
        """Speak a checked text; see `speech.speak`."""
        ...


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
    absent = {voice.name for voice in voices if not voice.installed}
    names.sort(key=lambda name: (name in absent, len(name)))
    hint = f"; did you mean {' or '.join(dict.fromkeys(names[:4]))}?" if names else ";"
    return f"{hint} `skyreels-avatar voices` or `sa.voices()` lists them all"
