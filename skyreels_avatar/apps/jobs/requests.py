"""Turn the values of a job into requests of the package; the same code checks and does them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.model_hub import check_models
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.outputs import input_files
from skyreels_avatar.media.video_stream import scan_video
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot

_SHOT_FIELDS = ("prompt", "negative_prompt", "text", "style", "expressiveness", "gate")


def generation_request(values: Mapping[str, Any], output: Path) -> GenerationRequest:
    """Return the request of a generate job, its uploads being paths.

    Raises:
        InputError: a value cannot be used.
    """
    shot = Shot(
        image=values["image"], audio=values.get("audio"), camera=values.get("camera", "static"),
        face=_face(values), start_s=values.get("audio_start"), end_s=values.get("audio_end"),
        **voice_name(values, "voice"), **_given(values, _SHOT_FIELDS),
    )  # fmt: skip
    return GenerationRequest(
        shot, output, fps=values.get("fps", 25.0), sampling=_sampling(values),
        **_given(values, ("tier", "size", "windows")),
    )  # fmt: skip


def retalk_request(values: Mapping[str, Any], output: Path) -> GenerationRequest:
    """Return the request of a retalk job, its uploads being paths.

    Raises:
        InputError: a value cannot be used, or the video cannot be read.
    """
    shot = Shot(
        video=values["video"], audio=values.get("audio"), face=_face(values),
        start_s=values.get("audio_start"), end_s=values.get("audio_end"),
        **voice_name(values, "voice"), **_given(values, (*_SHOT_FIELDS, "keep", "length")),
    )  # fmt: skip
    rate = values.get("fps") or float(scan_video(values["video"]).timeline.rate)
    return GenerationRequest(
        shot, output, fps=rate, sampling=_sampling(values), **_given(values, ("tier",))
    )


def voice_name(values: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return the argument that names a voice: the one given, else one of the language."""
    name = values.get("voice") or values.get("language")
    return {key: name} if name and values.get("text") else {}


def _face(values: Mapping[str, Any]) -> str:
    """Return the selector of a face: as given, or a point in parts of the picture's size."""
    face = values.get("face", "auto")
    if not isinstance(face, Mapping):
        return str(face)
    width, height = _size_of(values.get("image") or values["video"], "image" in values)
    return f"{face['x'] * width:.1f},{face['y'] * height:.1f}"


def _size_of(path: Path, is_image: bool) -> tuple[int, int]:
    if is_image:
        from skyreels_avatar.media.image import Portrait

        portrait = Portrait.load(path)
        return portrait.width, portrait.height
    from skyreels_avatar.media.video_reader import VideoReader

    video = VideoReader(path)
    return video.width, video.height


def _sampling(values: Mapping[str, Any]) -> SamplingParams:
    return SamplingParams(
        values.get("steps"), values.get("guidance_scale"), values.get("audio_guidance_scale"),
        values.get("seed", 0),
    )  # fmt: skip


def _given(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) is not None}


def check_request(kind: str, values: Mapping[str, Any], folder: Path) -> None:
    """Build what a job would do, and nothing more.

    Raises:
        InputError: a value cannot be used.
        CheckpointError: the weights of the tier are not on this machine.
    """
    if values.get("tier") is not None:
        check_models(load_tier(values["tier"]))
    if kind == "generate":
        generation_request(values, folder / "video.mp4")
    elif kind == "retalk":
        retalk_request(values, folder / "video.mp4")
    elif kind == "film":
        from skyreels_avatar.film.script_reader import read_script

        for file in input_files(read_script(folder / "script.yaml")):
            if not file.resolve().is_relative_to(folder.resolve()):
                raise InputError("a script names uploads by their ids, and no other files")
    elif kind == "speak" and not str(values.get("text", "")).strip():
        raise InputError("text must not be empty", parameter="text")
