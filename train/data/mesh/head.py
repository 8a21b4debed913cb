"""The head of ICT FaceKit with the landmarks of the face mesh on its surface.

Vertices are in centimeters, y up, z to the viewer; pictures have y down.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from skyreels_avatar.faces.face import NUM_LANDMARKS
from skyreels_avatar.faces.template import template
from skyreels_avatar.rig.geometry import (
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    IRISES,
    OUTER_LOWER,
    OUTER_UPPER,
)
from train.data.head import FACE_VERTICES
from train.data.mesh.crops import mirror

CENTER = np.float32([0, -1, 0])
IRIS_ANGLE, PUPIL_ANGLE = 0.47, 0.2  # radians from the axis of the eyeball
_LEFT_OUT = ("LacrimalFluid", "EyeOcclusion", "EyeBlend", "EyeLashes", "IrisLeft", "IrisRight")
_INSIDE_DARK = np.float32([35, 12, 12])  # what faces away, inside the mouth
# Rows of the mesh, and the published landmarks of the head along which they run.
_ROWS = (
    (INNER_UPPER, (60, 61, 62, 63, 64)),
    (INNER_LOWER, (60, 67, 66, 65, 64)),
    (OUTER_UPPER, (48, 49, 50, 51, 52, 53, 54)),
    (OUTER_LOWER, (48, 59, 58, 57, 56, 55, 54)),
    (EYES[0][0], (36, 37, 38, 39)),
    (EYES[0][1], (36, 41, 40, 39)),
    (EYES[1][0], (42, 43, 44, 45)),
    (EYES[1][1], (42, 47, 46, 45)),
)
_SLIPPED_CM, _SIDE_CM = 0.75, 3.5
_PX, _SPAN_CM, _DISTANCE_CM = 448, 30.0, 80.0  # of the frontal pictures that a teacher looks at


@dataclass(frozen=True)
class HeadModel:
    """A head that changes its identity and its expression.

    Attributes:
        neutral: (N, 3) vertices.
        expressions: (N, 3) displacements by ARKit's name.
        identities: (50, N, 3).
        triangles: (T, 3) of what is drawn.
        kinds: (T,) index into `materials`.
        eyeballs: vertices, and the triangles' angle from the axis, of the right and left eye.
        corners, shares: (478, 3) vertices whose weighted mean a landmark is.
    """

    neutral: np.ndarray
    expressions: dict[str, np.ndarray]
    identities: np.ndarray
    triangles: np.ndarray
    kinds: np.ndarray
    materials: list[str]
    marks: np.ndarray
    corners: np.ndarray
    shares: np.ndarray

    @classmethod
    def load(cls, folder: Path, look: Callable[[np.ndarray], np.ndarray]) -> HeadModel:
        """Read the head in a folder and find where the landmarks lie on it.

        Args:
            look: returns the (478, 3) landmarks of a picture of a frontal face; what it says of
                nine people decides about all landmarks but those of lips, lids and irises.
        """
        stored = np.load(folder / "head.npz")
        indices = json.loads((folder / "vertex_indices.json").read_text(encoding="utf-8"))
        materials = [str(name).removeprefix("M_") for name in stored["materials"]]
        drawn = ~np.isin(stored["material"], [materials.index(name) for name in _LEFT_OUT])
        expressions = stored["expressions"].astype(np.float32)
        head = cls(
            neutral=stored["neutral"].astype(np.float32),
            expressions=dict(zip(stored["expression_names"].tolist(), expressions)),
            identities=stored["identities"].astype(np.float32),
            triangles=stored["triangles"][drawn],
            kinds=stored["material"][drawn],
            materials=materials,
            marks=np.array(indices["idx_to_landmark_verts"]),
            corners=np.zeros((NUM_LANDMARKS, 3), int),
            shares=np.zeros((NUM_LANDMARKS, 3), np.float32),
        )
        _place_landmarks(head, look)
        return head

    def is_a(self, *names: str) -> np.ndarray:
        """Return (T,) bool: which triangles are of some materials."""
        return np.isin(self.kinds, [self.materials.index(name) for name in names])

    def shape(self, identity: np.ndarray, expression: dict[str, float]) -> np.ndarray:
        """Return (N, 3) vertices for (50,) weights of identities and weights of expressions."""
        vertices = self.neutral + np.tensordot(identity.astype(np.float32), self.identities, 1)
        for name, weight in expression.items():
            vertices = vertices + np.float32(weight) * self.expressions[name]
        return vertices

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """Return (478, K) landmarks of (N, K) vertices."""
        return (vertices[self.corners] * self.shares[:, :, None]).sum(1)

    def eyeball(self, side: str) -> np.ndarray:
        """Return the vertices of the "Right" or "Left" eyeball."""
        return np.unique(self.triangles[self.is_a(f"Sclera{side}")])

    def turn_eyes(self, vertices: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Return vertices with both eyeballs turned by a (3, 3) matrix."""
        turned = vertices.copy()
        for side in ("Right", "Left"):
            ball = self.eyeball(side)
            middle = (vertices[ball].min(0) + vertices[ball].max(0)) / 2
            turned[ball] = (vertices[ball] - middle) @ turn.T + middle
        return turned

    def normals(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return normals (T, 3) of triangles, not normalized, and unit ones (N, 3) of vertices."""
        first, second, third = (vertices[self.triangles[:, k]] for k in range(3))
        faces = np.cross(second - first, third - first)
        count = len(self.triangles)
        columns = np.tile(np.arange(count), 3)
        ones = np.ones(3 * count, np.float32)
        of_vertex = csr_matrix((ones, (self.triangles.T.ravel(), columns)), (len(vertices), count))
        summed = of_vertex @ faces
        return faces, summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-9)

    def plain_colors(
        self, skin: np.ndarray, lips: np.ndarray, iris: np.ndarray, hair: np.ndarray
    ) -> np.ndarray:
        """Return (T, 3) colors 0..255 of a head without a photo: skin, lips, brows, eyes, teeth."""
        colors = np.zeros((len(self.triangles), 3), np.float32)
        for names, color in (
            (("Face",), skin), (("BackHead",), hair), (("Teeth",), (225, 215, 195)),
            (("GumsTongue",), (170, 80, 80)), (("ScleraLeft", "ScleraRight"), (230, 225, 220)),
        ):  # fmt: skip
            colors[self.is_a(*names)] = color
        face, middle = self.is_a("Face"), self.neutral[self.triangles].mean(1)
        for share, color in ((self._lips(middle), lips), (self._brows(middle), hair)):
            share = (share * face)[:, None]
            colors = colors * (1 - share) + share * np.float32(color)
        for side in ("Right", "Left"):
            ball = self.is_a(f"Sclera{side}")
            away = self._from_axis(middle[ball])
            inner = np.where((away < PUPIL_ANGLE)[:, None], 12, np.float32(iris))
            colors[ball] = np.where((away < IRIS_ANGLE)[:, None], inner, colors[ball])
        return colors

    def _from_axis(self, points: np.ndarray) -> np.ndarray:
        away = points - (points.min(0) + points.max(0)) / 2
        return np.arccos((away[:, 2] / np.linalg.norm(away, axis=1)).clip(-1, 1))

    def _lips(self, middle: np.ndarray) -> np.ndarray:
        outline = self.neutral[self.marks[48:60], :2].reshape(-1, 1, 2)
        low, high = outline.min((0, 1)) - 0.6, outline.max((0, 1)) + 0.6
        near = (middle[:, 2] > 4) & (middle[:, :2] > low).all(1) & (middle[:, :2] < high).all(1)
        share = np.zeros(len(middle), np.float32)
        for index in np.flatnonzero(near):
            inside = cv2.pointPolygonTest(outline, tuple(middle[index, :2].tolist()), True)
            share[index] = 0.75 * np.clip(inside / 0.12 + 0.5, 0, 1)
        return share

    def _brows(self, middle: np.ndarray) -> np.ndarray:
        share = np.zeros(len(middle), np.float32)
        for marks in (self.marks[17:22], self.marks[22:27]):
            line = self.neutral[marks, :2]
            for start, end in itertools.pairwise(line):
                along = ((middle[:, :2] - start) @ (end - start)) / ((end - start) @ (end - start))
                nearest = start + along.clip(0, 1)[:, None] * (end - start)
                away = np.linalg.norm(middle[:, :2] - nearest, axis=1)
                share = np.maximum(share, (1.2 - away / 0.35).clip(0, 1))
        return share * (middle[:, 2] > 4)


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Return (3, 3): yaw to the right of the picture, then pitch down, then roll."""
    yaw, pitch, roll = (np.eye(3), np.eye(3), np.eye(3))
    for matrix, angle, (i, j), sign in (
        (yaw, yaw_deg, (0, 2), 1), (pitch, pitch_deg, (1, 2), -1), (roll, roll_deg, (0, 1), -1)
    ):  # fmt: skip
        cosine, sine = np.cos(np.radians(angle)), sign * np.sin(np.radians(angle))
        matrix[[i, j], [i, j]], matrix[i, j], matrix[j, i] = cosine, sine, -sine
    return (roll @ yaw @ pitch).astype(np.float32)


def paint(
    head: HeadModel,
    seen: np.ndarray,
    flat: np.ndarray,
    colors: np.ndarray,
    background: np.ndarray,
    light: tuple[np.ndarray, float, float],
) -> np.ndarray:
    """Return (S, S, 3) uint8: a head before a background, painted from back to front.

    Args:
        seen: (N, 3) vertices in the camera's axes.
        flat: (N, 2) the same in pixels of the background (S, S, 3) uint8.
        colors: (T, 3) of triangles.
        light: direction (3,), light of the surroundings, light from there.
    """
    faces, normals = head.normals(seen)
    direction, ambient, direct = light
    shade = ambient + direct * (normals @ (direction / np.linalg.norm(direction))).clip(0)
    mouth = head.is_a("Teeth", "GumsTongue")
    shade = shade[head.triangles].mean(1) * np.where(mouth, 0.75, 1)
    toward = faces[:, 2] > 0
    shown = np.where(toward[:, None], (colors * shade[:, None]).clip(0, 255), _INSIDE_DARK)
    order = np.flatnonzero(toward | mouth | head.is_a("Face"))
    order = order[np.argsort(seen[:, 2][head.triangles[order]].mean(1))]
    size = len(background)
    picture = np.ascontiguousarray(cv2.resize(background, (2 * size, 2 * size)))
    outlines = np.round(2 * 16 * flat).astype(np.int32)[head.triangles[order]]
    for outline, color in zip(outlines, shown[order].tolist()):
        cv2.fillConvexPoly(picture, outline, color, cv2.LINE_8, 4)
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def _frontal(vertices: np.ndarray) -> np.ndarray:
    seen = vertices - CENTER
    nearer = _DISTANCE_CM / (_DISTANCE_CM - seen[:, 2:])
    return _PX / 2 + _PX / _SPAN_CM * seen[:, :2] * nearer * [1, -1]


def _place_landmarks(head: HeadModel, look: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(3)
    skins = np.float32([(225, 180, 155), (190, 140, 110), (140, 95, 70)])
    flat, face = _frontal(head.neutral), np.flatnonzero(head.is_a("Face"))
    places = []
    for person in range(9):
        vertices = head.shape(rng.normal(0, 0.8 * min(person, 1), 50), {})
        colors = head.plain_colors(skins[person % 3], (175, 85, 85), (60, 40, 25), (60, 45, 35))
        gray, light = np.full((_PX, _PX, 3), 125, np.uint8), (np.array([0, 0.4, 1]), 0.45, 0.6)
        picture = paint(head, vertices - CENTER, _frontal(vertices), colors, gray, light)
        seen = _frontal(vertices)
        found = _on_surface(head, seen, look(picture)[:468, :2], face)
        places.append([share @ flat[head.triangles[index]] for index, share in found])
    typical = np.median(places, 0)
    for number, (index, share) in enumerate(_on_surface(head, flat, typical, face)):
        head.corners[number], head.shares[number] = head.triangles[index], share
    _mend_depth(head, face)
    links = _links(head, face)
    for row, ends in _ROWS:
        chain = _chain(links, head.marks[list(ends)])
        x, wanted = flat[chain, 0], typical[list(row), 0]
        wanted = np.interp(wanted, wanted[[0, -1]], x[[0, -1]])
        for number, at in zip(row, wanted):
            k = int(np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2))
            share = float(np.clip((at - x[k]) / max(x[k + 1] - x[k], 1e-6), 0, 1))
            head.corners[number] = chain[k], chain[k + 1], chain[k]
            head.shares[number] = 1 - share, share, 0
    for side, numbers in zip(("Right", "Left"), IRISES):
        ball = head.eyeball(side)
        away = head.neutral[ball] - (head.neutral[ball].min(0) + head.neutral[ball].max(0)) / 2
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        for number, (x, y) in zip(numbers, ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))):
            angle = IRIS_ANGLE * max(abs(x), abs(y))
            wanted = np.array([x * np.sin(angle), y * np.sin(angle), np.cos(angle)])
            head.corners[number], head.shares[number] = ball[(away @ wanted).argmax()], (1, 0, 0)


def _mend_depth(head: HeadModel, face: np.ndarray) -> None:
    """Move landmarks at the sides of the face that slipped behind it.

    There the surface is seen edgewise, and half a pixel decides about centimeters of depth. They
    go to the skin nearest to where the average face has them.
    """
    average = template()[:468].astype(np.float64) * [1, -1, -1]
    placed, padded = head.landmarks(head.neutral)[:468], np.ones((468, 4))
    padded[:, :3] = average
    weights = np.ones((468, 1))
    for _ in range(8):
        fit = np.linalg.lstsq(padded * weights, placed * weights, rcond=None)[0]
        off = np.linalg.norm(padded @ fit - placed, axis=1)
        weights = 1 / (1 + (off[:, None] / 0.6) ** 2)
    wrong = (off > _SLIPPED_CM) & (np.abs(placed[:, 0]) > _SIDE_CM)
    wrong |= wrong[mirror()[:468]]
    goal = padded @ fit
    goal = (goal + goal[mirror()[:468]] * [-1, 1, 1]) / 2
    skin = np.unique(head.triangles[face])
    skin = skin[(skin < FACE_VERTICES) & (np.abs(head.neutral[skin, 0]) > 2.5)]
    nearest = skin[cKDTree(head.neutral[skin]).query(goal)[1]]
    for number in np.flatnonzero(wrong):
        head.corners[number], head.shares[number] = nearest[number], (1, 0, 0)


def _on_surface(
    head: HeadModel, flat: np.ndarray, places: np.ndarray, among: np.ndarray
) -> list[tuple[int, np.ndarray]]:
    """Return the nearest triangle under each pixel (P, 2) and the (3,) shares of its corners."""
    middles = flat[head.triangles[among]].mean(1)
    close = cKDTree(middles).query(places, k=48)[1]
    found = []
    for place, near in zip(places, among[close]):
        first, second, third = (flat[head.triangles[near, k]] for k in range(3))
        b, c, p = second - first, third - first, place - first
        area = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
        area = np.where(np.abs(area) < 1e-9, 1e-9, area)
        two = (p[:, 0] * c[:, 1] - p[:, 1] * c[:, 0]) / area
        three = (b[:, 0] * p[:, 1] - b[:, 1] * p[:, 0]) / area
        shares = np.stack([1 - two - three, two, three], 1)
        inside = np.flatnonzero((shares >= -1e-4).all(1))
        depth = head.neutral[head.triangles[near], 2].mean(1)
        best = inside[depth[inside].argmax()] if len(inside) else 0
        found.append((int(near[best]), shares[best] if len(inside) else np.full(3, 1 / 3)))
    return found


def _links(head: HeadModel, face: np.ndarray) -> dict[int, list[tuple[int, float]]]:
    links: dict[int, list[tuple[int, float]]] = {}
    for triangle in head.triangles[face].tolist():
        for one, other in zip(triangle, triangle[1:] + triangle[:1]):
            length = float(np.linalg.norm(head.neutral[one] - head.neutral[other]))
            links.setdefault(one, []).append((other, length))
            links.setdefault(other, []).append((one, length))
    return links


def _chain(links: dict[int, list[tuple[int, float]]], stops: np.ndarray) -> np.ndarray:
    """Return the vertices of the shortest way over edges that passes all stops."""
    chain = [int(stops[0])]
    for goal in stops[1:].tolist():
        start = chain[-1]
        lengths, before, waiting = {start: 0.0}, {}, [(0.0, start)]
        while waiting:
            length, here = heapq.heappop(waiting)
            if here == goal:
                break
            for there, step in links[here]:
                if length + step < lengths.get(there, np.inf):
                    lengths[there], before[there] = length + step, here
                    heapq.heappush(waiting, (length + step, there))
        way = [goal]
        while way[-1] != start:
            way.append(before[way[-1]])
        chain += way[-2::-1]
    return np.array(chain)
