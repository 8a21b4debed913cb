"""The largest amplitude of a move in a picture, which 100% stands for.

A fixed amplitude fails on some pictures (the same crane uncovers more in a close-up than in a wide
shot), so that of the preset is reduced until a small render of the move meets the limits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skyreels_avatar.camera.fill import reflect
from skyreels_avatar.camera.geometry import hfov_rad, invert, project, unproject
from skyreels_avatar.camera.inverse_flow import InverseFlow
from skyreels_avatar.camera.mesh import build_mesh
from skyreels_avatar.camera.moves import (
    PRESETS,
    SWING_REFERENCE_S,
    CameraMove,
    swing_curves,
    swing_pose,
)
from skyreels_avatar.camera.rasterizer import rasterize
from skyreels_avatar.camera.scene import Scene, decided

logger = logging.getLogger(__name__)

MAX_HOLE_SHARE = 0.25
FACE_MARGIN = 0.04
"""Share of the picture's width and height that stays free round the face."""
FACE_OVERFLOW = 0.1
"""A face that is nearer to the border from the start may go on by this share of its own size."""
MIN_DISTANCE = 0.3
"""Nearest visible surface allowed, in subject distances."""
MAX_MAGNIFICATION = 1.8
DETAIL, DETAIL_SHARE = (0.012, 0.04), 0.04
"""Mean step of brightness between neighboring pixels, round a place at the border, from which and
up to which what lies beyond counts for more: a wall goes on by itself, a street has to be invented.
"""
BUSY_COST = 3.0
"""How much more what is invented beside a busy border counts."""
BODY_COST = 2.0
"""The same for a body that goes on beyond the border."""
UNCOVERED, UNCOVERED_COST = (0.02, 0.06), 10.0
"""How deep behind the outline of a person, as a share of the long side, what is uncovered begins to
count and counts in full, and how much: mirrored surroundings no longer fit together there."""
CUT_HEAD, CUT_HEAD_COST = 0.4, 14.0
"""The share of a person from which on a side cuts the head, and how much more it counts that a
camera looks past it: hair that is not there cannot be drawn out of an edge, and ends in a strip."""
PREVIEW_PX = 128
BISECTIONS = 7


class ScenePreview:
    """A small copy of a scene for a quick check of the limits of a camera pose."""

    def __init__(self, scene: Scene):
        height, width = scene.depth.shape
        scale = min(1.0, PREVIEW_PX / max(height, width))
        self.size = (max(3, round(height * scale)), max(3, round(width * scale)))
        depth = F.interpolate(scene.depth[None, None], size=self.size, mode="nearest")[0, 0]
        stretch = torch.tensor([self.size[1] / width, self.size[0] / height])
        self.intrinsics = scene.intrinsics.clone()
        self.intrinsics[:2] *= stretch[:, None]
        self.mesh = build_mesh(depth[None], depth, self.intrinsics)
        self.distance = float(scene.anchor[2])
        x, y, w, h = scene.face_box
        corners = torch.tensor([[x, y], [x + w, y + h]], dtype=torch.float32)
        self.face = unproject(corners, torch.full((2,), self.distance), scene.intrinsics.float())
        self.allowed = _allowed_box(corners, height, width) * stretch
        self._beyond = _Beyond(scene)

    def is_acceptable(self, world_from_camera: Tensor) -> bool:
        """Check holes, face, nearness and magnification from one pose (4, 4)."""
        camera_from_world = invert(world_from_camera).float()
        face, face_depth = project(self.face, self.intrinsics, camera_from_world)
        if float(face_depth.min()) < self.distance / MAX_MAGNIFICATION - 1e-6:
            return False
        if (face[0] < self.allowed[0] - 1e-3).any() or (face[1] > self.allowed[1] + 1e-3).any():
            return False
        if self._beyond.invented(camera_from_world) > MAX_HOLE_SHARE:
            return False
        _, seen, depth = rasterize(self.mesh, self.intrinsics, camera_from_world, self.size)
        if 1 - float(seen.float().mean()) > MAX_HOLE_SHARE:
            return False
        return not bool((depth < MIN_DISTANCE * self.distance).any())


class _Beyond:
    """What lies beyond the photo: how hard it is to invent, and how much of it a camera sees."""

    def __init__(self, scene: Scene):
        plate = scene.plate
        size = plate.person_mask.shape
        self._low = np.float64([-plate.left, -plate.top])
        self._high = self._low + size[::-1]
        self._intrinsics = scene.intrinsics.double().numpy()
        inverse_depth = (1 / scene.background_depth).numpy()
        self._flow = InverseFlow(inverse_depth, 0, self._intrinsics, float(scene.anchor[2]))
        busy = _busy(plate.image)
        self._cost = 1 + (BUSY_COST - 1) * busy
        self._body_cost = 1 + (BODY_COST - 1) * busy
        chin = scene.face_box[1] + scene.face_box[3] + plate.top
        head = decided(plate.person_mask.numpy()).copy()  # as it is drawn
        head[max(0, round(chin)) :] = 0
        head = cv2.resize(head, self._cost.shape[::-1], interpolation=cv2.INTER_AREA)
        self._cut_head = CUT_HEAD_COST * (head / CUT_HEAD).clip(0, 1)
        inverse_depth = (1 / scene.person_depth).numpy()
        self._person_flow = InverseFlow(inverse_depth, 0, self._intrinsics, float(scene.anchor[2]))
        self._person, self._behind = _behind(plate.image, plate.person_mask)

    def invented(self, camera_from_world: Tensor) -> float:
        """Return the share of a view that was not photographed; where it is busy it is more.

        What the person moves away from counts from some depth behind its outline on, and so does
        what a body lacks beyond the sides.
        """
        camera = camera_from_world.double().numpy()
        source, column, row = self._places(self._flow, camera)
        inside = ((source >= self._low) & (source <= self._high)).all(axis=-1)
        person, *before = self._places(self._person_flow, camera)
        behind = self._behind[row, column] * (1 - self._person[before[1], before[0]])
        # A head that a side cuts ends there, before whatever is behind it.
        beside = (person[..., 0] < self._low[0]) | (person[..., 0] > self._high[0])
        cut = beside * self._cut_head[before[1], before[0]]
        # A body that goes on beyond a side is nearer than what is behind it: more of it comes in.
        outside = ~((person >= self._low) & (person <= self._high)).all(axis=-1)
        body = outside * (self._person * self._body_cost)[before[1], before[0]]
        behind = np.where(inside, behind, self._cost[row, column])
        return float(np.maximum.reduce([behind, cut, body]).mean())

    def _places(self, flow: InverseFlow, camera_from_world: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return where cells of a view come from, (h, w, 2) px, and column and row of a cost."""
        source = flow.coarse_map(self._intrinsics, camera_from_world)
        source = source[1:-1, 1:-1]  # without the ring of cells round the view
        share = ((source - self._low) / (self._high - self._low)).clip(0, 1)
        last = np.array(self._cost.shape[::-1]) - 1
        return source, *np.rint(share * last).astype(int).transpose(2, 0, 1)


def _behind(image: Tensor, mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return (h, w) a person, and how much it counts that what is behind it is seen; small."""
    size = _preview_size(mask.shape)
    picture, mask = image.permute(1, 2, 0).numpy(), mask.numpy()
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    known = cv2.dilate(mask, np.ones((5, 5), np.uint8)) < 0.05
    filled = reflect(picture, known)
    depth = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / max(size)
    deep = ((depth - UNCOVERED[0]) / (UNCOVERED[1] - UNCOVERED[0])).clip(0, 1)
    return mask, UNCOVERED_COST * deep * _busy(torch.from_numpy(filled).permute(2, 0, 1))


def _preview_size(shape: tuple[int, ...]) -> list[int]:
    """Return width and height of small maps of a picture (H, W)."""
    scale = min(1.0, 2 * PREVIEW_PX / max(shape))
    return [max(3, round(side * scale)) for side in shape[::-1]]


def _busy(image: Tensor) -> np.ndarray:
    """Return (h, w) in 0 to 1, small: how much detail a picture (3, H, W) has at each place."""
    gray = image.mean(0).numpy()
    size = _preview_size(gray.shape)
    gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    step = np.hypot(cv2.Scharr(gray, cv2.CV_32F, 1, 0), cv2.Scharr(gray, cv2.CV_32F, 0, 1)) / 32
    step = cv2.GaussianBlur(step, (0, 0), DETAIL_SHARE * max(size))
    return ((step - DETAIL[0]) / (DETAIL[1] - DETAIL[0])).clip(0, 1)


def _allowed_box(face: Tensor, height: int, width: int) -> Tensor:
    """Return the (2, 2) corners of the box that the face must stay in, in pixels."""
    size = torch.tensor([width, height], dtype=torch.float32)
    overflow = FACE_OVERFLOW * (face[1] - face[0])
    low, high = FACE_MARGIN * size, (1 - FACE_MARGIN) * size
    low = torch.where(face[0] < low, face[0] - overflow, low)
    high = torch.where(face[1] > high, face[1] + overflow, high)
    return torch.stack([low, high])


def largest_factor(is_acceptable: Callable[[float], bool]) -> float:
    """Return the largest acceptable factor up to 1, by bisection."""
    if is_acceptable(1.0):
        return 1.0
    good, bad = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (good + bad)
        good, bad = (middle, bad) if is_acceptable(middle) else (good, middle)
    return good


def limit(move: CameraMove, scene: Scene) -> float:
    """Return the amplitude that 100% of a move stands for in this picture.

    It is the preset's amplitude or, unless `move.absolute`, the largest smaller one for which at
    most 25% of the picture is unseen (a third of that where the border is busy, half where a busy
    body goes on beyond it, a tenth where it was deep behind the person and is busy, a fourteenth
    beside a head that a side cuts), the face stays in the picture with a margin of 4%, nothing
    comes nearer than 0.3 subject distances, and the subject grows at most 1.8 times. The unit is
    that of `PRESETS[move.name]`; strength is not in it.
    """
    preset = PRESETS[move.name]
    if move.absolute or preset.amplitude == 0.0:
        return preset.amplitude
    preview = ScenePreview(scene)
    poses_at = _extremes(move, scene)
    factor = largest_factor(
        lambda f: all(preview.is_acceptable(p) for p in poses_at(f * preset.amplitude))
    )
    amplitude = factor * preset.amplitude
    logger.info("100%% of %s is %.3f %s here", move.name, amplitude, preset.unit)
    if factor < 0.1:
        logger.warning(
            "%s has little room in this picture: 100%% is %.3f %s instead of %.3f",
            move.name,
            amplitude,
            preset.unit,
            preset.amplitude,
        )
    return amplitude


def _extremes(move: CameraMove, scene: Scene) -> Callable[[float], Sequence[Tensor]]:
    """Return a function from an amplitude to the extreme poses of the move."""
    anchor = scene.anchor.double()
    angle = hfov_rad(scene.intrinsics, scene.depth.shape[1])
    if move.name != "swing":
        pose_at = PRESETS[move.name].pose_at
        return lambda amount: [pose_at(share * amount, anchor, angle) for share in (1.0, 0.5)]
    curves = swing_curves(move.seed, torch.arange(0.0, SWING_REFERENCE_S, 0.04))
    furthest = curves.abs().argmax(dim=0).unique()
    distance = float(anchor[2])
    return lambda amount: [swing_pose(curves[i], amount, distance) for i in furthest]
