"""What a user asks for, as checked values: shots, films of shots, and one generation request."""

from __future__ import annotations

import difflib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from skyreels_avatar.camera import moves
from skyreels_avatar.camera.moves import MOVES
from skyreels_avatar.checks import (
    check_fields,
    check_integer,
    check_number,
    check_word,
    set_path,
    shown,
)
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.memory import parse_memory
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.media.subtitles import subtitle_path
from skyreels_avatar.media.video import exact_fps
from skyreels_avatar.request.camera_move import CameraMove
from skyreels_avatar.request.motion_track import motion_path
from skyreels_avatar.request.speaker import Speaker, check_face, checked_speakers

MAX_SEED = 2**63 - 1
MAX_STEPS = 1000
MAX_GUIDANCE = 100.0
LENGTHS = ("audio", "video", "loop", "bounce", "remap", "silence")
KEEPS = {
    "lips": "only the mouth and the jaw may change",
    "face": "the face may change, the head stays",
    "none": "head and shoulders may move, too",
}
GATES = ("auto", "off")
MAX_FADE_S = 10.0
WINDOWS = ("overlap", "keyframes")


@dataclass(frozen=True)
class CameraKeyframe:
    """A camera move that begins at a time of the shot, in seconds."""

    time_s: float
    move: CameraMove

    def __post_init__(self) -> None:
        check_number("time_s of a camera keyframe", self.time_s, 0, math.inf)


Camera = moves.CameraMove | tuple[CameraKeyframe, ...]
CameraLike = str | moves.CameraMove | Mapping[str, Any] | Sequence[Any]  # see `parse_camera`


def parse_camera(value: object) -> Camera:
    """Return a camera move, or the keyframes of several, from any of the ways to write them.

    Args:
        value: "push_in:60", "static", a CameraMove, {"move": "push_in", "strength": 0.6}, or a
            list of keyframes: CameraKeyframe, (time_s, move), (time_s, move, strength 0 to 1), or
            {"time_s": 2, "move": "swing", "strength": 0.3}.

    Raises:
        InputError: unknown move (near names are suggested), strength outside 0 to 100 %, or
            times that do not rise.
    """
    if isinstance(value, (str, moves.CameraMove, Mapping)):
        return _parse_move(value)
    if not isinstance(value, Sequence) or not value:
        raise InputError(
            f"camera must be MOVE:PERCENT, a CameraMove or a list of keyframes, got {shown(value)}"
        )
    keyframes = tuple(_parse_keyframe(item) for item in value)
    times = [keyframe.time_s for keyframe in keyframes]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise InputError(f"the times of camera keyframes must rise, got {times}")
    return keyframes


@dataclass(frozen=True)
class Shot:
    """One take: a picture or a video, a voice, a sentence, a camera move.

    What is given is checked and kept in one form: a `Path`, a `CameraMove`, a tuple.

    Args:
        image: the portrait; or `video`, footage whose person is to speak anew. One of the two.
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
        vocals: what moves the mouth in place of `audio`: the voice alone, of the same length, such
            as a source separator makes of a song.
        gate: "auto" rests the mouth where instruments play and nobody speaks or sings; "off".
        fade_s: in a film, how long the shot before is blended into this one, half of it on either
            side of where they meet; 0 is a cut.
        speakers: who speaks with which voice, in place of `face`; () = one person with `audio`.
        motion: a .json or .csv file of ARKit weights that is performed in place of what the
            networks make of voice and prompt; for a picture with one speaker.
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

    def __post_init__(self) -> None:
        check_fields(self)
        _check_sound(self)
        for name in ("image", "video", "audio", "vocals", "motion"):
            set_path(self, name)
        _check_motion(self)
        check_word("keep", self.keep, tuple(KEEPS))
        check_word("length", self.length, LENGTHS)
        if (self.image is None) == (self.video is None):
            raise InputError("a shot needs either an image or a video to start from, and not both")
        check_face(self.face)
        object.__setattr__(self, "speakers", checked_speakers(self.speakers, self.face))
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
    def has_sound(self) -> bool:
        """Whether the shot brings a sound: its own, a text, or the voice of a speaker."""
        own = self.audio is not None or self.text is not None
        return own or any(speaker.audio for speaker in self.speakers)


@dataclass(frozen=True)
class SamplingParams:
    """How the diffusion model is asked; None takes the tier's own default.

    Args:
        num_inference_steps: 1 to 1000.
        guidance_scale: weight of the prompt, 1 means off.
        audio_guidance_scale: weight of the voice, 1 means off.
        seed: same seed, same machine, same version: the same frames.
    """

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    audio_guidance_scale: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.num_inference_steps is not None:
            check_integer("steps", self.num_inference_steps, 1, MAX_STEPS)
        for name in ("guidance_scale", "audio_guidance_scale"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0, MAX_GUIDANCE)
        check_integer("seed", self.seed, 0, MAX_SEED)


@dataclass(frozen=True)
class Script:
    """A film: shots in order over one soundtrack, all of one size and rate.

    Args:
        shots: with a soundtrack, `start_s` and `end_s` of a shot are times of it; shots without
            times follow each other and share what is left. A shot with `audio` of its own lasts as
            long as that, `start_s` and `end_s` are times of it, and it sounds over the soundtrack.
        soundtrack: one sound from the first shot to the last, which they speak or sing.
        height, width: of the film in pixels, even.
        fps: frames per second, 1 to 120.
    """

    shots: Sequence[Shot]
    soundtrack: str | Path | None = None
    height: int = 512
    width: int = 512
    fps: float = 25.0

    def __post_init__(self) -> None:
        check_fields(self)
        if isinstance(self.shots, (str, Mapping)) or not isinstance(self.shots, Sequence):
            raise InputError(f"shots must be a list, got {shown(self.shots)}")
        shots = tuple(
            shot if isinstance(shot, Shot) else _from_dict(Shot, shot) for shot in self.shots
        )
        object.__setattr__(self, "shots", shots)
        set_path(self, "soundtrack")
        if not self.shots:
            raise InputError("a script needs at least one shot")
        fit_size(self.height, self.width, f"{self.width}x{self.height}")
        exact_fps(check_number("fps", self.fps, -math.inf, math.inf))
        for number, shot in enumerate(self.shots, start=1):
            if not shot.has_sound and self.soundtrack is None:
                raise InputError(
                    f"shot {number} has no audio and no text, and the script has no soundtrack"
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Script:
        """Build from plain values, the inverse of `to_dict`; unknown keys are errors."""
        return _from_dict(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold."""
        return _to_plain(self)


@dataclass(frozen=True)
class GenerationRequest:
    """One video to make: a shot, where it goes, and how.

    Args:
        output: ends in .mp4.
        tier: the name of a file in configs/, or the path of a yaml file.
        size: "512x512" (WIDTHxHEIGHT), "480p", "720p", or None for the picture's own aspect.
        fps: frames per second of the video, 1 to 120.
        subtitles: a file for the shot's text, .srt, .vtt, .lrc or .json; "srt" alone and its like
            mean beside the video.
        cuts: frames before which the video can later be cut without encoding it again.
        windows: how a long shot is cut: "overlap", each window goes on from the one before, or
            "keyframes", windows between key frames, which can be made side by side.
        memory: of a GPU that may be taken: "auto", "full" or like "24gb"; None = the tier's own.
        save_motion: a .json or .csv file for the performance, as ARKit weights.
    """

    shot: Shot
    output: str | Path
    tier: str = "nano"
    size: str | None = None
    fps: float = 25.0
    sampling: SamplingParams = field(default_factory=SamplingParams)
    subtitles: str | Path | None = None
    cuts: Sequence[int] = ()
    windows: str = "overlap"
    memory: str | None = None
    save_motion: str | Path | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        set_path(self, "output")
        set_path(self, "save_motion")
        if self.save_motion is not None:
            motion_path(self.save_motion)
        set_path(self, "subtitles")
        check_word("windows", self.windows, WINDOWS)
        for name, cls in (("shot", Shot), ("sampling", SamplingParams)):
            value = getattr(self, name)
            if not isinstance(value, cls):
                object.__setattr__(self, name, _from_dict(cls, value))
        if self.output is None or self.output.suffix.lower() != ".mp4":
            raise InputError(f"the output must end in .mp4, got {self.output}")
        if not self.shot.has_sound:
            raise InputError("no sound was given; give audio (a sound file) or text (to be said)")
        if self.subtitles is not None:
            if self.shot.text is None:
                raise InputError("subtitles come from the text that is said; give a text")
            object.__setattr__(self, "subtitles", subtitle_path(self.subtitles, self.output))
        if not self.tier:
            raise InputError("tier must be a name or the path of a yaml file, got nothing")
        fit_size(512, 512, self.size)
        if self.memory is not None:
            parse_memory(self.memory)
        if not isinstance(self.cuts, (list, tuple)):
            raise InputError(f"cuts must be a list of frames, got {shown(self.cuts)}")
        object.__setattr__(self, "cuts", tuple(self.cuts))
        for cut in self.cuts:
            check_integer("a cut", cut, 0, MAX_SEED)
        exact_fps(check_number("fps", self.fps, -math.inf, math.inf))

    @property
    def seed(self) -> int:
        """The seed in force: the shot's own, else that of `sampling`."""
        return self.sampling.seed if self.shot.seed is None else self.shot.seed

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GenerationRequest:
        """Build from plain values, the inverse of `to_dict`; unknown keys are errors."""
        return _from_dict(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold."""
        return _to_plain(self)


def _parse_move(value: object) -> CameraMove:
    if isinstance(value, moves.CameraMove):
        return value
    try:
        if isinstance(value, str):
            _check_move_name(value.partition(":")[0].strip())
            return CameraMove.parse(value)
        values = dict(value)
        values["name"] = values.pop("move", values.pop("name", "static"))
        _check_move_name(values["name"])
        return CameraMove(**values)
    except TypeError as error:
        raise InputError(
            f"a camera move has move, strength, ease, seed and absolute, got {shown(value)}"
        ) from error
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(str(error)) from error


def _parse_keyframe(item: object) -> CameraKeyframe:
    if isinstance(item, CameraKeyframe):
        return item
    if isinstance(item, Mapping):
        values = dict(item)
        time_s = values.pop("time_s", None)
        return CameraKeyframe(time_s, _parse_move(values))
    if isinstance(item, Sequence) and not isinstance(item, str) and len(item) in (2, 3):
        move = item[1] if len(item) == 2 else {"move": item[1], "strength": item[2]}
        return CameraKeyframe(item[0], _parse_move(move))
    raise InputError(
        f"a camera keyframe is (time_s, move) or (time_s, move, strength), got {shown(item)}"
    )


def _check_move_name(name: object) -> None:
    if isinstance(name, str) and name in MOVES:
        return
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), MOVES, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    known = f"{hint or ';'} the moves are {', '.join(MOVES)}"
    raise InputError(f"unknown camera move {shown(name)}{known}")


def _check_sound(shot: Shot) -> None:
    for name in ("text", "voice"):
        value = getattr(shot, name)
        if value is not None and not value.strip():
            raise InputError(f"{name} of a shot must be words, got {value!r}")
    if shot.text is not None and shot.audio is not None:
        raise InputError("a shot has either audio or a text to say, and not both")
    if shot.voice is not None and shot.text is None:
        raise InputError(f"voice {shot.voice!r} has nothing to say; give a text with it")
    if shot.vocals is not None and shot.text is not None:
        raise InputError("vocals belong to a sound, and a text is said without music; give one")
    if shot.gate not in GATES:
        raise InputError(f"gate must be {' or '.join(GATES)}, got {shot.gate!r}")


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


def _from_dict(cls: type, values: object) -> Any:
    if not isinstance(values, Mapping):
        raise InputError(f"a {cls.__name__} is a mapping of names to values, got {shown(values)}")
    known = {item.name: item for item in fields(cls)}
    if unknown := sorted(str(key) for key in values if key not in known):
        named = ", ".join(shown(key).strip("'") for key in unknown[:5])
        raise InputError(f"unknown in a {cls.__name__}: {named}; known are {', '.join(known)}")
    required = [
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING and name not in values
    ]
    if required:
        raise InputError(f"a {cls.__name__} needs {', '.join(required)}")
    return cls(**values)


def _to_plain(value: object) -> Any:
    if isinstance(value, moves.CameraMove):
        plain = {item.name: getattr(value, item.name) for item in fields(value)}
        return {"move": plain.pop("name"), **plain}
    if isinstance(value, CameraKeyframe):
        return {"time_s": value.time_s, **_to_plain(value.move)}
    if isinstance(value, (Shot, Speaker, Script, GenerationRequest, SamplingParams)):
        return {item.name: _to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def to_json(value: Script | GenerationRequest) -> str:
    """Return the script or request as JSON text, which is YAML, too."""
    return json.dumps(value.to_dict(), indent=2, ensure_ascii=False)
