"""Make an avatar: look at a picture once, so that streams of it start at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from skyreels_avatar.camera import CameraMove
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.live.avatar import Avatar, as_bytes, as_floats
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.models.depth import estimate_depth
from skyreels_avatar.pipeline.noise import noise_key
from skyreels_avatar.pipeline.open import check_suitability, prepare_faces
from skyreels_avatar.references.framing import frame_shot
from skyreels_avatar.references.scene import depth_weights, plate_of

_ANY_MOVE = CameraMove("push_in", 1.0)


def prepare(image: str | Path | Portrait, size: str | None, face: str, parts: Components) -> Avatar:
    """Look at a picture: find the face, cut it out, estimate depth, fill what it hides.

    Args:
        image: a file, as `generate` takes it, or a `Portrait`.
        size, face: as in `generate`.
        parts: of a tier whose latents are rig coefficients.

    Raises:
        InputError: the picture or the size cannot be used.
        FaceError: there is no face, or not the one that was asked for.
    """
    original = image if isinstance(image, Portrait) else Portrait.load(image)
    height, width = fit_size(original.height, original.width, size)
    (found,) = find_faces(original.pixels, [face], face_analyzer())
    found = fit_drawing(original.pixels, found)
    check_suitability(original, found, parts.occluder)
    key = noise_key(original.pixels, [found], [])
    original, (found,) = prepare_faces(original, [found], parts)
    framing = frame_shot(original, height, width, [found], _ANY_MOVE)
    plate, occluders = plate_of(framing, parts.occluder)
    plate = replace(plate, person_mask=as_floats(as_bytes(plate.person_mask)))  # as a file keeps it
    mask = plate.person_mask[plate.part((height, width))]
    pixels = framing.picture.pixels
    with ThreadPoolExecutor(1, thread_name_prefix="prepare") as pool:
        filling = pool.submit(copy_context().run, partial(getattr, plate, "layers"))
        arguments = {"backend": "auto", "weights": depth_weights()}
        depth = estimate_depth(pixels, framing.faces[0], mask.numpy(), **arguments)
        layers = filling.result()
    vars(plate)["layers"] = tuple(layer.half().float() for layer in layers)
    occluder = occluders[0]
    if occluder is not None:
        occluder = as_floats(as_bytes(torch.from_numpy(occluder))).numpy()
    return Avatar(
        pixels, None if framing.fine is None else framing.fine.pixels, framing.faces[0], plate,
        depth.depth.float().numpy(), occluder, key,
    )  # fmt: skip
