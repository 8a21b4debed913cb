"""Take head motion out of landmarks: similarity fits on the points that speech does not move."""

from __future__ import annotations

import numpy as np

# Eye corners, bridge and tip of the nose, forehead, edge of the face beside the ears.
RIGID = (33, 133, 362, 263, 8, 168, 6, 197, 195, 5, 4, 9, 151, 127, 356, 234, 454)


def fit_similarity(
    points: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scale (F,), rotation (F, D, D) and shift (F, D) that best take points to target.

    target ~ scale * points @ rotation.T + shift, least squares, no mirror.

    Args:
        points: (F, N, D), D = 2 or 3.
        target: (N, D) or (F, N, D).

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", 1991.
    """
    points = np.asarray(points, np.float64)
    target = np.broadcast_to(np.asarray(target, np.float64), points.shape)
    middle, target_middle = points.mean(1, keepdims=True), target.mean(1, keepdims=True)
    centered, target_centered = points - middle, target - target_middle
    u, s, vt = np.linalg.svd(target_centered.transpose(0, 2, 1) @ centered)
    signs = np.ones_like(s)
    signs[:, -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * signs[:, None]) @ vt
    scale = (s * signs).sum(-1) / np.maximum((centered**2).sum((1, 2)), 1e-12)
    moved = scale[:, None, None] * (middle @ rotation.transpose(0, 2, 1))
    return scale, rotation, (target_middle - moved)[:, 0]


def align(landmarks: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay every frame's face on the reference by its rigid points.

    Args:
        landmarks: (F, 478, 3) px.
        reference: (478, 3) px.

    Returns:
        aligned (F, 478, 3) in the reference's pixels, and rotation (F, 3, 3) of the head from the
        reference's pose to the frame's, axes x right, y down, z away.
    """
    scale, rotation, shift = fit_similarity(landmarks[:, RIGID], reference[list(RIGID)])
    aligned = scale[:, None, None] * (landmarks @ rotation.transpose(0, 2, 1)) + shift[:, None]
    return aligned, rotation.transpose(0, 2, 1)


def head_angles_deg(rotation: np.ndarray) -> np.ndarray:
    """Return (F, 3): yaw (+ to the right of the picture), pitch (+ up), roll (+ clockwise)."""
    facing = -rotation[:, :, 2]  # where the nose, (0, 0, -1) in the reference, points
    yaw = np.arctan2(facing[:, 0], -facing[:, 2])
    pitch = np.arctan2(-facing[:, 1], np.hypot(facing[:, 0], facing[:, 2]))
    across = rotation[:, :, 0]
    # The picture's x axis, turned by yaw and pitch alone, leaves only the roll.
    level = np.stack([np.cos(yaw), np.zeros_like(yaw), np.sin(yaw)], -1)
    below = np.cross(level, facing)
    roll = np.arctan2((across * below).sum(-1), (across * level).sum(-1))
    return np.degrees(np.stack([yaw, pitch, roll], -1))
