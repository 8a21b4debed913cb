"""Accuracy of a video's camera against its planned path.

The depth of the first frame is known, so the pose of every later frame follows from tracked points
and their places in space (PnP). The scale is the plan's own, and pans and static shots work too;
two-view geometry has no scale and fails on both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from skyreels_avatar.camera import CameraPath, Scene
from skyreels_avatar.camera.geometry import project, rotation_angle_deg, unproject

MAX_POINTS = 800
MIN_POINTS = 24
"""With fewer points on the background, the person's body below the face is taken as well."""
MIN_POSE_POINTS = 8
SPACING_PX = 6
MIN_CONTRAST = 2e-4
"""Smaller eigenvalue of the gradient matrix from which a corner counts; noise and compression on a
plain wall stay below 1e-4."""
PERSON_GROWTH = 0.02
"""Points keep this share of the long side away from the person, who moves by themselves."""
FORWARD_BACKWARD_PX = 0.5
CORRECTION_PX = 1.5
INLIER_PX = 1.5
RANSAC_ROUNDS = 300
REFINEMENTS = 8
NOISE_PX = 0.3
STEP_DEG, STEP_SHARE = 0.5, 0.01
"""Typical error of a track, and how far turn and shift (in subject distances) may depart from going
on as before. Where the points fix the pose, they outweigh this some ten thousand times."""
WINDOW_PX = 21


@dataclass(frozen=True)
class CameraAccuracy:
    """Distance between a video's camera and its plan, over all frames but the first.

    Attributes:
        rotation_deg_mean, rotation_deg_max: angle between the rotations.
        center_percent_mean, center_percent_max: distance of the camera centers, in percent of the
            subject distance.
        reproduction_percent: median distance of a tracked point from its planned place, in percent
            of the picture's width.
        achieved: how much of the planned image motion of the background the video shows, by least
            squares over all points and frames; 1 = as planned, None where the plan is static.
        num_points: points at the start.
        lost_frames: frames with too few points left for a pose, which count nowhere.
        centers: (F, 3) measured camera centers in subject distances, NaN where lost.
        rotations_deg: (F,) measured angle from the first frame, NaN where lost.
    """

    rotation_deg_mean: float
    rotation_deg_max: float
    center_percent_mean: float
    center_percent_max: float
    reproduction_percent: float
    achieved: float | None
    num_points: int
    lost_frames: int
    centers: np.ndarray
    rotations_deg: np.ndarray


def measure_camera(
    frames: Iterable[np.ndarray],
    scene: Scene,
    path: CameraPath,
    person_mask: np.ndarray | None = None,
) -> CameraAccuracy:
    """Measure how closely a video follows a camera path.

    Args:
        frames: (H, W, 3) uint8 pictures, the first of which is the scene's picture; as many as
            the path has.
        scene: whose background depth and subject distance count.
        path: the plan.
        person_mask: (H, W) above 0.5 where points would move by themselves; the scene's own
            person by default.

    Raises:
        ValueError: fewer frames than the path has, frames of another size, or too little texture.
    """
    height, width = scene.depth.shape
    supply = iter(frames)
    first = next(supply, None)
    if first is None or first.shape[:2] != (height, width):
        given = "no frames" if first is None else f"{first.shape[1]}x{first.shape[0]}"
        raise ValueError(f"the video must have the scene's size {width}x{height}, got {given}")
    mask = scene.person_mask.numpy() if person_mask is None else person_mask
    previous = cv2.cvtColor(first, cv2.COLOR_RGB2GRAY)
    pixels, points = _points(previous, scene, mask > 0.5)
    tracker = _Tracker(previous, pixels)

    distance = float(scene.anchor[2])
    rotation_errors, center_errors, misplacements = [], [], []
    centers, angles = [np.zeros(3)], [0.0]
    shown = planned_energy = 0.0
    pose = before = np.zeros(6)
    for index in range(1, path.num_frames):
        frame = next(supply, None)
        if frame is None:
            raise ValueError(f"the path has {path.num_frames} frames, the video only {index}")
        alive, tracked = tracker.follow(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        planned, _ = project(points[alive], path.intrinsics[index], path.extrinsics[index])
        apart = np.linalg.norm(tracked - planned.numpy(), axis=1)
        planned_motion = planned.numpy() - pixels[alive]
        shown += float((planned_motion * (tracked - pixels[alive])).sum())
        planned_energy += float(np.square(planned_motion).sum())
        misplacements.extend(apart.tolist())
        intrinsics = path.intrinsics[index].numpy()
        found = _solve(points[alive].numpy(), tracked, intrinsics, distance, 2 * pose - before)
        if found is None:
            before = pose
            centers.append(np.full(3, np.nan))
            angles.append(np.nan)
            continue
        before, pose = pose, found
        rotation = torch.from_numpy(cv2.Rodrigues(pose[:3])[0])
        center = -rotation.T.numpy() @ pose[3:]
        plan = path.extrinsics[index].double()
        planned_center = -(plan[:3, :3].T @ plan[:3, 3]).numpy()
        rotation_errors.append(rotation_angle_deg(rotation @ plan[:3, :3].T))
        center_errors.append(100 * float(np.linalg.norm(center - planned_center)) / distance)
        centers.append(center / distance)
        angles.append(rotation_angle_deg(rotation))
    return CameraAccuracy(
        rotation_deg_mean=_or_nan(np.mean, rotation_errors),
        rotation_deg_max=_or_nan(np.max, rotation_errors),
        center_percent_mean=_or_nan(np.mean, center_errors),
        center_percent_max=_or_nan(np.max, center_errors),
        reproduction_percent=100 * _or_nan(np.median, misplacements) / width,
        achieved=shown / planned_energy if planned_energy > 1e-6 else None,
        num_points=len(pixels),
        lost_frames=path.num_frames - 1 - len(rotation_errors),
        centers=np.stack(centers),
        rotations_deg=np.array(angles),
    )


def _or_nan(reduce, values: list[float]) -> float:
    return float(reduce(values)) if values else float("nan")


def _points(
    picture: np.ndarray, scene: Scene, person: np.ndarray
) -> tuple[np.ndarray, torch.Tensor]:
    """Return corners to track (N, 2), in pixels, and their world points (N, 3)."""
    radius = max(2, round(PERSON_GROWTH * max(picture.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    background = cv2.dilate(person.astype(np.uint8), disc) == 0
    body = cv2.erode(person.astype(np.uint8), disc) > 0
    _, top, _, face_height = scene.face_box
    body[: max(0, round(top + 1.4 * face_height))] = False
    for regions in (
        [(background, scene.background_depth)],
        [(background, scene.background_depth), (body, scene.person_depth)],
    ):
        found = [_corners(picture, region, depth) for region, depth in regions]
        pixels = np.concatenate([p for p, _ in found])
        depths = np.concatenate([d for _, d in found])
        if len(pixels) >= MIN_POINTS:
            break
    if len(pixels) < MIN_POSE_POINTS:
        raise ValueError(
            f"the picture shows too little texture outside the face to measure the camera:"
            f" {len(pixels)} points, at least {MIN_POSE_POINTS} are needed"
        )
    tensor = torch.from_numpy(pixels).float()
    return pixels, unproject(tensor, torch.from_numpy(depths), scene.intrinsics)


def _corners(
    picture: np.ndarray, region: np.ndarray, depth: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    corners = cv2.goodFeaturesToTrack(
        picture, MAX_POINTS, 0.001, SPACING_PX, mask=region.astype(np.uint8) * 255
    )
    if corners is None:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    corners = corners[:, 0].astype(np.float32)
    contrast = cv2.cornerMinEigenVal(picture, 3)
    column, row = corners.astype(int).T
    corners = corners[contrast[row, column] > MIN_CONTRAST]
    if not len(corners):
        return np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
    inverse = (1 / depth).numpy()
    depths = 1 / cv2.remap(inverse, corners[:, :1], corners[:, 1:], cv2.INTER_LINEAR)[:, 0]
    return corners + 0.5, depths.astype(np.float32)


class _Tracker:
    """Tracks points from frame to frame; forward-backward inconsistent ones are dropped.

    Each step is corrected against the first frame, so that small errors do not add up.
    """

    def __init__(self, picture: np.ndarray, pixels: np.ndarray):
        self.first = self.picture = picture
        self.start = self.positions = (pixels - 0.5).astype(np.float32)
        self.alive = np.ones(len(pixels), bool)

    def follow(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the points still tracked and their pixels (M, 2)."""
        moved, good = _flow(self.picture, picture, self.positions, self.positions)
        self.alive &= good
        height, width = picture.shape
        x, y = moved.T
        self.alive &= (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        corrected, good = _flow(self.first, picture, self.start, moved)
        good &= np.linalg.norm(corrected - moved, axis=1) < CORRECTION_PX
        self.positions = np.where(good[:, None], corrected, moved)
        self.picture = picture
        index = np.flatnonzero(self.alive)
        return index, self.positions[index] + 0.5


def _flow(
    source: np.ndarray, target: np.ndarray, positions: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the flow targets of positions (N, 2), and which are forward-backward consistent."""
    window = (WINDOW_PX, WINDOW_PX)
    start = np.ascontiguousarray(positions[:, None], np.float32)
    guess = np.ascontiguousarray(guess[:, None], np.float32)
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    moved, there, _ = cv2.calcOpticalFlowPyrLK(
        source, target, start, guess.copy(), winSize=window, maxLevel=3, flags=flags
    )
    back, here, _ = cv2.calcOpticalFlowPyrLK(
        target, source, moved, start.copy(), winSize=window, maxLevel=3, flags=flags
    )
    apart = np.linalg.norm((back - start)[:, 0], axis=1)
    good = (there[:, 0] == 1) & (here[:, 0] == 1) & (apart < FORWARD_BACKWARD_PX)
    return moved[:, 0], good


def _solve(
    points: np.ndarray,
    pixels: np.ndarray,
    intrinsics: np.ndarray,
    distance: float,
    expected: np.ndarray,
) -> np.ndarray | None:
    """Return the pose (6,), rotation vector and translation, or None with few points.

    Gauss-Newton from the pose expected if the camera goes on as before. A flat wall or a torso
    alone fits a turn nearly as well as a shift; there the steadier camera decides.
    """
    if len(points) < MIN_POSE_POINTS:
        return None
    points, pixels = points.astype(np.float64), pixels.astype(np.float64)
    intrinsics = intrinsics.astype(np.float64)
    if (_residuals(points, pixels, intrinsics, expected)[1] < 4 * INLIER_PX).mean() < 0.5:
        expected = _searched(points, pixels, intrinsics)
        if expected is None:
            return None
    steadiness = np.repeat([np.radians(STEP_DEG), STEP_SHARE * distance], 3)
    steadiness = np.square(NOISE_PX / steadiness)
    pose = expected.copy()
    for _ in range(REFINEMENTS):
        residuals, apart, jacobian = _residuals(points, pixels, intrinsics, pose)
        weight = np.repeat(1 / (1 + np.square(apart / INLIER_PX)) ** 2, 2)  # Geman-McClure
        normal = (jacobian * weight[:, None]).T @ jacobian + np.diag(steadiness)
        gradient = jacobian.T @ (weight * residuals) + steadiness * (pose - expected)
        pose = pose - np.linalg.solve(normal, gradient)
    inliers = _residuals(points, pixels, intrinsics, pose)[1] < INLIER_PX
    return pose if inliers.sum() >= MIN_POSE_POINTS else None


def _searched(points: np.ndarray, pixels: np.ndarray, intrinsics: np.ndarray) -> np.ndarray | None:
    """Return a pose (6,) found without an initial estimate."""
    found, rotation, translation, _ = cv2.solvePnPRansac(
        points,
        pixels,
        intrinsics,
        None,
        reprojectionError=INLIER_PX,
        iterationsCount=RANSAC_ROUNDS,
    )
    return np.concatenate([rotation[:, 0], translation[:, 0]]) if found else None


def _residuals(
    points: np.ndarray, pixels: np.ndarray, intrinsics: np.ndarray, pose: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return residuals (2N,), distances (N,) in pixels and the jacobian (2N, 6) of a pose."""
    projected, jacobian = cv2.projectPoints(points, pose[:3], pose[3:], intrinsics, None)
    apart = projected[:, 0] - pixels
    return apart.reshape(-1), np.linalg.norm(apart, axis=1), jacobian[:, :6]
