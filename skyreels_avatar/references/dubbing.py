"""Existing video for networks that draw whole pictures: what they are shown, and what is kept.

They draw the whole video again at a size that they know. Of that only the face goes back into
the video, moved to where the head is there, since a drawn head need not move as the filmed one.
Every other pixel stays as decoded.

Source: the video input of InfiniteTalk (arXiv 2508.14033), which shows whole drawn pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from skyreels_avatar.faces.alignment import RIGID, fit_similarity
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.region import box_of
from skyreels_avatar.faces.scenes import Scene
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.references.footage import Footage, FootageReference
from skyreels_avatar.shapes import BUCKET_STEP_PX

_SOFT = 0.3  # share of the half axes of what may change over which it fades in
_BODY_WIDTHS = 1.3  # of a face, to either side of its middle


@dataclass(frozen=True)
class Cut:
    """The part of a video that has another aspect, as large as fits.

    Attributes:
        left, top, width, height: in pixels of the video.
        size: height and width that it is brought to.
    """

    left: float
    top: float
    width: float
    height: float
    size: tuple[int, int]

    @classmethod
    def round_faces(
        cls, video_size: tuple[int, int], size: tuple[int, int], middle: tuple[float, float]
    ) -> Cut:
        """Return the cut whose middle is as near as possible to that of the faces (x, y)."""
        scale = min(video_size[0] / size[0], video_size[1] / size[1])
        height, width = scale * size[0], scale * size[1]
        left = min(max(middle[0] - width / 2, 0), video_size[1] - width)
        top = min(max(middle[1] - height / 2, 0), video_size[0] - height)
        return cls(left, top, width, height, size)

    @property
    def work_from_video(self) -> np.ndarray:
        """(2, 3), takes points of the video, pixel middles at +0.5, to the cut."""
        x, y = self.size[1] / self.width, self.size[0] / self.height
        return np.array([[x, 0, -self.left * x], [0, y, -self.top * y]])

    def of(self, frames: np.ndarray) -> np.ndarray:
        """Return the cut (F, h, w, 3) of frames (F, H, W, 3)."""
        if frames.shape[1:3] == self.size and not (self.left or self.top):
            return frames
        rows = slice(round(self.top), round(self.top + self.height))
        columns = slice(round(self.left), round(self.left + self.width))
        smaller = self.size[0] < self.height
        how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        size = self.size[::-1]
        return np.stack([cv2.resize(one[rows, columns], size, interpolation=how) for one in frames])


class FilmedReference(FootageReference):
    """An existing video and one face in it, for networks that draw pictures.

    Args:
        footage, scenes, keep: as in `FootageReference`.
        work_size: height and width of what the networks draw.
    """

    is_still = True  # no camera of ours moves

    def __init__(
        self, footage: Footage, scenes: Sequence[Scene], keep: str, work_size: tuple[int, int]
    ):
        super().__init__(footage, scenes, keep)
        seen = self._landmarks[self._speaks > 0]
        points = (seen if len(seen) else self._landmarks)[..., :2]
        middle = tuple(points.mean((0, 1)).tolist())
        self.cut = Cut.round_faces(self.size, work_size, middle)

    def work_frames(self, start: int, stop: int) -> np.ndarray:
        """Return what the networks are shown of frames, (F, h, w, 3) uint8."""
        return self.cut.of(self.frames(start, stop))

    def paste_face(self, frames: np.ndarray, drawn: np.ndarray, first: int) -> None:
        """Put the face of drawn pictures into frames, in place.

        Args:
            frames: (F, H, W, 3) uint8 of the video from frame `first` on.
            drawn: (F, h, w, 3) uint8 of the cut.
        """
        weights = self._speaks[first : first + len(frames)].numpy()
        if not weights.any():
            return
        landmarks = self._landmarks[first : first + len(frames)]
        work = self.cut.work_from_video
        places = landmarks[..., :2].double().numpy() @ work[:, :2].T + work[:, 2]
        found = _drawn_landmarks(drawn, places[0], landmarks[0])
        for index in np.flatnonzero(weights):
            drawn_from_video = work
            if found[index] is not None:  # where the filmed face's points are in the drawn picture
                moved = _similarity(places[index], found[index][:, :2])
                drawn_from_video = moved @ np.vstack([work, [0, 0, 1]])
            left, top, right, bottom = self.box(landmarks[index : index + 1])
            grid = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], float)
            half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # pixel middles
            matrix = drawn_from_video @ grid @ half
            matrix[:, 2] -= 0.5
            patch = cv2.warpAffine(
                drawn[index], matrix, (right - left, bottom - top),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            share = weights[index] * _soft_patch(bottom - top, right - left)[..., None]
            own = frames[index, top:bottom, left:right]
            own[:] = np.rint(own + share * (patch.astype(np.float32) - own)).astype(np.uint8)


def with_drawn_faces(
    references: Sequence[FilmedReference], drawn: np.ndarray, first: int
) -> np.ndarray:
    """Return frames (F, H, W, 3) of a video with the faces of drawn pictures (F, h, w, 3)."""
    frames = references[0].frames(first, first + len(drawn))
    for reference in references:
        reference.paste_face(frames, drawn, first)
    return frames


class FilmedMasks:
    """Where each of several persons of a video is: see `PersonMasks`, which looks at a picture."""

    def __init__(self, references: Sequence[FilmedReference]):
        self._references = references

    def at(self, frame: int) -> torch.Tensor:
        """Return (P + 1, h, w) 0 or 1 for each token of a frame, the background last."""
        cut = self._references[0].cut
        rows, columns = (length // BUCKET_STEP_PX for length in cut.size)
        y, x = torch.meshgrid(
            (torch.arange(rows) + 0.5) * BUCKET_STEP_PX,
            (torch.arange(columns) + 0.5) * BUCKET_STEP_PX,
            indexing="ij",
        )
        matrix = torch.from_numpy(cut.work_from_video)
        distances, inside = [], []
        for reference in self._references:
            points = reference.landmarks(frame, frame + 1)[0, :, :2].double()
            points = points @ matrix[:, :2].T + matrix[:, 2]
            low, high = points.amin(0), points.amax(0)
            middle, width = (low + high) / 2, (high - low)[0].clamp_min(1)
            side = (x - middle[0]).abs() / width
            inside.append((side < _BODY_WIDTHS) & (y > low[1]))
            distances.append(torch.hypot(side, ((y - middle[1]) / width).clamp_max(0)))
        nearest = torch.stack(distances).argmin(0)
        masks = torch.stack([one & (nearest == i) for i, one in enumerate(inside)]).float()
        return torch.cat([masks, 1 - masks.amax(0, keepdim=True)])


def _drawn_landmarks(
    drawn: np.ndarray, places: np.ndarray, landmarks: torch.Tensor
) -> list[np.ndarray | None]:
    """Return (478, 3) of the face in each drawn picture, None where it is lost.

    Args:
        places: (478, 2) of the filmed face in the first one.
        landmarks: (478, 3) of it in the video.
    """
    points = np.concatenate([places, landmarks[:, 2:].double().numpy()], axis=1)
    face = Face(box_of(points), points.astype(np.float32), 1.0, 1.0)
    return [found for found, _ in face_analyzer().follow(iter(drawn), face)]


def _similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return (2, 3), which takes a face's points (478, 2) to others by what speech leaves still."""
    scale, rotation, shift = fit_similarity(points[None, RIGID], target[list(RIGID)])
    return np.concatenate([scale[0] * rotation[0], shift[0][:, None]], axis=1)


def _soft_patch(height: int, width: int) -> np.ndarray:
    """Return (H, W) weights: 1 in the middle, falling to 0 at the edge of a rounded rectangle."""
    y, x = (np.abs(2 * (np.arange(n, dtype=np.float32) + 0.5) / n - 1) for n in (height, width))
    radius = (y[:, None] ** 4 + x[None] ** 4) ** 0.25
    share = ((1 - radius) / _SOFT).clip(0, 1)
    return share * share * (3 - 2 * share)
