"""Several persons in one picture: the matte of each, and where each is in a window."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.matte import person_mask
from skyreels_avatar.references.picture import PictureReference
from skyreels_avatar.shapes import BUCKET_STEP_PX

_BODY_DOWN = 1.5  # bodies reach further down from a face than to its sides


def person_mattes(pixels: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Return (P, H, W) float32 in 0..1: where each person is, none of them where another is.

    Persons who touch are separated between their faces.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        faces: one of each person.
    """
    mattes = np.stack([person_mask(pixels, face) for face in faces])
    if len(faces) == 1:
        return mattes
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32) + 0.5
    distances = []
    for face in faces:
        x, y, width, height = face.box
        down = np.maximum(rows - (y + height / 2), 0) / _BODY_DOWN
        up = np.maximum((y + height / 2) - rows, 0)
        distances.append(np.hypot(columns - (x + width / 2), down + up) / width)
    nearest = np.argmin(distances, axis=0)
    return mattes * (nearest == np.arange(len(faces))[:, None, None])


class PersonMasks:
    """Where each speaker is in the first latent frame of a window.

    For the `person_masks` of a transformer that hears several voices. They cover bodies, not only
    faces, as the masks did that it was trained with.

    Args:
        mattes: (P, H, W) of `person_mattes`, in the picture.
        faces: one of each person, in the same picture.
        reference: of the shot.
    """

    def __init__(self, mattes: np.ndarray, faces: Sequence[Face], reference: PictureReference):
        side = (BUCKET_STEP_PX, BUCKET_STEP_PX)
        self._mattes = [cv2.blur(matte, side) for matte in mattes]  # what a token sees of it
        self._reference = reference
        self._middles = torch.tensor(
            [[x + width / 2, y + height / 2] for x, y, width, height in (f.box for f in faces)]
        )
        self._world = reference.video.lift(self._middles)

    def at(self, frame: int) -> torch.Tensor:
        """Return (P + 1, h, w) 0 or 1, the background last: one of them for each token.

        Args:
            frame: of the video.
        """
        video, middles = self._reference.video, self._middles
        rows, columns = (length // BUCKET_STEP_PX for length in self._reference.size)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        at = (np.stack([x, y], -1) + 0.5) * BUCKET_STEP_PX  # middles of the tokens, pixels
        if not video.path.is_static():
            targets = video.targets
            step = (targets[-1, -1] - targets[0, 0]) / (np.array(targets.shape[1::-1]) - 1)
            within = ((at - targets[0, 0]) / step).astype(np.float32)
            at = cv2.remap(video.person_map(frame), within, None, cv2.INTER_LINEAR)
            middles = video.project(self._world, frame, frame + 1)[0, :, :2]
        shares = [cv2.remap(one, at - 0.5, None, cv2.INTER_LINEAR) for one in self._mattes]
        shares = torch.from_numpy(np.stack(shares))
        masks = torch.zeros(len(shares) + 1, *shares.shape[1:])
        masks[:-1] = (shares > 0.5) & (shares == shares.amax(0, keepdim=True))
        for person, (column, row) in enumerate((middles / BUCKET_STEP_PX).long().tolist()):
            # However small a face is, its middle belongs to its person.
            row, column = min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)
            masks[:, row, column] = 0
            masks[person, row, column] = 1
        masks[-1] = 1 - masks[:-1].amax(0)
        return masks
