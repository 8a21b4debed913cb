"""The public verbs of streams: `prepare_avatar`, `load_avatar`, `open_stream`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.live import avatar as avatars
from skyreels_avatar.live import forking
from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.live.drawing_process import DrawingProcess
from skyreels_avatar.live.options import StreamOptions
from skyreels_avatar.live.prepare import prepare
from skyreels_avatar.live.prepare_aside import prepare_aside
from skyreels_avatar.live.stream import Stream
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.provenance.watermark import mark_frames
from skyreels_avatar.request.camera_spec import CameraLike
from skyreels_avatar.request.generation_request import GenerationRequest

DEFAULT_TIER = GenerationRequest.tier


def prepare_avatar(
    image: str | Path | Portrait,
    *,
    size: str | None = "384x384",
    face: str = "auto",
    tier: str = DEFAULT_TIER,
) -> Avatar:
    """Look at a picture once, so that streams of it start at once.

    Args:
        image: the portrait, as in `generate`.
        size: of the frames: "512x512", "480p", or None, the picture's own aspect ratio.
        face, tier: as in `generate`.

    Returns:
        an avatar; its `save` writes it into a file that `load_avatar` and `open_stream` take.

    Raises:
        InputError: the picture or the size cannot be used; FaceError: there is no such face.
    """
    return prepare(image, size, face, _parts(tier))


def prepare_beside_streams(
    image: Path, size: str | None, tier: str = DEFAULT_TIER
) -> Path | Avatar:
    """Prepare an avatar while streams run, which do not wait; return files of one as they are.

    Raises:
        InputError: the picture or the size cannot be used; FaceError: there is no such face.
    """
    if image.suffix == avatars.SUFFIX:
        return image
    return prepare_aside(image, size, "auto", _parts(tier))


def load_avatar(path: str | Path) -> Avatar:
    """Read an avatar that `Avatar.save` wrote.

    Args:
        path: a file that ends in .avatar.

    Raises:
        InputError: there is no such file, or it is none of these.
    """
    return avatars.load(path)


def open_stream(
    image: str | Path | Portrait | Avatar,
    *,
    size: str | None = None,
    fps: float = 25.0,
    prompt: str | None = None,
    camera: CameraLike | None = None,
    seed: int = 0,
    expressiveness: float = 100.0,
    style: str = "natural",
    face: str = "auto",
    watermark: bool = True,
    label: str | None = None,
    tier: str = DEFAULT_TIER,
    low_latency: bool = True,
) -> Stream:
    """Open a stream: sound is pushed into it, frames and sound in step are read from it.

    Args:
        image: a portrait as in `generate`, an `Avatar`, or the file of one (.avatar).
        size: of the frames, as in `prepare_avatar`; None is the avatar's, or 384x384.
        fps: frames per second, 5 to 60.
        prompt, camera, expressiveness, style: as in `generate`; `Stream.set` changes them.
        seed: the same seed, and the same sound at the same frames, give the same bytes.
        face, watermark, label, tier: as in `generate`.
        low_latency: hear 0.24 s before a frame is made, and draw in a second process, on Linux with
            a second core: `read(wait=False)` returns meanwhile; `Stream.draws_ahead` tells whether
            there is one. False hears 0.36 s, for half the cost of motion, and draws in `read`.

    Raises:
        InputError: something given cannot be used; FaceError: there is no such face.
    """
    options = StreamOptions(
        fps, prompt, camera, seed, expressiveness, style, watermark, label, low_latency
    )
    parts = _parts(tier)
    is_possible = parts.device.type == "cpu" and forking.is_possible()
    process = DrawingProcess if low_latency and is_possible else None
    return Stream(_avatar(image, size, face, parts), parts, options, process)


def _avatar(
    image: str | Path | Portrait | Avatar, size: str | None, face: str, parts: Components
) -> Avatar:
    """Return an avatar that is there, or that of a picture."""
    if isinstance(image, (str, Path)) and str(image).endswith(avatars.SUFFIX):
        image = avatars.load(image)
    if not isinstance(image, Avatar):
        image = prepare(image, size or "384x384", face, parts)
    elif size is not None and size.strip().lower() != image.size:
        raise InputError(
            f"the avatar was prepared for {image.size}, got size {size!r}; leave the size out, or "
            "prepare another",
            parameter="size",
        )
    return image


def _parts(tier: str) -> Components:
    parts = load_components(tier)
    if not hasattr(parts.vae, "motion_at"):
        raise InputError(
            f"tier {parts.tier.name} draws whole frames and cannot stream; streams are for a tier "
            "with a face rig, as the default one is",
            parameter="tier",
        )
    mark_frames(np.zeros((1, 64, 64, 3), np.uint8), 0)  # makes its patterns, once for all streams
    return parts
