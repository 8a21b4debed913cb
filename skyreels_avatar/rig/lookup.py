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
from skyreels_avatar.rig.reference_clip import (
    ReferenceClip,
    detail_place,
    enlarge,
    mix_detail,
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
            that is seen; 2 is the window, 0 where nothing ever changes. With a finer picture 3 and
            4 are pixels x, y of that, and 5, where only a part of it may be used, its share.
        spacing: pixels from knot to knot.
        size: height and width in pixels.
    """

    maps: torch.Tensor
    spacing: int
    size: tuple[int, int]

    def enlarged(self) -> torch.Tensor:
        """Return the maps of all pixels, (F, C, h, w)."""
        return self._inside(enlarge(self.maps, self.spacing))

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
        (box, where, None if clip.detail is None else _detail_at(clip, box, where))
        for box, where in exact
    ]
    if reference_clip._with_opencv(lookup.maps, clip.frames):
        return _draw_each(clip, lookup, places)
    full = lookup.enlarged()
    for box, where, place in places:
        full[:, :2][box] = where
        if place is not None:
            full[:, 3:5][box] = place
    matte = full[:, 2:3] > MATTE_LEVEL
    if clip.detail is None:
        return sample_frames(clip.frames, full[:, :2], clip.has_own_motion), matte
    share = full[:, 5:] if full.shape[1] == 6 else None
    drawn, behind = mix_detail(clip, full[:, :2], full[:, 3:5], share), still_behind(clip)
    if behind is not None:
        covers = drawn[:, 3:].float() / 255
        drawn = behind.float().lerp(drawn.float(), covers).add_(0.5).to(torch.uint8)
    return drawn, matte


def still_behind(clip: ReferenceClip) -> torch.Tensor | None:
    """Return what stands still behind the person in a crop, (1, 4, h, w) pixels."""
    if clip.detail is None or clip.detail.behind is None:
        return None
    height, width = clip.frames.shape[2:]
    left, top = (round(-start) for start in clip.detail.span[:2])
    return clip.detail.behind[:, :, top : top + height, left : left + width]


def _detail_at(clip: ReferenceClip, box: Box, where: torch.Tensor) -> torch.Tensor:
    return detail_place(clip.select(box[0]).detail, where)[0]


def _draw_each(
    clip: ReferenceClip,
    lookup: Lookup,
    places: Sequence[tuple[Box, torch.Tensor, torch.Tensor | None]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do the work of `draw`, a frame at a time; the memory of frames is channels last."""
    (count, num_maps), (height, width) = lookup.maps.shape[:2], lookup.size
    has_share = num_maps == 6
    sources = [] if num_maps == 5 else [(clip.frames, 0)]
    if clip.detail is not None:
        sources.append((clip.detail.texture, 3))
    sources = [(pixels.permute(0, 2, 3, 1).contiguous().numpy(), at) for pixels, at in sources]
    how = cv2.INTER_CUBIC if clip.has_own_motion and clip.detail is None else cv2.INTER_LINEAR
    skipped = {0, 1} if num_maps == 5 else set()  # nothing is looked up in the frames
    needed = sorted(set(range(num_maps)) - skipped)
    centers = torch.tensor([0.5, 0.5, 0.0, 0.5, 0.5, 0.0])[:num_maps, None, None]
    coarse = (lookup.maps - centers).numpy()  # OpenCV counts from the center of the first pixel
    rows, columns = (lookup.spacing * side for side in coarse.shape[2:])
    full = np.empty((num_maps, rows, columns), np.float32)
    inside = lookup._inside(torch.from_numpy(full)).numpy()
    frames = np.empty((count, height, width, 4), np.uint8)
    matte = np.empty((count, height, width), bool)
    finer = np.empty((height, width, 4), np.uint8)
    behind = still_behind(clip)
    if behind is not None:
        behind = behind[0].permute(1, 2, 0).contiguous().numpy()
    for index in range(count):
        for plane in needed:
            cv2.resize(
                coarse[index, plane], (columns, rows), dst=full[plane],
                interpolation=cv2.INTER_LINEAR,
            )  # fmt: skip
        for box, where, place in places:
            part = index - (box[0].start or 0)
            if 0 <= part < len(where):
                inside[0:2][box[1:]] = where[part].numpy() - 0.5
                if place is not None:
                    inside[3:5][box[1:]] = place[part].numpy() - 0.5
        np.greater(inside[2], MATTE_LEVEL, out=matte[index])
        pixels, at = sources[0]
        remap(pixels[index % len(pixels)], *inside[at : at + 2], how, frames[index])
        if has_share:
            pixels, at = sources[1]
            part = _covered(inside[5])
            share, over, under = (side[part] for side in (inside[5], finer, frames[index]))
            remap(pixels[index % len(pixels)], *inside[(slice(at, at + 2), *part)], how, over)
            cv2.blendLinear(over, under, np.ascontiguousarray(share), 1 - share, dst=under)
        if behind is not None:
            covers = np.multiply(frames[index, ..., 3], np.float32(1 / 255))
            cv2.blendLinear(frames[index], behind, covers, 1 - covers, dst=frames[index])
    return torch.from_numpy(frames).permute(0, 3, 1, 2), torch.from_numpy(matte)[:, None]


def _covered(share: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of the smallest box outside of which a share (h, w) is 0."""
    sides = []
    for axis in (1, 0):
        found = np.flatnonzero(share.max(axis) > 0)
        sides.append(slice(found[0], found[-1] + 1) if len(found) else slice(0, 1))
    return tuple(sides)
