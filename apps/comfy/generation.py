"""From the fields of a node to calls of SkyReels Avatar."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import skyreels_avatar as sa

DEFAULT_VOICE = "default"
MAX_SEED = 2**53 - 1  # what JavaScript counts exactly; the library takes more
_NUMBER = r"\d+(\.\d+)?"
_FACE = re.compile(rf"auto|\d{{1,3}}|{_NUMBER}\s*,\s*{_NUMBER}(\s*,\s*{_NUMBER}\s*,\s*{_NUMBER})?")


def sound_arguments(audio: object | None, text: str, voice: str) -> dict[str, str]:
    """Return the arguments of a text to say; nothing where a sound is given.

    Raises:
        InputError: a sound and a text, or neither.
    """
    has_text = bool(text.strip())
    if audio is not None and has_text:
        raise sa.InputError(
            "audio is connected, and there is a text to say: give one of them; disconnect audio, "
            "or clear the text"
        )
    if audio is None and not has_text:
        raise sa.InputError("nobody speaks yet: connect audio, or write a text to say")
    if not has_text:
        return {}
    chosen = {} if voice == DEFAULT_VOICE else {"voice": voice}
    return {"text": text, **chosen}


def sampling_arguments(
    steps: int, guidance_scale: float, audio_guidance_scale: float
) -> dict[str, Any]:
    """Return the arguments of sampling that are not left to the tier, which 0 does."""
    given = {
        "steps": steps,
        "guidance_scale": guidance_scale,
        "audio_guidance_scale": audio_guidance_scale,
    }
    return {name: value for name, value in given.items() if value}


def checked_face(face: str) -> str:
    """Return which face is meant. A workflow may come from anywhere, so it names no file.

    Raises:
        InputError: it is none of the ways to name one.
    """
    text = face.strip() or "auto"
    if not _FACE.fullmatch(text):
        raise sa.InputError(
            "face must be auto, the number of a face (0 is the largest), a point x,y of it or its "
            f"box x,y,width,height in pixels, got {face!r}"
        )
    return text


@cache
def speech_voices() -> tuple[str, ...]:
    """Return the installed voices after that of American English, the natural ones first."""
    try:
        voices = [voice for voice in sa.voices() if voice.installed]
    except sa.AvatarError:  # no engine is installed: the node that speaks says how to add one
        voices = []
    voices.sort(key=lambda voice: voice.mos is None)
    return DEFAULT_VOICE, *(voice.name for voice in voices)


def memory_mb(tier: str, height: int, width: int) -> float:
    """Return how much memory a tier takes for a size of video; it does not grow with the length."""
    example = {"image": sa.example_path("portrait.png"), "audio": sa.example_path("speech.wav")}
    return sa.plan(**example, tier=tier, size=size_argument((width, height))).memory_mb


def camera_keyframes(
    before: tuple[sa.CameraKeyframe, ...] | None, move: sa.CameraMove, start_s: float
) -> tuple[sa.CameraKeyframe, ...]:
    """Return the moves of a shot with one more at the end.

    Raises:
        InputError: it begins no later than the one before.
    """
    if before and start_s <= before[-1].time_s:
        raise sa.InputError(
            f"this move begins at {start_s:g} s, and the one before it at "
            f"{before[-1].time_s:g} s; set a later start_s"
        )
    return (*(before or ()), sa.CameraKeyframe(start_s, move))


def camera_argument(keyframes: tuple[sa.CameraKeyframe, ...] | None) -> Any:
    """Return the argument `camera`: one move from the beginning on needs no keyframes."""
    if not keyframes:
        return "static"
    if len(keyframes) == 1 and keyframes[0].time_s == 0:
        return keyframes[0].move
    return list(keyframes)


def size_argument(size: tuple[int, int] | None) -> str | None:
    """Return the argument `size` of (width, height)."""
    return None if size is None else f"{size[0]}x{size[1]}"
