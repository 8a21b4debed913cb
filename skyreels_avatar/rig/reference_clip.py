"""A crop of the reference video for the renderer, and sampling it at any positions.

Pictures are bytes, (F, 4, h, w) uint8 of `as_pixels`: red, green, blue, and a fourth channel, which
is read only where it holds the matte of `PictureDetail`. OpenCV looks such pictures up three times
as fast as floats of three channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.rig.geometry import select_frames
from skyreels_avatar.rig.mouth import MouthLook

STREAKS = (1.5, 3.0)  # times stretched: where texture begins to be streaks, and is all streaks
UNFOLDED = (1.0, 1.25)  # times stretched: where skin begins to be a lid's that unfolds, and is it
UNFOLDED_SOFT = 0.02  # of H: half the softness of a lid's edge
STREAK_WIDTH = 0.08  # of H


@dataclass(frozen=True)
class PictureDetail:
    """A finer texture of the picture: keeps a moving face sharp and the background still.

    Attributes:
        texture: (1 or F, 4, Hs, Ws) pixels, about twice as fine as the frames.
        person: (1, 1, Hm, Wm) in [0, 1], how far the picture follows the head: 1 on the person
            and close by, 0 in the background; None is 1.
        positions: (F, 2, rows, columns), where in the texture (-1..1) lie the nodes of a grid
            over the crop: what the camera does. Between nodes it is interpolated linearly. None is
            the whole texture, as a still camera sees it.
        span: left, top, right, bottom pixels of the crop where the first and last nodes are.
        behind: (1 or F, 4, h, w) pixels, what the crop shows behind the person. The fourth
            channel of the texture is then how far it covers that; None if what is behind moves
            along.
    """

    texture: torch.Tensor
    person: torch.Tensor | None
    positions: torch.Tensor | None
    span: tuple[float, float, float, float]
    behind: torch.Tensor | None = None

    def to(self, device: torch.device) -> PictureDetail:
        """Return the same on another device."""
        tensors = self.texture, self.person, self.positions, self.behind
        texture, person, positions, behind = (
            None if one is None else one.to(device) for one in tensors
        )
        return PictureDetail(texture, person, positions, self.span, behind)


@dataclass(frozen=True)
class ReferenceClip:
    """The talking crop of some frames of the reference video.

    Attributes:
        frames: (F, 4, h, w) pixels.
        landmarks: (F, 478, 3) in pixels of the crop (centers at +0.5).
        positions: (F,) where each frame lies on the motion clock, in frames from the start of the
            latents it is decoded with; fractions are interpolated.
        look: the inside of this person's mouth, of `make_look`.
        detail: a finer source for the same pixels, where there is one.
        region: left, top, right, bottom in face coordinates of what may change; None is all.
        has_own_motion: the face in the frames moves by itself.
        edges: (F or 1, 4, 4) of `picture_edges`; None is a picture without end.
        rest: (1, 478, 3) the face at rest, in face coordinates; None is the mean of the frames, or
            each of them where it deforms.
    """

    frames: torch.Tensor
    landmarks: torch.Tensor
    positions: torch.Tensor
    look: MouthLook
    detail: PictureDetail | None = None
    region: tuple[float, float, float, float] | None = None
    has_own_motion: bool = False
    edges: torch.Tensor | None = None
    rest: torch.Tensor | None = None

    @property
    def is_still(self) -> bool:
        """Whether the camera sees the face at rest at one place in all frames."""
        parts = [self.landmarks, None if self.detail is None else self.detail.positions]
        return all(part is None or bool((part == part[:1]).all()) for part in parts)

    def select(self, frames: slice) -> ReferenceClip:
        """Return some of the frames, with the look of all."""
        detail = None if self.detail is None else select_frames(self.detail, frames)
        return select_frames(replace(self, detail=detail), frames)


def as_pixels(pictures: torch.Tensor | np.ndarray) -> torch.Tensor:
    """Return (F, 4, h, w) pixels of (F, 3, h, w) in [0, 1] or of (F, h, w, 3) bytes."""
    if isinstance(pictures, torch.Tensor):
        pictures = pictures.mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
        pictures = pictures.permute(0, 2, 3, 1).cpu().contiguous().numpy()
    pixels = np.empty((*pictures.shape[:3], 4), np.uint8)
    for picture, out in zip(pictures, pixels):
        cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA, dst=out)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def sample_clip(clip: ReferenceClip, positions: torch.Tensor) -> torch.Tensor:
    """Return the pixels (F, 4, h, w) of a clip at (F, 2, h, w) x, y (centers at +0.5)."""
    if clip.detail is None:
        return sample_frames(clip.frames, positions, clip.has_own_motion)
    return sample_frames(clip.detail.texture, detail_place(clip.detail, positions))


def detail_place(detail: PictureDetail, positions: torch.Tensor) -> torch.Tensor:
    """Return where in the texture pixels at (F, 2, h, w) of frames lie: (F, 2, h, w) pixels."""
    rows, columns = detail.texture.shape[2:]
    half = positions.new_tensor([columns / 2, rows / 2])[:, None, None]
    return (_place(detail, positions) + 1) * half


def follows_head(detail: PictureDetail, positions: torch.Tensor) -> torch.Tensor | float:
    """Return how far pixels at (F, 2, h, w) follow the head: (F, 1, h, w), or 1."""
    return 1.0 if detail.person is None else _masked(detail.person, _place(detail, positions))


def _place(detail: PictureDetail, positions: torch.Tensor) -> torch.Tensor:
    """Return where in the picture (F, 2, h, w), -1..1, the pixels at (F, 2, h, w) of frames lie."""
    left, top, right, bottom = detail.span
    scale = positions.new_tensor([2 / (right - left), 2 / (bottom - top)])
    shift = positions.new_tensor([left, top]) * scale + 1
    if detail.positions is None:
        return torch.addcmul(-shift[:, None, None], positions, scale[:, None, None])
    grid = torch.addcmul(-shift, positions.permute(0, 2, 3, 1), scale)
    count = len(detail.positions)
    return F.grid_sample(
        detail.positions, grid.expand(count, -1, -1, -1),
        mode="bilinear", padding_mode="border", align_corners=True,
    )  # fmt: skip


def _masked(mask: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Sample a mask (1, 1, Hm, Wm) at (F, 2, h, w), -1..1: (F, 1, h, w)."""
    height, width = place.shape[2:]
    tall = place.permute(0, 2, 3, 1).reshape(1, -1, width, 2)
    found = F.grid_sample(
        mask, tall, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    return found.reshape(-1, 1, height, width)


def sample_frames(
    frames: torch.Tensor, positions: torch.Tensor, cubic: bool = False
) -> torch.Tensor:
    """Sample (F or 1, 4, H, W) pixels at (F, 2, h, w) x, y (centers at +0.5).

    Beyond the borders the frames are mirrored. On a CPU OpenCV does it, to 1/32 of a pixel.

    Args:
        cubic: bicubic, which keeps more of the sharpness, else bilinear.
    """
    if _with_opencv(frames, positions):
        return _remapped(frames, positions, cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR)
    height, width = frames.shape[-2:]
    grid = positions.permute(0, 2, 3, 1) * positions.new_tensor([2 / width, 2 / height]) - 1
    found = F.grid_sample(
        frames.float().expand(len(positions), -1, -1, -1), grid,
        mode="bicubic" if cubic else "bilinear", padding_mode="reflection", align_corners=False,
    )  # fmt: skip
    return _rounded(found.clamp(0, 255) if cubic else found)


def _rounded(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels + 0.5).to(torch.uint8)


def stretched_rows(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return (F, 1, h, w) by how much rows of a picture are stretched more than before.

    Args:
        before, after: (F, 2, h, w) pixels x, y that are looked at.
    """
    squares = [(rows[:, :, 1:] - rows[:, :, :-1]) ** 2 for rows in (before, after)]
    steps = [(square[:, :1] + square[:, 1:]).sqrt() for square in squares]
    return F.pad(steps[0] / steps[1].clamp_min(1e-3), (0, 0, 0, 1), mode="replicate")


def streaks(stretch: torch.Tensor) -> torch.Tensor:
    """Return (F, 1, h, w) in [0, 1] where texture is streaks; see `stretched_rows`."""
    return _between(STREAKS, stretch)


def unfolded(stretch: torch.Tensor, face_px: float) -> torch.Tensor:
    """Return (F, 1, h / 2, w / 2) in [0, 1], softly, where skin unfolds; see `stretched_rows`.

    Args:
        face_px: height of the face in pixels of what is returned.
    """
    stretched = half_as_fine(_between(UNFOLDED, stretch))
    reach = max(1, round(UNFOLDED_SOFT * face_px))
    size = 2 * reach + 1
    if not _with_opencv(stretched):
        across = F.max_pool2d(stretched, (1, size), 1, (0, reach))
        return F.avg_pool2d(across, size, 1, reach, count_include_pad=False)
    across, how = np.ones((1, size), np.uint8), cv2.BORDER_CONSTANT
    inside = cv2.blur(np.ones(stretched.shape[2:], np.float32), (size, size), borderType=how)
    means = np.empty(stretched.shape, np.float32)
    for plane, out in zip(stretched.numpy()[:, 0], means[:, 0]):
        cv2.blur(cv2.dilate(plane, across), (size, size), dst=out, borderType=how)
    return torch.from_numpy(means / inside)


def _between(ends: tuple[float, float], values: torch.Tensor) -> torch.Tensor:
    return ((values - ends[0]) / (ends[1] - ends[0])).clamp_(0.0, 1.0)


def half_as_fine(maps: torch.Tensor) -> torch.Tensor:
    """Return (F, C, h / 2, w / 2) means of four of (F, C, h, w), whose sides are even."""
    if not _with_opencv(maps):
        return F.avg_pool2d(maps, 2)
    pictures = maps.permute(0, 2, 3, 1).contiguous().numpy()
    count, height, width, channels = pictures.shape
    halves = np.empty((count, height // 2, width // 2, channels), np.float32)
    for picture, out in zip(pictures, halves):
        cv2.resize(picture, out.shape[1::-1], dst=out, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(halves).permute(0, 3, 1, 2)


def soften_streaks(frames: torch.Tensor, stretched: torch.Tensor, face_px: float) -> torch.Tensor:
    """Soften (F, C, h, w) along rows that are stretched, (F, 1, h, w): texture is streaks there.

    Args:
        face_px: height of the face in pixels of the frames.
    """
    across = 2 * round(STREAK_WIDTH * face_px / 2) + 1
    weight = _means_of_rows(stretched, across).clamp_min(1e-4)
    soft = _means_of_rows(frames * stretched, across) / weight
    return torch.lerp(frames, soft, stretched)


def _means_of_rows(maps: torch.Tensor, across: int) -> torch.Tensor:
    """Return (F, C, h, w) means of `across` columns, zero beyond the borders."""
    if not _with_opencv(maps):
        return F.avg_pool2d(maps, (1, across), 1, (0, across // 2))
    pictures = maps.permute(0, 2, 3, 1).contiguous().numpy()
    means = np.empty_like(pictures)
    for picture, out in zip(pictures, means):
        cv2.blur(picture, (across, 1), dst=out, borderType=cv2.BORDER_CONSTANT)
    return torch.from_numpy(means).permute(0, 3, 1, 2)


def enlarge(maps: torch.Tensor, factor: int) -> torch.Tensor:
    """Return (F, C, h, w) maps interpolated linearly to (F, C, factor h, factor w)."""
    count, channels, height, width = maps.shape
    if not _with_opencv(maps):
        return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    planes = maps.reshape(-1, height, width).numpy()
    full = np.empty((len(planes), factor * height, factor * width), np.float32)
    for plane, out in zip(planes, full):
        cv2.resize(plane, out.shape[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(full).unflatten(0, (count, channels))


def _with_opencv(*tensors: torch.Tensor) -> bool:
    """Return whether OpenCV can be used: on a CPU, several times as fast as PyTorch's kernels."""
    return all(t.device.type == "cpu" and not t.requires_grad for t in tensors)


def _remapped(frames: torch.Tensor, positions: torch.Tensor, how: int) -> torch.Tensor:
    """Do the work of `sample_frames`; the result's memory is channels last."""
    sources = frames.permute(0, 2, 3, 1).contiguous().numpy()
    count, _, height, width = positions.shape
    found = np.empty((count, height, width, sources.shape[-1]), np.uint8)
    for index in range(count):
        x, y = (positions[index] - 0.5).numpy()
        remap(sources[index % len(sources)], x, y, how, found[index])
    return torch.from_numpy(found).permute(0, 3, 1, 2)


def remap(source: np.ndarray, x: np.ndarray, y: np.ndarray, how: int, out: np.ndarray) -> None:
    """Look (H, W, C) pixels up at (h, w) columns and rows, counted from the first pixel's center.

    Args:
        how: an interpolation of OpenCV.
        out: (h, w, C), which is filled.
    """
    cv2.remap(source, x, y, how, dst=out, borderMode=cv2.BORDER_REFLECT)
