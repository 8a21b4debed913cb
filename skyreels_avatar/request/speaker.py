"""Speakers: which person in a picture has which voice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from skyreels_avatar.checks import check_fields, set_path, short_repr
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.image_decoding import PHOTO_SUFFIXES

_NUMBER = r"-?\d+(?:\.\d+)?"


@dataclass(frozen=True)
class Speaker:
    """A person in a picture and their voice.

    Args:
        name: any text; different for each speaker of a shot.
        face: a face's number (0 is the largest), a point "x,y" of it, its box "x,y,w,h", the file
            of a photo, or "auto".
        audio: the voice of this person alone; None = a silent listener.
    """

    name: str
    face: str = "auto"
    audio: str | Path | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("name", "face"):
            if not getattr(self, name):
                raise InputError(f"{name} of a speaker is text, got nothing")
        check_face(self.face)
        set_path(self, "audio")

    @classmethod
    def parse(cls, text: str) -> Speaker:
        """Return the speaker of "NAME=FACE,AUDIO"; after the last comma is the sound, or nothing.

        Raises:
            InputError: text of another form.
        """
        name, _, rest = text.partition("=")
        face, comma, audio = rest.rpartition(",")
        if not name.strip() or not comma or not face:
            raise InputError(
                "a speaker is NAME=FACE,AUDIO like anna=0,anna.wav or anna=10,20,80,90,anna.wav, "
                f"where nothing after the last comma is silence; got {text!r}"
            )
        return cls(name.strip(), face, Path(audio.strip()) if audio.strip() else None)


def check_face(face: str) -> None:
    """Refuse text that is not a face selector.

    Raises:
        InputError: neither "auto", nor a number, a point, a box or a photo.
    """
    text = face.strip()
    if text == "auto" or re.fullmatch(r"\d{1,3}", text):
        return
    if text.lower().endswith(PHOTO_SUFFIXES) or re.fullmatch(rf"{_NUMBER}\s*,\s*{_NUMBER}", text):
        return
    if re.fullmatch(rf"{_NUMBER}(\s*,\s*{_NUMBER}){{3}}", text):
        width, height = (float(part) for part in text.split(",")[2:])
        if width > 0 and height > 0:
            return
    raise InputError(
        "face must be auto, the number of a face like 2, a point x,y of it or its box x,y,w,h in "
        f"pixels, or the file of a photo, got {face!r}"
    )


def parse_speakers(given: object, face: str) -> tuple[Speaker, ...]:
    """Return the speakers of a shot from `Speaker`s or mappings of their fields.

    Args:
        face: that the shot asks for itself.

    Raises:
        InputError: they cannot be told apart, or something is not a speaker.
    """
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise InputError(f"speakers are a list, got {short_repr(given)}")
    speakers = tuple(one if isinstance(one, Speaker) else _from_mapping(one) for one in given)
    for what in ("name", "face"):
        values = [getattr(one, what) for one in speakers]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise InputError(f"every speaker has a {what} of its own, got {twice[0]!r} twice")
        if len(speakers) > 1 and what == "face" and "auto" in values:
            raise InputError("of several speakers each needs a face: a number or a box, not auto")
    if speakers and face != "auto":
        raise InputError(f"speakers say whose faces speak; leave out the face {face!r}")
    return speakers


def _from_mapping(values: object) -> Speaker:
    known = [item.name for item in fields(Speaker)]
    if not isinstance(values, Mapping) or "name" not in values or not set(values) <= set(known):
        raise InputError(
            f"a speaker has {', '.join(known)}, at least a name; got {short_repr(values)}"
        )
    return Speaker(**values)
