"""A portrait, a voice and a sentence become a directed talking video.

    import skyreels_avatar as sa
    sa.generate(image="p.png", audio="a.wav", prompt="a woman smiles", camera="push_in:60")

Everything is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "generate": "generation",
    "retalk": "retalking",
    "GenerationResult": "generation",
    "Progress": "generation",
    "render": "apps.films",
    "frames": "film.render",
    "read_script": "film.read",
    "Shot": "script",
    "Speaker": "script",
    "Script": "script",
    "SamplingParams": "script",
    "GenerationRequest": "script",
    "CameraKeyframe": "script",
    "CameraMove": "script",
    "AudioTrack": "media",
    "Portrait": "media",
    "VideoReader": "media",
    "VideoWriter": "media",
    "AvatarError": "errors",
    "InputError": "errors",
    "Cancelled": "errors",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
