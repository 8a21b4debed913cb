"""Turned faces with exact landmarks: photos laid over the head of ICT FaceKit, and plain heads."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from skyreels_avatar.faces.region import Region
from skyreels_avatar.rig.geometry import EYES, INNER_LOWER, INNER_UPPER
from train.data.mesh.head import CENTER, HeadModel, paint, rotation

SIDE = 256  # pixels of a picture; its face lies as in a crop of 192 in the middle
_SHARE = 0.75
_NUM_MESH = 468
# What is fitted to a photo; "both" sides have weights of their own.
_FITTED = (
    "jawOpen", "mouthFunnel", "mouthPucker", "mouthShrugLower", "mouthRollLower", "mouthRollUpper"
)  # fmt: skip
_FITTED_BOTH = (
    "mouthSmile", "mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthFrown", "browInnerUp",
    "browDown", "browOuterUp", "eyeBlink", "eyeWide",
)  # fmt: skip
# Chance and the most of expressions that are drawn at random.
_BOTH_SIDES = {
    "mouthSmile": (0.3, 0.8), "mouthUpperUp": (0.2, 0.7), "mouthLowerDown": (0.25, 0.7),
    "mouthStretch": (0.15, 0.7), "mouthFrown": (0.12, 0.7), "browInnerUp": (0.2, 0.8),
    "browDown": (0.2, 0.8), "browOuterUp": (0.2, 0.8), "eyeWide": (0.12, 0.8),
    "eyeSquint": (0.2, 0.8), "mouthPress": (0.08, 0.7), "noseSneer": (0.06, 0.6),
    "mouthDimple": (0.08, 0.6), "cheekPuff": (0.04, 0.6), "eyeBlink": (0.2, 1.0),
}  # fmt: skip
_WHOLE = {
    "jawOpen": (0.7, 0.65), "mouthFunnel": (0.2, 0.7), "mouthPucker": (0.2, 0.8),
    "mouthLeft": (0.06, 0.5), "mouthRight": (0.06, 0.5), "jawLeft": (0.05, 0.5),
    "jawRight": (0.05, 0.5), "mouthRollLower": (0.1, 0.5), "mouthRollUpper": (0.1, 0.5),
}  # fmt: skip
_EDGES = [(INNER_UPPER, INNER_LOWER), *((eye[0], eye[1]) for eye in EYES)]
_CHEEKS = (50, 280, 118, 347, 205, 425, 199, 151)


@dataclass(frozen=True)
class LiftedFace:
    """A head that looks like somebody.

    Attributes:
        vertices: (N, 3) without an expression.
        expression: weights that the photo shows.
        colors: (T, 3).
        error: of the head before it was bent to the landmarks, in eye distances.
    """

    vertices: np.ndarray
    expression: dict[str, float]
    colors: np.ndarray
    error: float


def lift(head: HeadModel, pixels: np.ndarray, landmarks: np.ndarray) -> LiftedFace:
    """Return the head of a photo: identity and expression are fitted, then bent to the landmarks.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels of the face, which looks at the camera.
    """
    names = [*_FITTED, *(f"{name}_{side}" for name in _FITTED_BOTH for side in "LR")]
    moves = np.stack([*head.identities, *(head.expressions[name] for name in names)])
    basis = np.stack([head.landmarks(move) for move in moves])
    still = head.landmarks(head.neutral - CENTER)
    goal = landmarks[:, :2] * [1, -1]
    ridge = np.concatenate([np.full(len(head.identities), 0.6), np.ones(len(names))])
    weights = np.zeros(len(basis))
    for _ in range(6):
        turn, scale, shift = _pose(still + np.tensordot(weights, basis, 1), goal)
        design = scale * np.einsum("knc,dc->knd", basis[:, :_NUM_MESH], turn[:2])
        design = design.reshape(len(basis), -1)
        off = (goal - shift - scale * still @ turn[:2].T)[:_NUM_MESH].reshape(-1)
        normal = design @ design.T + np.diag((scale * ridge) ** 2)
        weights = np.linalg.solve(normal, design @ off)
        weights[len(head.identities) :] = weights[len(head.identities) :].clip(-0.25, 1.2)
    identity, rest = np.split(weights, [len(head.identities)])
    expression = dict(zip(names, rest.tolist()))
    vertices = head.shape(identity, expression)
    off = goal - (scale * (head.landmarks(vertices) - CENTER) @ turn[:2].T + shift)
    error = np.linalg.norm(off[:_NUM_MESH], axis=1).mean()
    bend = np.zeros_like(vertices)
    bend[:, :2] = _spread(head, vertices, off) / scale
    bend = (bend @ turn).astype(np.float32)
    seen = (vertices + bend - CENTER) @ turn.T
    places = (scale * seen[:, :2] + shift) * [1, -1]
    return LiftedFace(
        head.shape(identity, {}) + bend,
        expression,
        _colors(head, pixels, landmarks, seen, places),
        float(error / np.linalg.norm(goal[33] - goal[263])),
    )


def _pose(points: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return turn (3, 3), scale and shift (2,) of a scaled orthographic view."""
    points, goal = points[:_NUM_MESH], goal[:_NUM_MESH]
    padded = np.concatenate([points, np.ones((len(points), 1))], 1)
    linear = np.linalg.lstsq(padded, goal, rcond=None)[0][:3].T
    left, sizes, right = np.linalg.svd(linear, full_matrices=False)
    rows = left @ right
    turn = np.stack([*rows, np.cross(*rows)])
    scale = float(sizes.mean())
    return turn, scale, (goal - scale * points @ rows.T).mean(0)


def _spread(head: HeadModel, vertices: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Return (N, 2): what landmarks (478, 2) are off, spread over the vertices near them."""
    away, index = cKDTree(head.landmarks(vertices)[:_NUM_MESH]).query(vertices, k=8)
    weight = (away**2 + 0.003) ** -1.5
    spread = (off[index] * (weight / weight.sum(1, keepdims=True))[..., None]).sum(1)
    spread *= (1.6 - away[:, :1] / 2.5).clip(0, 1)
    spread[head.eyeball("Right")], spread[head.eyeball("Left")] = off[468], off[473]
    return spread


def _colors(
    head: HeadModel,
    pixels: np.ndarray,
    landmarks: np.ndarray,
    seen: np.ndarray,
    places: np.ndarray,
) -> np.ndarray:
    """Return (T, 3): the photo's colors, skin or hair where the photo shows a triangle askew."""
    at = places[head.triangles].mean(1).round().astype(int)
    height, width = pixels.shape[:2]
    at = at.clip(0, [width - 1, height - 1])
    colors = pixels[at[:, 1], at[:, 0]].astype(np.float32)
    faces, _ = head.normals(seen)
    shown = ((faces[:, 2] / (np.linalg.norm(faces, axis=1) + 1e-9) - 0.12) / 0.3).clip(0, 1)
    shown[head.is_a("ScleraLeft", "ScleraRight")] = 1
    above = landmarks[10] + 0.45 * (landmarks[10] - landmarks[168])
    spots = np.concatenate([landmarks[list(_CHEEKS), :2], above[None, :2]]).astype(int)
    spots = spots.clip(0, [width - 1, height - 1])
    spots = pixels[spots[:, 1], spots[:, 0]].astype(np.float32)
    fill = np.where(head.is_a("BackHead")[:, None], spots[-1], 0.95 * np.median(spots[:-1], 0))
    colors = colors * shown[:, None] + fill * (1 - shown[:, None])
    mouth = head.is_a("Teeth", "GumsTongue")
    colors[mouth] = head.plain_colors(*np.zeros((4, 3)))[mouth]
    return colors


def plain_face(head: HeadModel, rng: np.random.Generator) -> LiftedFace:
    """Return a head of random identity and colors, without a photo."""
    skins = ((225, 180, 155), (190, 140, 110), (140, 95, 70), (90, 60, 45), (240, 210, 190))
    skin = skins[rng.integers(len(skins))] + rng.normal(0, 8, 3)
    lips = skin * [0.85, 0.6, 0.6] * rng.uniform(0.75, 1.1)
    hair = rng.uniform(15, 120) * np.array([1, 0.8, 0.65])
    colors = head.plain_colors(skin.clip(0, 255), lips.clip(0, 255), rng.uniform(20, 110, 3), hair)
    vertices = head.shape(rng.normal(0, 0.85, len(head.identities)), {})
    return LiftedFace(vertices, {}, colors, 0.0)


def random_expression(face: LiftedFace, rng: np.random.Generator) -> dict[str, float]:
    """Return weights of expressions: often the face's own, with others on top."""
    weights = dict(face.expression) if rng.random() < 0.75 else {}
    if rng.random() < 0.3:
        return weights
    for name in weights:
        if name.startswith(("mouth", "jaw")):
            weights[name] *= rng.uniform(0, 1.2)
    for name, (chance, most) in _WHOLE.items():
        if rng.random() < chance:
            weights[name] = rng.uniform(0, most)
    for name, (chance, most) in _BOTH_SIDES.items():
        if rng.random() < chance:
            amount = rng.uniform(0, most)
            for side in "LR":
                weights[f"{name}_{side}"] = amount * max(0.0, 1 + rng.normal(0, 0.15))
    return weights


def turned_picture(
    head: HeadModel,
    face: LiftedFace,
    background: np.ndarray,
    yaw_deg: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (SIDE, SIDE, 3) uint8 and landmarks (478, 3) px of a face turned by an angle.

    Expression, gaze, pitch, roll, light and distance are random. Edges of lips and lids that would
    cross lie on each other.

    Args:
        background: (SIDE, SIDE, 3) uint8.
    """
    vertices = face.vertices
    for name, weight in random_expression(face, rng).items():
        vertices = vertices + np.float32(weight) * head.expressions[name]
    vertices = head.turn_eyes(vertices, rotation(*rng.normal(0, [9, 5]), 0))
    roll_deg = rng.normal(0, 8)
    turn, distance = rotation(yaw_deg, rng.normal(0, 10), roll_deg), rng.uniform(55, 120)
    seen = (vertices - CENTER) @ turn.T
    flat = seen[:, :2] * [1, -1] * (distance / (distance - seen[:, 2:]))
    points = head.landmarks(np.concatenate([flat, -seen[:, 2:]], 1))
    down = -turn[:2, 1] * [1, -1]
    for upper, lower in _EDGES:
        upper, lower = list(upper[1:-1]), list(lower[1:-1])
        crossed = ((points[lower, :2] - points[upper, :2]) @ down < 0)[:, None]
        middle = (points[upper] + points[lower]) / 2
        points[upper] = np.where(crossed, middle, points[upper])
        points[lower] = np.where(crossed, middle, points[lower])
    region = Region.of_landmarks(points)
    angle = region.angle if abs(yaw_deg) < 50 else -np.radians(roll_deg)
    scale = _SHARE * SIDE / region.side
    to_picture = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array([region.x, region.y])
    points[:, :2] = (points[:, :2] - middle) @ to_picture.T + SIDE / 2
    points[:, 2] *= scale
    direct = rng.uniform(0, 0.55) if face.expression else rng.uniform(0.3, 0.65)
    ambient = 1 - 0.6 * direct if face.expression else rng.uniform(0.35, 0.6)
    light = rng.normal([0, 0.3, 0.8], [0.7, 0.4, 0.3]), ambient, direct
    places = (flat - middle) @ to_picture.T + SIDE / 2
    return paint(head, seen, places, face.colors, background, light), points.astype(np.float32)


def random_background(pictures: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return (SIDE, SIDE, 3) uint8: a blurred part of one of some pictures, or a gradient."""
    if pictures and rng.random() < 0.6:
        picture = pictures[rng.integers(len(pictures))]
        side = int(min(picture.shape[:2]) / rng.uniform(1, 3))
        top, left = (rng.integers(0, extent - side + 1) for extent in picture.shape[:2])
        part = cv2.resize(picture[top : top + side, left : left + side], (SIDE, SIDE))
        return cv2.GaussianBlur(part, (0, 0), rng.uniform(4, 14))
    corners = rng.uniform(10, 245, (2, 2, 3)).astype(np.float32)
    corners = corners.mean((0, 1)) + (corners - corners.mean((0, 1))) * rng.uniform(0, 0.8)
    return cv2.resize(corners, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
