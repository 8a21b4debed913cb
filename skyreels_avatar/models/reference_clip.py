"""The piece of the reference video that a decoder works on, and looking it up anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from skyreels_avatar.models.mouth import MouthLook


@dataclass(frozen=True)
class PictureDetail:
    """A finer copy of the picture, so that a moving face keeps the sharpness of a still one.

    Attributes:
        texture: (1, 3, Hs, Ws) in [0, 1], about twice as fine as the frames.
        share: (1, 1, Hm, Wm) in [0, 1], where the texture may replace the frames; None is 1.
        positions: (F, 2, rows, columns), where in the texture (-1..1) lie the nodes of a grid
            over the crop: what the camera does. Between nodes it is interpolated linearly.
        span: left, top, right, bottom pixels of the crop where the first and last nodes are.
    """

    texture: torch.Tensor
    share: torch.Tensor | None
    positions: torch.Tensor
    span: tuple[float, float, float, float]


@dataclass(frozen=True)
class ReferenceClip:
    """The talking crop of some frames of the reference video.

    Attributes:
        frames: (F, 3, h, w) in [0, 1].
        landmarks: (F, 478, 3) in pixels of the crop (centres at +0.5).
        positions: (F,) where each frame lies on the motion clock, in frames from the start of the
            latents it is decoded with; fractions are interpolated.
        look: the inside of this person's mouth, from `ReferenceMotionVAE.look_of`.
        detail: a finer source for the same pixels, where there is one.
    """

    frames: torch.Tensor
    landmarks: torch.Tensor
    positions: torch.Tensor
    look: MouthLook
    detail: PictureDetail | None = None


def sample_clip(clip: ReferenceClip, positions: torch.Tensor) -> torch.Tensor:
    """Look the frames of a clip up at (F, h, w, 2) pixel positions (centres at +0.5)."""
    if clip.detail is None:
        return sample_frames(clip.frames, positions)
    place, share = detail_place(clip.detail, positions)
    return mix_detail(clip, positions, place, share)


def detail_place(
    detail: PictureDetail, positions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return where in the texture (F, 2, h, w), and with which share (F, 1, h, w), pixels lie."""
    left, top, right, bottom = detail.span
    scale = positions.new_tensor([2 / (right - left), 2 / (bottom - top)])
    grid = (positions - positions.new_tensor([left, top])) * scale - 1
    place = F.grid_sample(
        detail.positions, grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    if detail.share is None:
        return place, None
    return place, _look_tall(detail.share, place)


def mix_detail(
    clip: ReferenceClip, positions: torch.Tensor, place: torch.Tensor, share: torch.Tensor | None
) -> torch.Tensor:
    """Return (F, 3, h, w): the texture at `place`, by its share over the frames at `positions`."""
    fine = _look_tall(clip.detail.texture, place)
    return fine if share is None else sample_frames(clip.frames, positions).lerp_(fine, share)


def sample_frames(frames: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Look (F, 3, H, W) frames up at (F, h, w, 2) pixel positions (centres at +0.5)."""
    height, width = frames.shape[-2:]
    return _look(frames, positions * positions.new_tensor([2 / width, 2 / height]) - 1)


def _look_tall(picture: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Look one (1, C, H, W) picture up for F frames: stacked in one tall frame, not copied."""
    num_frames, _, height, width = place.shape
    tall = place.permute(0, 2, 3, 1).reshape(1, -1, width, 2)
    found = _look(picture, tall).reshape(-1, num_frames, height, width)
    return found.transpose(0, 1)


def _look(picture: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return F.grid_sample(
        picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
