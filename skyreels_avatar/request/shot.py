"""One take, checked: a picture or footage, a voice, a sentence, a camera move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skyreels_avatar.checks import (
    MAX_SEED,
    check_choice,
    check_fields,
    check_integer,
    check_number,
    set_path,
)
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.label import check_label
from skyreels_avatar.request.camera_move import CameraMove
from skyreels_avatar.request.camera_spec import CameraLike, parse_camera
from skyreels_avatar.request.motion_track import motion_path
from skyreels_avatar.request.separation import SEPARATIONS
from skyreels_avatar.request.speaker import Speaker, check_face, parse_speakers
from skyreels_avatar.request.style import STYLES, names_style_file

LENGTHS = ("audio", "video", "loop", "bounce", "remap", "silence")
KEEPS = {
    "lips": "only the mouth and the jaw may change",
    "face": "the face may change, the head stays",
    "none": "head and shoulders may move, too",
}
MAX_EXPRESSIVENESS = 200.0  # percent
GATES = ("auto", "off")
MAX_FADE_S = 10.0


@dataclass(frozen=True)
class Shot:
    """One take: a picture or a video, a voice, a sentence, a camera move.

    What is given is checked and kept in one form: a `Path`, a `CameraMove`, a tuple.

    Args:
        image: the portrait; or `video`, footage whose person is given new speech. One of the two.
        audio: the voice; None inside a Script that has a soundtrack. Where speakers have voices of
            their own, what the video plays instead of these together.
        prompt: how the person performs, in English.
        camera: "push_in:60" and the like, a `CameraMove`, or a list of keyframes: see `generate`.
        start_s, end_s: the piece of the sound that is used; None means from the beginning, to
            the end.
        seed: of this shot alone; None takes the request's.
        face: "auto", a face's number (0 is the largest), a point "x,y" of it or its box "x,y,w,h"
            in the picture, or the file of a photo of the person.
        negative_prompt: what should not be seen.
        keep: how much of a video may change: "lips", "face" or "none".
        length: what happens where a video and its new sound differ in length: "audio", "video",
            "loop", "bounce", "remap" or "silence".
        text: what is said, in place of `audio`; `voice` says it, a name that `voices` lists, None
            for American English.
        vocals: what moves the mouth in place of `audio`: the file of the voice alone, of the same
            length; or "on", the voice that is separated from `audio`, "auto", that voice where
            there is music, None or "off", `audio` itself.
        gate: "auto" rests the mouth where instruments play and nobody speaks or sings; "off".
        fade_s: in a film, how long the shot before is blended into this one, half of it on either
            side of where they meet; 0 is a cut.
        speakers: who speaks with which voice, in place of `face`; () = one person with `audio`.
        motion: a .json or .csv file of ARKit weights that is performed in place of what the
            networks make of voice and prompt; for a picture with one speaker.
        style: what kind of talker performs: "calm", "natural" or "lively"; seed, picture and voice
            draw one of that kind. Or the file of one person's style, a .safetensors that
            `python -m train style` learnt from videos of them.
        expressiveness: 0 to 200 percent: how far mouth, head and face move.
        watermark: whether the pixels carry an invisible watermark, which `verify` finds; a video
            has none: what may change of it is too small to hold one.
        label: words in a corner of the picture, such as "AI-generated"; None = none.
    """

    image: str | Path | None = None
    video: str | Path | None = None
    audio: str | Path | None = None
    prompt: str = ""
    camera: CameraLike = field(default_factory=CameraMove)
    start_s: float | None = None
    end_s: float | None = None
    seed: int | None = None
    face: str = "auto"
    negative_prompt: str = ""
    keep: str = "face"
    length: str = "audio"
    text: str | None = None
    voice: str | None = None
    vocals: str | Path | None = None
    gate: str = "auto"
    fade_s: float = 0.0
    speakers: Sequence[Speaker] = ()
    motion: str | Path | None = None
    style: str = "natural"
    expressiveness: float = 100.0
    watermark: bool = True
    label: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.style, Path):
            object.__setattr__(self, "style", str(self.style))
        check_fields(self)
        _check_sound(self)
        for name in ("image", "video", "audio", "motion"):
            set_path(self, name)
        if self.vocals == "off":
            object.__setattr__(self, "vocals", None)
        elif self.vocals not in SEPARATIONS:
            set_path(self, "vocals")
        _check_motion(self)
        check_choice("keep", self.keep, tuple(KEEPS))
        check_style(self.style)
        check_number("expressiveness", self.expressiveness, 0, MAX_EXPRESSIVENESS)
        check_choice("length", self.length, LENGTHS)
        if (self.image is None) == (self.video is None):
            raise InputError("a shot needs either an image or a video to start from, and not both")
        if self.label is not None:
            check_label(self.label)
        check_face(self.face)
        object.__setattr__(self, "speakers", parse_speakers(self.speakers, self.face))
        object.__setattr__(self, "camera", parse_camera(self.camera))
        if self.seed is not None:
            check_integer("seed", self.seed, 0, MAX_SEED)
        check_number("fade_s", self.fade_s, 0, MAX_FADE_S)
        start_s = 0.0 if self.start_s is None else self.start_s
        end_s = math.inf if self.end_s is None else self.end_s
        check_number("start_s", start_s, 0, math.inf)
        if not start_s < end_s:
            raise InputError(f"a shot must end after it starts, got {start_s:g} s to {end_s:g} s")

    @property
    def vocals_file(self) -> Path | None:
        """The file of the vocals; None where there is none, or they are separated here."""
        return None if self.vocals in SEPARATIONS else self.vocals

    @property
    def has_sound(self) -> bool:
        """Whether the shot brings a sound: its own, a text, or the voice of a speaker."""
        own = self.audio is not None or self.text is not None
        return own or any(speaker.audio for speaker in self.speakers)


def check_style(style: object) -> None:
    """Refuse a style that is neither a kind of talker nor the name of a person's file."""
    if not names_style_file(style):
        check_choice("style", style, (*STYLES, "the .safetensors file of a person's style"))


def _check_motion(shot: Shot) -> None:
    if shot.motion is None:
        return
    motion_path(shot.motion)
    if shot.image is None or len(shot.speakers) > 1:
        raise InputError(
            "a motion file is performed by one person in a picture; leave it out for a video and "
            "for several speakers",
            parameter="motion",
        )


def _check_sound(shot: Shot) -> None:
    for name in ("text", "voice"):
        value = getattr(shot, name)
        if value is not None and not value.strip():
            raise InputError(f"{name} of a shot must be words, got {value!r}")
    if shot.text is not None and shot.audio is not None:
        raise InputError("a shot has either audio or a text to say, and not both")
    if shot.voice is not None and shot.text is None:
        raise InputError(f"voice {shot.voice!r} has nothing to say; give a text with it")
    if shot.vocals not in (None, "off") and shot.text is not None:
        raise InputError("vocals belong to a sound, and a text is said without music; give one")
    if shot.gate not in GATES:
        raise InputError(f"gate must be {' or '.join(GATES)}, got {shot.gate!r}")
