"""A portrait, a voice and a sentence become a directed talking video.

    import skyreels_avatar as sa
    sa.generate(image="p.png", audio="a.wav", prompt="a woman smiles", camera="push_in:60")

Everything is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
import types

__version__ = "0.1.0"

_HOMES = {
    "generate": "generate",
    "retalk": "retalking",
    "GenerationResult": "generate",
    "Progress": "generate",
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


class _Package(types.ModuleType):
    """The package's module: `generate` stays the verb when the module of that name is imported.

    Python binds a submodule as an attribute of its package on import, which would otherwise hide
    the function behind a module that cannot be called.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name != "generate":
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
