"""Real mouths: what portraits that smile show between the lips, in the decoder's patch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    MOUTH_CORNERS,
    FaceFrame,
    guess_teeth_edge,
    interpolate_columns,
)
from skyreels_avatar.rig.mouth import MOUTH_PATCH, patch_axes
from skyreels_avatar.rig.mouth_light import colors_nearest, monochrome, shown_teeth
from train.data.simulate.portraits import FacePicture

LIP_POINTS = (11, 72, 302, 16, 85, 315, 73, 303, 86, 316)
MIN_GAP = 0.022  # of H between the lips at their widest
MIN_PIXELS = 250
LIP_RED = 0.03  # lips must be redder than the teeth by this share to be told apart
EDGE = 0.0017  # half a patch pixel in H


@dataclass(frozen=True)
class RealMouths:
    """M mouths: colors (M, 3, 64, 128), what of them is seen (M, 1, 64, 128) and where it lies.

    Attributes:
        upper, lower: (M, 128) lip edges as the colors show them.
        teeth: (M, 3) color of the lit teeth.
        half_width, teeth_edge: (M,) as in `MouthLook`.
        kept_out: (M,) bool, for validation only.
    """

    colors: torch.Tensor
    seen: torch.Tensor
    upper: torch.Tensor
    lower: torch.Tensor
    teeth: torch.Tensor
    half_width: torch.Tensor
    teeth_edge: torch.Tensor
    kept_out: torch.Tensor


def real_mouths(faces: list[FacePicture]) -> RealMouths:
    """Return the mouths of all pictures in color whose teeth can be told from the lips."""
    found = [mouth for face in faces if (mouth := _mouth_of(face)) is not None]
    return RealMouths(*(torch.stack(values) for values in zip(*found)))


def _mouth_of(face: FacePicture) -> tuple[torch.Tensor, ...] | None:
    landmarks = torch.from_numpy(face.landmarks).float()
    frame = FaceFrame.of(landmarks[None])
    points = frame.points[0]
    if float(points[14, 1] - points[13, 1]) < MIN_GAP:
        return None
    picture = torch.tensor(face.pixels()).permute(2, 0, 1).float() / 255
    teeth = shown_teeth(picture, landmarks, points)
    if teeth is None or float(monochrome(picture)[0]) < 0.9:
        return None
    lips = colors_nearest(picture, landmarks[list(LIP_POINTS), :2]).median(0).values
    if float(_redness(lips) - _redness(teeth)) < LIP_RED:
        return None
    colors = cut_patch(picture, frame)
    x, y = patch_axes()
    edges = [
        interpolate_columns(x[None], points[list(row), 0][None], points[list(row), 1][None])[0]
        for row in (INNER_UPPER, INNER_LOWER)
    ]
    inside = (y[:, None] > edges[0] - 0.004) & (y[:, None] < edges[1] + 0.004)
    inside &= (edges[1] - edges[0] > MIN_GAP / 4) & (x > points[78, 0]) & (x < points[308, 0])
    limit = (_redness(teeth) + _redness(lips)) / 2
    lip_like = (_redness(colors) > limit) & (colors.mean(0) > 0.33 * teeth.mean())
    shown = inside & ~lip_like
    upper, lower = _edges(shown, y)
    seen = shown & (y[:, None] > upper + EDGE) & (y[:, None] < lower - EDGE)
    if int(seen.sum()) < MIN_PIXELS:
        return None
    half_width = (points[MOUTH_CORNERS[1], 0] - points[MOUTH_CORNERS[0], 0]).abs() / 2
    kept_out = torch.tensor(face.kept_out)
    edge = guess_teeth_edge(points)
    return colors, seen[None], upper, lower, teeth, half_width, edge, kept_out


def cut_patch(picture: torch.Tensor, frame: FaceFrame) -> torch.Tensor:
    """Return (3, 64, 128), a picture (3, h, w) in the coordinates of the mouth patch."""
    x, y = patch_axes()
    points = torch.stack([x.expand(MOUTH_PATCH), y[:, None].expand(MOUTH_PATCH)], -1)
    pixels = frame.to_pixels(points[None])
    grid = pixels * 2 / torch.tensor([picture.shape[2], picture.shape[1]]) - 1
    looked = F.grid_sample(
        picture[None], grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    return looked[0].clamp(0.0, 1.0)


def _redness(color: torch.Tensor) -> torch.Tensor:
    """Return the share of red in colors (3, ...)."""
    return color[0] / (color.sum(0) + 1e-3)


def _edges(shown: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first and last shown y (128,) of each column, smoothed; equal where none is."""
    far = torch.full_like(y, 9.0)[:, None]
    first = torch.where(shown, y[:, None], far).amin(0) - EDGE
    last = torch.where(shown, y[:, None], -far).amax(0) + EDGE
    shut = ~shown.any(0)
    middle = y[shown.nonzero()[:, 0]].mean() if shown.any() else y.mean()
    smooth = []
    for edge in (torch.where(shut, middle, first), torch.where(shut, middle, last)):
        padded = F.pad(edge[None, None], (3, 3), mode="replicate")[0, 0]
        smooth.append(padded.unfold(0, 7, 1).median(-1).values)
    return smooth[0], torch.maximum(*smooth)
