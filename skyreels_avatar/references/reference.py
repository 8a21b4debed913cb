"""What every reference video can do: the frames of a shot before its face is made to talk."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from skyreels_avatar.references.lighting import FrameLight
from skyreels_avatar.rig.mouth import MouthLook
from skyreels_avatar.rig.reference_clip import PictureDetail
from skyreels_avatar.rig.renderer import crop_box
from skyreels_avatar.rig.torso import TorsoBox

_CHUNK_PIXELS = 16 * 512 * 512  # rendered at once; bounds the memory of float frames


class Reference(Protocol):
    """A video, on the clock of the output, and one face in it.

    Any frames can be asked for at any time, by several threads. Start and stop count frames.

    Attributes:
        size: height and width.
        num_frames: of the output.
        region: what of the face may change, as in `ReferenceClip`.
        has_own_motion: whether the face moves by itself, as in footage.
        moves_torso: whether what is below the chin moves, too.
    """

    size: tuple[int, int]
    num_frames: int
    region: tuple[float, float, float, float] | None
    has_own_motion: bool
    moves_torso: bool

    @property
    def frame_light(self) -> FrameLight | None:
        """The light that is put on finished frames; None = nothing is done to them."""

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Return frames (F, H, W, 3) uint8."""

    def landmarks(self, start: int, stop: int) -> torch.Tensor:
        """Return (F, 478, 3) of the face, in pixels, z in their scale."""

    def rest_points(self, start: int, stop: int) -> torch.Tensor | None:
        """Return (1, 478, 3) the face at rest, as in `ReferenceClip`; None = frames tell."""

    def box(self, landmarks: torch.Tensor) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of what may change round (F, 478, 3), whole pixels."""

    def edges(self, start: int, stop: int) -> torch.Tensor:
        """Return (1 or F, 4, 4) the edges of the picture, as in `ReferenceClip`."""

    def detail(self, start: int, stop: int, box: tuple[int, int, int, int]) -> PictureDetail | None:
        """Return a finer picture for a box as in `box`; None where none is."""

    def draws_all(self, box: tuple[int, int, int, int]) -> bool:
        """Return whether what is drawn into a box, as in `box`, is all that frames show."""

    def occluder(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """Return (F, h, w) in [0, 1] where something covers the face in a box; None = nothing."""

    def behind(self, start: int, stop: int, box: tuple[int, int, int, int]) -> np.ndarray | None:
        """Return (F, h, w) in [0, 1] what of a box is not to be drawn over: it is behind the head.

        None where the head ends does not matter.
        """

    def without_occluder(
        self, pixels: np.ndarray, occluder: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        """Return crops (F, h, w, 3) of frames as they would be without what covers the face.

        Args:
            occluder: (F, h, w) of `occluder`.
            landmarks: (F, 478, 3) pixels.
        """

    def looks(self, seed: int, device: torch.device) -> list[MouthLook]:
        """Return the inside of this person's mouth, one for each scene."""

    def scene_at(self, frame: int) -> int:
        """Return which of `looks` belongs to a frame."""

    def chunks(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return start and stop of ranges to work on together, each within one scene."""

    def changes(self, start: int, stop: int) -> bool:
        """Return whether anything is to be drawn."""

    def first_motion(self) -> torch.Tensor:
        """Return (1, 32) rig coefficients of the first frame."""

    def apparent_motion(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (F, 32) how the head seems to move by itself, and the share (F,) really seen.

        Args:
            at: (F,) rising positions between frames.
        """

    def relative_motion(self, motion: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Return (F, 32) what to do to the frames so that they show `motion`."""

    def narrow_mouths(
        self, pixels: np.ndarray, landmarks: torch.Tensor, motion: torch.Tensor, start: int
    ) -> tuple[np.ndarray, torch.Tensor]:
        """Return crops of frames from `start` on with mouths that lips can shut, and landmarks.

        Args:
            pixels: (F, h, w, 3) uint8, crops of frames.
            landmarks: (F, 478, 3) in their pixels.
            motion: (F, 32) of `relative_motion`.
        """


def frames_per_chunk(height: int, width: int) -> int:
    """Return how many frames are worked on together at this size: 1 to 16."""
    return max(1, min(16, _CHUNK_PIXELS // (height * width)))


def split_range(start: int, stop: int, step: int) -> list[tuple[int, int]]:
    """Return (first, last) of consecutive ranges of at most `step` that cover start to stop."""
    return [(first, min(first + step, stop)) for first in range(start, stop, step)]


def talking_box(
    landmarks: torch.Tensor,
    height: int,
    width: int,
    region: tuple[float, float, float, float] | None = None,
    torso: TorsoBox | None = None,
) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what may move in frames with (F, 478, 3) landmarks.

    Multiples of 16 pixels, so that crops of neighboring frames take memory of the same size;
    clipped to the picture, at least 2 pixels each way.

    Args:
        region: as in `ReferenceClip`.
    """
    boxes = [crop_box(landmarks, region)]
    if torso is not None:
        boxes.append(torso.pixels(landmarks))
    corners = torch.tensor(boxes)
    low, high = corners[:, :2].amin(0), corners[:, 2:].amax(0)
    limit = torch.tensor([width, height])
    low = ((low / 16).floor().long() * 16).clamp_min(0).minimum(limit - 2)
    high = ((high / 16).ceil().long() * 16).minimum(limit).maximum(low + 2)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
