"""A portrait, a voice and a sentence become a directed talking video.

    import skyreels_avatar as sa
    sa.generate(image="p.png", audio="a.wav", prompt="a woman smiles", camera="push_in:60")

Everything is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same names as in _HOMES, for type checkers and editors
    from skyreels_avatar.api.camera_preview import preview_camera
    from skyreels_avatar.api.doctor import doctor
    from skyreels_avatar.api.evaluation import evaluate
    from skyreels_avatar.api.examples import example_path
    from skyreels_avatar.api.generation import generate
    from skyreels_avatar.api.live import load_avatar, open_stream, prepare_avatar
    from skyreels_avatar.api.planning import plan
    from skyreels_avatar.api.rendering import frames, render
    from skyreels_avatar.api.retalking import retalk
    from skyreels_avatar.api.text_to_speech import speak, voices
    from skyreels_avatar.api.unloading import unload
    from skyreels_avatar.camera.moves import MOVES
    from skyreels_avatar.errors import AvatarError, Cancelled, InputError
    from skyreels_avatar.film.render import FilmResult
    from skyreels_avatar.film.script_reader import read_script
    from skyreels_avatar.media import AudioTrack, Portrait, VideoReader, VideoWriter
    from skyreels_avatar.pipeline.examine import examine_picture
    from skyreels_avatar.pipeline.run import AvatarPipeline
    from skyreels_avatar.progress import Progress
    from skyreels_avatar.provenance.verification import verify
    from skyreels_avatar.request.camera_move import CameraMove
    from skyreels_avatar.request.camera_spec import CameraKeyframe
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.sampling import SamplingParams
    from skyreels_avatar.request.script import Script
    from skyreels_avatar.request.shot import Shot
    from skyreels_avatar.request.speaker import Speaker
    from skyreels_avatar.workers.shot import GenerationResult

__version__ = "0.13.0"

__all__ = [
    "MOVES",
    "AudioTrack",
    "AvatarError",
    "AvatarPipeline",
    "CameraKeyframe",
    "CameraMove",
    "Cancelled",
    "FilmResult",
    "GenerationRequest",
    "GenerationResult",
    "InputError",
    "Portrait",
    "Progress",
    "SamplingParams",
    "Script",
    "Shot",
    "Speaker",
    "VideoReader",
    "VideoWriter",
    "__version__",
    "doctor",
    "evaluate",
    "examine_picture",
    "example_path",
    "frames",
    "generate",
    "load_avatar",
    "open_stream",
    "plan",
    "prepare_avatar",
    "preview_camera",
    "read_script",
    "render",
    "retalk",
    "speak",
    "unload",
    "verify",
    "voices",
]

_HOMES = {
    "MOVES": "skyreels_avatar.camera.moves",
    "AudioTrack": "skyreels_avatar.media",
    "AvatarError": "skyreels_avatar.errors",
    "AvatarPipeline": "skyreels_avatar.pipeline.run",
    "CameraKeyframe": "skyreels_avatar.request.camera_spec",
    "CameraMove": "skyreels_avatar.request.camera_move",
    "Cancelled": "skyreels_avatar.errors",
    "FilmResult": "skyreels_avatar.film.render",
    "GenerationRequest": "skyreels_avatar.request.generation_request",
    "GenerationResult": "skyreels_avatar.workers.shot",
    "InputError": "skyreels_avatar.errors",
    "Portrait": "skyreels_avatar.media",
    "Progress": "skyreels_avatar.progress",
    "SamplingParams": "skyreels_avatar.request.sampling",
    "Script": "skyreels_avatar.request.script",
    "Shot": "skyreels_avatar.request.shot",
    "Speaker": "skyreels_avatar.request.speaker",
    "VideoReader": "skyreels_avatar.media",
    "VideoWriter": "skyreels_avatar.media",
    "doctor": "skyreels_avatar.api.doctor",
    "evaluate": "skyreels_avatar.api.evaluation",
    "examine_picture": "skyreels_avatar.pipeline.examine",
    "example_path": "skyreels_avatar.api.examples",
    "frames": "skyreels_avatar.api.rendering",
    "generate": "skyreels_avatar.api.generation",
    "load_avatar": "skyreels_avatar.api.live",
    "open_stream": "skyreels_avatar.api.live",
    "plan": "skyreels_avatar.api.planning",
    "prepare_avatar": "skyreels_avatar.api.live",
    "preview_camera": "skyreels_avatar.api.camera_preview",
    "read_script": "skyreels_avatar.film.script_reader",
    "render": "skyreels_avatar.api.rendering",
    "retalk": "skyreels_avatar.api.retalking",
    "speak": "skyreels_avatar.api.text_to_speech",
    "unload": "skyreels_avatar.api.unloading",
    "verify": "skyreels_avatar.provenance.verification",
    "voices": "skyreels_avatar.api.text_to_speech",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
