"""The finer picture of a person, looked up where the camera sees it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as functional

from skyreels_avatar.camera import ReferenceVideo
from skyreels_avatar.camera.sharpen import sharpened
from skyreels_avatar.faces.inpainting import inpaint, occluded_area
from skyreels_avatar.rig.geometry import smoothstep
from skyreels_avatar.rig.reference_clip import PictureDetail, as_pixels
from skyreels_avatar.rig.torso import torso_box

_KEPT_TEXTURES = 3
FOLLOWING = 0.08  # of the face height: so far round the head pixels move with it
FOLLOWING_FREELY = 0.3  # and so far where they are cut out and what is behind them is known
_LEAST_COVER = 0.1  # with less, noise of the background would become colors of the person
FOLLOWING_TORSO = 0.03  # and so far round the torso, beside which straight lines would show it
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
        hidden = None
        if occluder is None:
            self._pixels = as_pixels(picture[None])
        else:
            hidden = torch.from_numpy(occluded_area(occluder, landmarks.numpy()))
            self._pixels = as_pixels(filled_behind(picture, hidden.numpy())[None].numpy())
        self._share = None
        mask = scene.person_mask[None, None]
        still = mask if occluder is None else (mask - torch.from_numpy(occluder)).clamp_min(0)
        self._person, self._behind = _following(still, landmarks, FOLLOWING), None
        coarse = self._person.shape[3] / mask.shape[3]
        self.torso = torso_box(self._person[0, 0], landmarks * coarse)
        if video.path.is_static():
            if occluder is None:
                self._cut_out(picture, landmarks)
        else:
            # Behind the person another layer moves differently: only the person is looked up.
            self._share = (2 * -functional.max_pool2d(-mask, 5, 1, 2) - 1).clamp(0, 1)
            if hidden is not None:
                self._share = torch.maximum(self._share, hidden)
        self._size = torch.tensor(scene.depth.shape[::-1]).float()
        self._sharpened = lru_cache(_KEPT_TEXTURES)(self._sharpen)

    def _cut_out(self, picture: torch.Tensor, landmarks: torch.Tensor) -> None:
        """Take the background out of the person's edge, and write the matte into channel 4."""
        scene = self._video.scene
        matte, behind = scene.person[3:], scene.background
        if float(matte.min()) > 0.5:  # no background was seen
            return
        size = tuple(picture.shape[1:])
        covers, beyond = (
            functional.interpolate(part[None], size, mode="bilinear")[0] for part in (matte, behind)
        )
        own = picture + (1 - covers) / covers.clamp_min(_LEAST_COVER) * (picture - beyond)
        self._pixels = as_pixels(own.clamp_(0, 1)[None])
        self._pixels[0, 3] = covers[0].mul(255).add_(0.5).to(torch.uint8)
        self._behind = as_pixels(behind[None])
        self._person = _following(matte[None], landmarks, FOLLOWING_FREELY)

    def detail(self, start: int, stop: int, left: int, top: int) -> PictureDetail:
        """Return the detail for a crop of some frames that begins at (left, top)."""
        width, height = self._size.tolist()
        if self._share is None:
            nodes = torch.tensor([[[-1.0, 1.0], [-1.0, 1.0]], [[-1.0, -1.0], [1.0, 1.0]]])
            positions = nodes.expand(stop - start, -1, -1, -1)
            span = (-left, -top, width - left, height - top)
            return PictureDetail(self._pixels, None, self._person, positions, span, self._behind)
        maps = [self._video.person_map(index) for index in range(start, stop)]
        positions = torch.from_numpy(np.stack(maps)).float() * (2 / self._size) - 1
        targets = self._video.targets
        first, last = targets[0, 0], targets[-1, -1]
        span = (first[0] - left, first[1] - top, last[0] - left, last[1] - top)
        positions = positions.permute(0, 3, 1, 2)
        span = tuple(map(float, span))
        texture = self._texture(start, stop)
        return PictureDetail(texture, self._share, self._person, positions, span)

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


def filled_behind(picture: torch.Tensor, hidden: np.ndarray) -> torch.Tensor:
    """Return (H, W, 3) uint8: a picture (3, H, W) in [0, 1] filled where (h, w) hides it."""
    pixels = picture.mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8)
    pixels = pixels.permute(1, 2, 0).contiguous().numpy()
    size = pixels.shape[1::-1]
    return torch.from_numpy(inpaint(pixels, cv2.resize(hidden, size)))


def _following(mask: torch.Tensor, landmarks: torch.Tensor, reach_head: float) -> torch.Tensor:
    """Return (1, 1, h, w): 1 on the person and a little around, falling softly to 0.

    What the matte missed of a head still moves with it, and the background stretches over a
    narrow band instead of swimming along.

    Args:
        reach_head: width of the band round the head, as a share of the face height.
    """
    height, width = mask.shape[2:]
    face_px = float((landmarks[10] - landmarks[152])[:2].norm())
    scale = min(1.0, 96.0 / face_px)  # soft, so coarse will do
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    person = cv2.resize(mask[0, 0].numpy(), size, interpolation=cv2.INTER_AREA)
    face = cv2.convexHull((landmarks[:, :2].numpy() * scale).round().astype(np.int32))
    cv2.fillConvexPoly(person, face, 1.0)
    head, torso = (
        cv2.GaussianBlur(cv2.dilate(person, _disc(2 * reach)), (0, 0), reach / 2)
        for reach in (share * face_px * scale for share in (reach_head, FOLLOWING_TORSO))
    )
    rows = torch.arange(person.shape[0]) - landmarks[152, 1] * scale
    below = smoothstep(*(share * face_px * scale for share in _NECK), rows)[:, None]
    return torch.lerp(torch.from_numpy(head), torch.from_numpy(torso), below)[None, None]


def _disc(diameter: float) -> np.ndarray:
    size = round(diameter) | 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
