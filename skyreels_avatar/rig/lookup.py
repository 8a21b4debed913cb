"""Where the pixels of a clip come from: coarse maps, and how a clip is drawn by them.

On a CPU a frame is drawn at a time, from maps to bytes: what a frame needs stays in the caches of a
core, where the maps of all frames of a group do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from skyreels_avatar.rig import reference_clip
from skyreels_avatar.rig.curves import Box
from skyreels_avatar.rig.geometry import select_frames
from skyreels_avatar.rig.reference_clip import (
    PictureDetail,
    ReferenceClip,
    detail_place,
    enlarge,
    remap,
    sample_frames,
)

MATTE_LEVEL = 0.005  # of the window: interpolated, it reaches a little beyond its border
# What a box of some frames comes from instead: (K, 2, h, w) pixels x, y of the frame.
Exact = tuple[Box, torch.Tensor]


@dataclass(frozen=True)
class Lookup:
    """The coarse maps of F frames, at the knots of a lattice that overhangs by one cell.

    Attributes:
        maps: (F, C, rows, columns). Channels 0 and 1 are pixels x, y of the frame, of the layer
            that is seen. With a finer picture 2 and 3 are pixels x, y of that.
        window: (F or 1, 1, rows, columns), 0 where nothing ever changes.
        spacing: pixels from knot to knot.
        size: height and width in pixels.
    """

    maps: torch.Tensor
    window: torch.Tensor
    spacing: int
    size: tuple[int, int]

    def enlarged(self) -> torch.Tensor:
        """Return the maps of all pixels, (F, C, h, w)."""
        return self._inside(enlarge(self.maps, self.spacing))

    def matte(self) -> torch.Tensor:
        """Return (F, 1, h, w) bool: where something may change."""
        matte = self._inside(enlarge(self.window, self.spacing)) > MATTE_LEVEL
        return matte.expand(len(self.maps), -1, -1, -1)

    def positions(self, box: Box) -> torch.Tensor:
        """Return (K, 2, h, w) pixels x, y of the frame in a box of some frames."""
        span, _, *sides = box
        first = [max(0, side.start // self.spacing - 1) for side in sides]
        coarse = self.maps[span, :2]
        for axis, (side, start) in enumerate(zip(sides, first)):
            coarse = coarse.narrow(
                2 + axis,
                start,
                min(side.stop // self.spacing + 3, self.maps.shape[2 + axis]) - start,
            )
        full = enlarge(coarse.contiguous(), self.spacing)
        for axis, (side, start) in enumerate(zip(sides, first)):
            begin = side.start + self.spacing * (1 - start)  # the lattice overhangs by a cell
            full = full.narrow(2 + axis, begin, side.stop - side.start)
        return full

    def _inside(self, full: torch.Tensor) -> torch.Tensor:
        start, (height, width) = self.spacing, self.size
        return full[..., start : start + height, start : start + width]


def draw(
    clip: ReferenceClip, lookup: Lookup, exact: Sequence[Exact]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return frames (F, 4, h, w) pixels of a clip, looked up, and matte (F, 1, h, w) bool.

    Args:
        exact: what is looked up elsewhere than the maps say, later ones over earlier ones.
    """
    places = [
        (box, where, None if clip.detail is None else _detail_at(clip.detail, box, where))
        for box, where in exact
    ]
    if reference_clip._with_opencv(lookup.maps, clip.frames):
        return _draw_each(clip, lookup, places), lookup.matte()
    full, matte = lookup.enlarged(), lookup.matte()
    for box, where, place in places:
        full[:, :2][box] = where
        if place is not None:
            full[:, 2:][box] = place
    if clip.detail is None:
        return sample_frames(clip.frames, full[:, :2], clip.has_own_motion), matte
    drawn = sample_frames(clip.detail.texture, full[:, 2:])
    if clip.detail.behind is not None:
        covers = drawn[:, 3:].float() / 255
        drawn = clip.detail.behind.float().lerp(drawn.float(), covers).add_(0.5).to(torch.uint8)
    return drawn, matte


def _detail_at(detail: PictureDetail, box: Box, where: torch.Tensor) -> torch.Tensor:
    return detail_place(select_frames(detail, box[0]), where)


def _draw_each(
    clip: ReferenceClip,
    lookup: Lookup,
    places: Sequence[tuple[Box, torch.Tensor, torch.Tensor | None]],
) -> torch.Tensor:
    """Return frames as `draw` does, a frame at a time; their memory is channels last."""
    count, (height, width) = len(lookup.maps), lookup.size
    source = clip.frames if clip.detail is None else clip.detail.texture
    source = source.permute(0, 2, 3, 1).contiguous().numpy()
    how = cv2.INTER_CUBIC if clip.has_own_motion and clip.detail is None else cv2.INTER_LINEAR
    # Of the finer picture where there is one; OpenCV counts from the center of the first pixel.
    coarse = (lookup.maps[:, -2:] - 0.5).numpy()
    rows, columns = (lookup.spacing * side for side in coarse.shape[2:])
    full = np.empty((2, rows, columns), np.float32)
    inside = lookup._inside(torch.from_numpy(full))
    frames = np.empty((count, height, width, 4), np.uint8)
    behind = None if clip.detail is None else clip.detail.behind
    if behind is not None:
        behind = behind.permute(0, 2, 3, 1).contiguous().numpy()
    for index in range(count):
        for plane, out in zip(coarse[index], full):
            cv2.resize(plane, (columns, rows), dst=out, interpolation=cv2.INTER_LINEAR)
        for box, where, place in places:
            part = index - (box[0].start or 0)
            if 0 <= part < len(where):
                found = where[part] if place is None else place[part]
                torch.sub(found, 0.5, out=inside[box[1:]])
        remap(source[index % len(source)], *inside.numpy(), how, frames[index])
        if behind is not None:
            _lay_over(behind[index % len(behind)], frames[index])
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def _lay_over(behind: np.ndarray, frame: np.ndarray) -> None:
    """Lay (h, w, 4) pixels over others, in place, as far as their fourth channel covers those."""
    covers = cv2.cvtColor(cv2.extractChannel(frame, 3), cv2.COLOR_GRAY2RGBA)
    cv2.multiply(frame, covers, dst=frame, scale=1 / 255)
    beyond = cv2.multiply(behind, cv2.bitwise_not(covers, dst=covers), scale=1 / 255)
    cv2.add(frame, beyond, dst=frame)
