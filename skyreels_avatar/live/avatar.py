"""An avatar: a picture that was looked at once, so that streams of it start at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from skyreels_avatar.camera import Plate
from skyreels_avatar.errors import InputError
from skyreels_avatar.faces.face import Face
from skyreels_avatar.media.files import atomic_write, existing_file

SUFFIX = ".avatar"
_FORMAT = "skyreels-avatar 1"


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
            "plate": as_bytes(self.plate.image),
            "matte": as_bytes(self.plate.person_mask),
            "background": background.half().numpy(),  # bytes would clip what lies beyond 0 and 1
            "person": person.half().numpy(),
        }
        if self.fine is not None:
            arrays["fine"] = self.fine
        if self.occluder is not None:
            arrays["occluder"] = as_bytes(torch.from_numpy(self.occluder))
        face = self.face
        values = {
            "box": [float(value) for value in face.box],
            "confidence": float(face.confidence),
            "visibility": float(face.visibility),
            "teeth": face.teeth,
            "start": [self.plate.left, self.plate.top],
            "key": str(self.key),
        }
        return {name: np.ascontiguousarray(array) for name, array in arrays.items()}, values

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Avatar:
        """Return what was packed."""
        teeth = values.get("teeth")
        face = Face(
            tuple(values["box"]), arrays["landmarks"], values["confidence"], values["visibility"],
            teeth=None if teeth is None else tuple(teeth),
        )  # fmt: skip
        plate = Plate(as_floats(arrays["plate"]), as_floats(arrays["matte"]), *values["start"])
        vars(plate)["layers"] = tuple(
            torch.from_numpy(arrays[name]).float() for name in ("background", "person")
        )
        occluder = None
        if "occluder" in arrays:
            occluder = as_floats(arrays["occluder"]).numpy()
        picture, fine, depth = arrays["picture"], arrays.get("fine"), arrays["depth"]
        return cls(picture, fine, face, plate, depth, occluder, int(values["key"]))


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


def as_bytes(values: torch.Tensor) -> np.ndarray:
    """Return values from 0 to 1 as a file keeps them, uint8."""
    return values.mul(255).add(0.5).clamp(0, 255).to(torch.uint8).numpy()


def as_floats(array: np.ndarray) -> torch.Tensor:
    """Return what `as_bytes` wrote."""
    return torch.from_numpy(array).float().div_(255)
