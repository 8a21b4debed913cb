"""Where the large eyes of a drawn face really are.

Face meshes are fitted to photos: into a cartoon's large round eyes they lay lids of the usual
size, and a blink would close those. A small network looks at such eyes again; where the mesh
agrees with it, and in all that has eyes of the usual size, the mesh is kept.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import nn

from skyreels_avatar.rig.geometry import BROWS, EYES, IRISES, LARGE_EYE, FaceFrame

CROP_PX = 64
CROP_HALF = 0.25  # of H: half the side of a crop
NUM_UPPER, NUM_LOWER = 9, 7  # points of the lids; both corners are of the upper one
AGREES = 0.65  # overlap of mesh and network, of their union: if one eye has it, both are kept
FRONTAL = 0.6  # the narrower eye, of the wider: less is a head that is turned away
UNSURE = 0.10  # spread of what is found in shifted crops, of the eye's width
_LOOKS = ((0.0, 0.0, 1.0), (0.03, 0.02, 1.0), (-0.03, -0.02, 1.0), (0.02, -0.02, 0.85),
          (-0.02, 0.02, 1.18))  # fmt: skip
_LID_TO_BROW = 0.45  # the fold, on the way from the lid to the brow


class EyeFinder(nn.Module):
    """Find lids and iris of a person's right eye, left eyes mirrored, in crops of 64 x 64."""

    def __init__(self, dims: tuple[int, ...] = (24, 48, 80, 112)):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *dims), dims):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        side = CROP_PX >> len(dims)
        self.head = nn.Sequential(nn.Linear(dims[-1] * side**2, 128), nn.SiLU())
        self.out = nn.Linear(128, 2 * (NUM_UPPER + NUM_LOWER + 1) + 1)

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Look at crops (N, 3, 64, 64) in 0..1.

        Returns:
            points (N, 17, 2) in -1..1 of the crop: upper lid from left to right, lower lid
            between the corners, middle of the iris; and the iris' radius (N,).
        """
        mean = crops.mean((1, 2, 3), keepdim=True)
        spread = crops.std((1, 2, 3), keepdim=True) + 0.02
        hidden = self.head(self.features((crops - mean) / spread).flatten(1))
        found = self.out(hidden).float()
        return found[:, :-1].unflatten(1, (-1, 2)), found[:, -1]


def eye_crop(
    pixels: np.ndarray, frame: FaceFrame, middle: np.ndarray, half: float, mirrored: bool
) -> np.ndarray:
    """Return a crop (64, 64, 3) uint8, upright in the face, of (H, W, 3) uint8 pixels.

    Args:
        frame: of one face, in pixels.
        middle: (2,) face coordinates.
        half: half the side, in face heights.
    """
    axes = frame.axes[0].double().numpy()
    per_px = 2 * half / CROP_PX * float(frame.height_px[0])
    shrink = min(1.0, 1.0 / per_px)
    if shrink < 0.9:
        pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    else:
        shrink = 1.0
    at = frame.to_pixels(torch.as_tensor(middle)[None, None].float())[0, 0].double().numpy()
    right, down = axes[0] * (-1 if mirrored else 1), axes[1]
    to_source = np.stack([right, down], 1) * per_px * shrink
    start = at * shrink - 0.5 - to_source @ np.full(2, (CROP_PX - 1) / 2)
    matrix = np.concatenate([to_source, start[:, None]], 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        pixels, matrix, (CROP_PX, CROP_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


@torch.no_grad()
def correct_eyes(finder: EyeFinder, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 3) landmarks with lids and irises where the picture shows them.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels of the face mesh; returned as they are unless the head is seen
            from the front and both eyes are large, and elsewhere, for sure.
    """
    frame = FaceFrame.of(torch.from_numpy(landmarks).float()[None])
    flat = frame.points[0, :, :2].numpy()
    widths = [float(np.linalg.norm(flat[upper[-1]] - flat[upper[0]])) for upper, *_ in EYES]
    if min(widths) < FRONTAL * max(widths):
        return landmarks
    found = [_find(finder, pixels, frame, flat, eye) for eye in (0, 1)]
    if any(one is None for one in found):
        return landmarks
    agreement = [
        _overlap(_outline(flat[list(EYES[eye][0])], flat[list(EYES[eye][1][1:-1])]),
                 _outline(points[:NUM_UPPER], points[NUM_UPPER:-1]))
        for eye, (points, _) in enumerate(found)
    ]  # fmt: skip
    heights = [float(np.ptp(points[[4, 12], 1])) for points, _ in found]
    if max(agreement) > AGREES or min(heights) < LARGE_EYE:
        return landmarks
    for eye, (points, radius) in enumerate(found):
        _put(flat, eye, points, radius)
    moved = landmarks.copy()
    changed = sorted({i for eye in EYES for ring in eye for i in ring} | set(sum(IRISES, ())))
    at = frame.to_pixels(torch.from_numpy(flat[changed])[None])[0].numpy()
    moved[changed, :2] = at
    return moved


def _find(
    finder: EyeFinder, pixels: np.ndarray, frame: FaceFrame, flat: np.ndarray, eye: int
) -> tuple[np.ndarray, float] | None:
    """Return points (17, 2) and the iris' radius in face coordinates; None when unsure."""
    corners = flat[[EYES[eye][0][0], EYES[eye][0][-1]]]
    middle, sign = corners.mean(0), -1.0 if eye else 1.0

    def look(views) -> tuple[np.ndarray, np.ndarray]:
        crops, placed = [], []
        for x, y, zoom in views:
            at = middle + np.float32([x, y])
            crops.append(eye_crop(pixels, frame, at, CROP_HALF * zoom, eye == 1))
            placed.append((at, CROP_HALF * zoom))
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        points, radius = finder(batch.to(next(finder.parameters())))
        points = points.cpu().numpy() * np.float32([sign, 1.0])
        points = np.stack([at + half * one for one, (at, half) in zip(points, placed)])
        return points, radius.cpu().numpy() * np.float32([half for _, half in placed])

    first, _ = look(_LOOKS[:1])
    middle = first[0, : NUM_UPPER + NUM_LOWER].mean(0)
    several, radii = look(_LOOKS)
    points = np.median(several, 0)
    width = float(np.linalg.norm(points[NUM_UPPER - 1] - points[0]))
    spread = float(np.abs(several - points).mean()) / max(width, 1e-3)
    if spread > UNSURE:
        return None
    if eye:  # from left to right again
        lids = points[:NUM_UPPER][::-1], points[NUM_UPPER:-1][::-1]
        points = np.concatenate([*lids, points[-1:]])
    return points, float(np.median(radii))


def _outline(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the (16, 2) outline of an eye."""
    return np.concatenate([upper, lower[::-1]])


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the shared area of two outlines, of their union."""
    low = np.minimum(first.min(0), second.min(0))
    scale = 200 / max(float(np.ptp(np.concatenate([first, second]), axis=0).max()), 1e-6)
    masks = []
    for outline in (first, second):
        corners = np.round((outline - low) * scale).astype(np.int32)
        masks.append(cv2.fillPoly(np.zeros((208, 208), np.uint8), [corners], 1) > 0)
    return float((masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1))


def _put(flat: np.ndarray, eye: int, points: np.ndarray, radius: float) -> None:
    """Move the rings and the iris of one eye in (478, 2) face coordinates, in place."""
    upper, lower, fold, bag = (list(ring) for ring in EYES[eye])
    lids = points[:NUM_UPPER]
    brow = flat[list(BROWS[eye])]
    order = brow[:, 0].argsort()
    above = np.interp(lids[:, 0], brow[order, 0], brow[order, 1])
    flat[upper] = lids
    flat[lower[1:-1]] = points[NUM_UPPER:-1]
    room = (_LID_TO_BROW * (lids[:, 1] - above)).clip(0.03, 0.08)
    flat[fold] = lids - np.stack([np.zeros_like(room), room], 1)
    under = np.concatenate([lids[:1], points[NUM_UPPER:-1], lids[-1:]])
    flat[bag] = under + np.float32([0.0, 0.04])
    flat[[fold[0], fold[-1]]] = lids[[0, -1]]  # fold and bag meet at the corners
    around = np.float32([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * radius
    flat[list(IRISES[eye])] = points[-1] + around
