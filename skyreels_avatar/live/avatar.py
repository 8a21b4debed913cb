"""An avatar: a picture that was looked at once, so that streams of it start at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from skyreels_avatar.camera import CameraMove, Plate
from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.files import atomic_write, existing_file
from skyreels_avatar.media.image import Portrait, fit_size
from skyreels_avatar.models.depth import estimate_depth
from skyreels_avatar.pipeline.noise import noise_key
from skyreels_avatar.pipeline.open import check_suitability, correct_points
from skyreels_avatar.references.framing import frame_shot
from skyreels_avatar.references.scene import depth_weights, plate_of

SUFFIX = ".avatar"
_FORMAT = "skyreels-avatar 1"
_ANY_MOVE = CameraMove("push_in", 1.0)


@dataclass(frozen=True, eq=False)
class Avatar:
    """A picture at the size of a stream, and everything that was found out about it.

    Attributes:
        picture: (H, W, 3) uint8.
        fine: (2 H, 2 W, 3) uint8, the same twice as fine; None for large pictures.
        face: who speaks, in pixels of `picture`.
        plate: what was photographed round it, for cameras: see `camera.Plate`.
        depth: (H, W) along z.
        occluder: (H, W) in [0, 1] where something covers the face; None = nothing does.
        key: of the noise.
    """

    picture: np.ndarray
    fine: np.ndarray | None
    face: Face
    plate: Plate
    depth: np.ndarray
    occluder: np.ndarray | None
    key: int

    def __repr__(self) -> str:
        return f"Avatar({self.size})"

    @property
    def size(self) -> str:
        """Width and height as options say them: "512x512"."""
        height, width = self.picture.shape[:2]
        return f"{width}x{height}"

    @property
    def person_mask(self) -> torch.Tensor:
        """(H, W) in [0, 1], 1 on the person."""
        return self.plate.person_mask[self.plate.part(self.picture.shape[:2])]

    def save(self, path: str | Path) -> Path:
        """Write the avatar into one file, arrays and plain values (safetensors); return its path.

        Raises:
            InputError: the name does not end in .avatar, or the file cannot be written.
        """
        path = Path(path).expanduser()
        if path.suffix != SUFFIX:
            raise InputError(f"an avatar is kept in a file that ends in {SUFFIX}, got {path}")
        arrays, values = self.packed()
        try:
            with atomic_write(path) as partial_file:
                header = {"format": _FORMAT, **values}
                # One entry of the header: safetensors writes several in random order.
                save_file(arrays, partial_file, {"avatar": json.dumps(header)})
        except OSError as error:
            raise InputError(f"cannot write the avatar {path}: {error}") from error
        return path

    def packed(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and plain values, of which `of` makes it again."""
        background, person = self.plate.layers
        arrays = {
            "picture": self.picture,
            "landmarks": np.asarray(self.face.landmarks, np.float32),
            "depth": np.asarray(self.depth, np.float32),
            "plate": _bytes(self.plate.image),
            "matte": _bytes(self.plate.person_mask),
            "background": background.half().numpy(),  # bytes would clip what lies beyond 0 and 1
            "person": person.half().numpy(),
        }
        if self.fine is not None:
            arrays["fine"] = self.fine
        if self.occluder is not None:
            arrays["occluder"] = _bytes(torch.from_numpy(self.occluder))
        face = self.face
        values = {
            "box": [float(value) for value in face.box],
            "confidence": float(face.confidence),
            "visibility": float(face.visibility),
            "start": [self.plate.left, self.plate.top],
            "key": str(self.key),
        }
        return {name: np.ascontiguousarray(array) for name, array in arrays.items()}, values

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Avatar:
        """Return what was packed."""
        face = Face(
            tuple(values["box"]), arrays["landmarks"], values["confidence"], values["visibility"]
        )
        plate = Plate(_floats(arrays["plate"]), _floats(arrays["matte"]), *values["start"])
        vars(plate)["layers"] = tuple(
            torch.from_numpy(arrays[name]).float() for name in ("background", "person")
        )
        occluder = None
        if "occluder" in arrays:
            occluder = _floats(arrays["occluder"]).numpy()
        picture, fine, depth = arrays["picture"], arrays.get("fine"), arrays["depth"]
        return cls(picture, fine, face, plate, depth, occluder, int(values["key"]))


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
    check_suitability(original, found)
    key = noise_key(original.pixels, [found], [])
    found = correct_points(original.pixels, found, parts)
    framing = frame_shot(original, height, width, [found], _ANY_MOVE)
    plate, occluders = plate_of(framing, parts.occluder)
    plate = replace(plate, person_mask=_floats(_bytes(plate.person_mask)))  # as a file keeps it
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
        occluder = _floats(_bytes(torch.from_numpy(occluder))).numpy()
    return Avatar(
        pixels, None if framing.fine is None else framing.fine.pixels, framing.faces[0], plate,
        depth.depth.float().numpy(), occluder, key,
    )  # fmt: skip


def load(path: str | Path) -> Avatar:
    """Read an avatar that `Avatar.save` wrote.

    Raises:
        InputError: there is no such file, or it is none of these.
    """
    path = existing_file(path, "avatar")
    try:
        with safe_open(path, "np") as file:
            values = json.loads((file.metadata() or {}).get("avatar", "{}"))
            if values.get("format") != _FORMAT:
                raise InputError(f"{path} is no avatar of this version; prepare it again")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Avatar.of(arrays, values)
    except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no avatar, or a damaged one: {error}") from error


def _bytes(values: torch.Tensor) -> np.ndarray:
    return values.mul(255).add(0.5).clamp(0, 255).to(torch.uint8).numpy()


def _floats(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).float().div_(255)
