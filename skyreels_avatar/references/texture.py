"""The finer picture of a person, looked up where the camera sees it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as functional

from skyreels_avatar.camera import ReferenceVideo
from skyreels_avatar.camera.sharpen import sharpened
from skyreels_avatar.camera.weak_methods import weakly
from skyreels_avatar.faces.inpainting import inpaint, occluded_area
from skyreels_avatar.rig.geometry import smoothstep
from skyreels_avatar.rig.reference_clip import PictureDetail, as_pixels
from skyreels_avatar.rig.torso import torso_box

_KEPT_TEXTURES = 3
FOLLOWING = 0.3  # of the face height: so far round the head pixels move with it
_LEAST_COVER = 0.02  # with less, rounding would become colors of the person
_CONTRAST = 0.5  # of a strand that the matte missed: in the dark a small difference is not there
FOLLOWING_TORSO = 0.03  # and so far round the torso, beside which straight lines would show it
BEYOND = 0.15  # of the longer side: so far beyond a frame a head that moves looks for its pixels
_NECK = (0.1, 0.5)  # face heights below the chin: between them the one goes over into the other


class PersonTexture:
    """A picture of a person, and where each frame of a reference video looks into it.

    Args:
        video: the picture through the camera move.
        landmarks: (478, 3) of the face in the picture.
        picture: (3, H, W) in [0, 1] at the size of the video, or twice as fine.
        occluder: (H, W) in [0, 1] where something covers the face.
    """

    def __init__(
        self,
        video: ReferenceVideo,
        landmarks: torch.Tensor,
        picture: torch.Tensor,
        occluder: np.ndarray | None = None,
    ):
        scene, self._video = video.scene, video
        self._size = torch.tensor(scene.depth.shape[::-1]).float()
        self._margin, self._behind = 0, None
        matte = scene.person[3:]
        if video.is_still and float(matte.min()) > 0.5:  # no background is seen
            pixels = as_pixels(picture[None])[0]
        else:
            matte = torch.maximum(matte, _least_cover(scene.image, scene.background))
            pixels = _cut_out(picture, matte, scene.background)
            self._behind = as_pixels(scene.background[None]) if video.is_still else None
        if occluder is not None:
            pixels = filled_behind(pixels, occluded_area(occluder, landmarks.numpy()))
        if not video.is_still:
            values, self._margin = video.person_canvas
            pixels = _continued(pixels, values, self._margin)
        self._pixels = pixels[None]
        shift = landmarks.new_tensor([self._margin, self._margin, 0])
        scale = (scene.depth.shape[1] + 2 * self._margin) / pixels.shape[2]
        self._person = _following(pixels[3].float() / 255, (landmarks + shift) / scale)
        coarse = self._person.shape[3] / pixels.shape[2] / scale
        self.torso = torso_box(self._person[0, 0], (landmarks + shift) * coarse)
        self._sharpened = lru_cache(_KEPT_TEXTURES)(weakly(self._sharpen))

    def detail(self, start: int, stop: int, box: tuple[int, int, int, int]) -> PictureDetail:
        """Return the detail for a box, left, top, right, bottom, of some frames."""
        (left, top, right, bottom), (width, height) = box, self._size.tolist()
        if self._video.is_still:
            span = (-left, -top, width - left, height - top)
            behind = self._behind
            if behind is not None:
                behind = behind[:, :, top:bottom, left:right]
            return PictureDetail(self._pixels, self._person, None, span, behind)
        maps = np.stack([self._video.person_map(index) for index in range(start, stop)])
        places = torch.from_numpy(maps).float() + self._margin
        places = places * (2 / (self._size + 2 * self._margin)) - 1
        targets = self._video.targets
        more = max(1, round(BEYOND * max(targets.shape[:2])))
        places = _extended(places.permute(0, 3, 1, 2), more)
        first, last = targets[0, 0], targets[-1, -1]
        first, last = first - more * (targets[1, 1] - first), last + more * (last - targets[-2, -2])
        span = (first[0] - left, first[1] - top, last[0] - left, last[1] - top)
        behind = torch.from_numpy(self._video.backgrounds(start, stop, box)).permute(0, 3, 1, 2)
        span = tuple(map(float, span))
        return PictureDetail(self._texture(start, stop), self._person, places, span, behind)

    def _texture(self, start: int, stop: int) -> torch.Tensor:
        """Return the pixels (1 or F, 4, h, w) as sharp as the size of the faces asks for."""
        amounts = self._video.sharpening[start:stop].tolist()
        if not any(amounts):
            return self._pixels
        kept = amounts[:1] if len(set(amounts)) == 1 else amounts
        textures = np.stack([self._sharpened(amount) for amount in kept])
        return torch.from_numpy(textures).permute(0, 3, 1, 2)

    def _sharpen(self, amount: float) -> np.ndarray:
        return sharpened(self._pixels[0].permute(1, 2, 0).contiguous().numpy(), amount)


def _cut_out(picture: torch.Tensor, matte: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
    """Return (4, H, W) pixels of a person without the background in their edge, and their matte.

    Args:
        picture: (3, H, W), of the size of the matte (1, h, w) or twice as fine.
        behind: (3, h, w) the background.
    """
    size = tuple(picture.shape[1:])
    covers, beyond = (
        functional.interpolate(part[None], size, mode="bilinear")[0] for part in (matte, behind)
    )
    own = picture + (1 - covers) / covers.clamp_min(_LEAST_COVER) * (picture - beyond)
    return _with_matte(own, covers)


def _least_cover(picture: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
    """Return (1, h, w) how far a person covers what is behind (3, h, w) at least.

    With less, no color would make the picture (3, h, w) of it: strands that the matte missed would
    stay behind half, as a line beside the person.
    """
    darker = (behind - picture) / behind.clamp_min(_CONTRAST)
    lighter = (picture - behind) / (1 - behind).clamp_min(_CONTRAST)
    return torch.maximum(darker, lighter).amax(0, keepdim=True).clamp(0, 1)


def _extended(places: torch.Tensor, more: int) -> torch.Tensor:
    """Return places (F, 2, h, w) of a grid with more nodes on each side, continued linearly."""
    for axis in (2, 3):
        last = places.shape[axis] - 1
        inner = min(more, last)
        steps = torch.arange(1, more + 1).to(places) / inner
        steps = steps[:, None] if axis == 2 else steps
        ends = [
            outer + steps * (outer - places.narrow(axis, within, 1))
            for outer, within in (
                (places.narrow(axis, 0, 1), inner),
                (places.narrow(axis, last, 1), last - inner),
            )
        ]
        places = torch.cat([ends[0].flip(axis), places, ends[1]], axis)
    return places


def _with_matte(colors: torch.Tensor, matte: torch.Tensor) -> torch.Tensor:
    pixels = as_pixels(colors[None])[0]
    pixels[3] = matte[0].mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
    return pixels


def _continued(pixels: torch.Tensor, canvas: np.ndarray, margin: int) -> torch.Tensor:
    """Return pixels (4, H, W) amid those of a canvas that goes on round them, as fine as they.

    Args:
        canvas: (h + 2 margin, w + 2 margin, 4) premultiplied colors and coverage.
    """
    fine = pixels.shape[2] // (canvas.shape[1] - 2 * margin)
    start = fine * margin
    size = fine * canvas.shape[1], fine * canvas.shape[0]
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_LINEAR)
    colors = canvas[..., :3] / np.maximum(canvas[..., 3:], _LEAST_COVER)
    colors, matte = (torch.from_numpy(part).permute(2, 0, 1) for part in (colors, canvas[..., 3:]))
    whole = _with_matte(colors, matte)
    whole[:, start : start + pixels.shape[1], start : start + pixels.shape[2]] = pixels
    return whole


def filled_behind(pixels: torch.Tensor, hidden: np.ndarray) -> torch.Tensor:
    """Return pixels (C, H, W) uint8 filled where (h, w) hides them."""
    last = pixels.permute(1, 2, 0).contiguous().numpy()
    filled = inpaint(last, cv2.resize(hidden, last.shape[1::-1]))
    return torch.from_numpy(filled).permute(2, 0, 1)


def _following(person: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Return (1, 1, h, w): 1 on a person (H, W) and a little around, falling softly to 0.

    What the matte missed of a head still moves with it.
    """
    height, width = person.shape
    face_px = float((landmarks[10] - landmarks[152])[:2].norm())
    scale = min(1.0, 96.0 / face_px)  # soft, so coarse will do
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    person = cv2.resize(person.numpy(), size, interpolation=cv2.INTER_AREA)
    face = cv2.convexHull((landmarks[:, :2].numpy() * scale).round().astype(np.int32))
    cv2.fillConvexPoly(person, face, 1.0)
    head, torso = (
        cv2.GaussianBlur(cv2.dilate(person, _disc(2 * reach)), (0, 0), reach / 2)
        for reach in (share * face_px * scale for share in (FOLLOWING, FOLLOWING_TORSO))
    )
    rows = torch.arange(person.shape[0]) - landmarks[152, 1] * scale
    below = smoothstep(*(share * face_px * scale for share in _NECK), rows)[:, None]
    return torch.lerp(torch.from_numpy(head), torch.from_numpy(torso), below)[None, None]


def _disc(diameter: float) -> np.ndarray:
    size = round(diameter) | 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
