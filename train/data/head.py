"""A head with ARKit expressions, as displacements over the coordinates of its mouth.

Reads the head of ICT FaceKit (MIT) as `head.npz` (neutral, triangles, material, expressions) with
`vertex_indices.json` (68 landmark vertices). Lengths are in H, the face height, which the head has
no landmark for: 1.464 times the way from the eyes to the chin, as in the canonical face mesh.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from skyreels_avatar.rig.mouth_shapes import BEYOND

STEP_U, STEP_V, COLUMNS, ROWS = 0.25, 1 / 3, 14, 12
EYES_TO_CHIN = 1.464
FACE_VERTICES = 9409  # the skin of the face comes first, without the bag of the mouth
SIGHT = 0.12  # cosine of the view: what is turned further away is not seen from the front
JAW_LINE = -0.087  # of H that jawOpen lowers a corner: lips above are upper ones
RADIUS = 0.13  # of a node, in steps of 1 of u and v; wider where vertices are sparse


@dataclass(frozen=True)
class Head:
    """The skin of a face that is seen from the front.

    Attributes:
        points: (N, 3) in H.
        expressions: (N, 3) of each name; pairs of sides are added up.
        line: of the lips: face y at columns.
        center_x, half_width: of the mouth.
        thickness, reach: of the lips, and from the lip line to the nose and the chin.
    """

    points: np.ndarray
    expressions: dict[str, np.ndarray]
    line: CubicSpline
    line_ends: tuple[float, float]
    center_x: float
    half_width: float
    thickness: tuple[float, float]
    reach: tuple[float, float]

    @classmethod
    def load(cls, folder: Path) -> Head:
        """Read the head in a folder."""
        stored = np.load(folder / "head.npz")
        indices = json.loads((folder / "vertex_indices.json").read_text(encoding="utf-8"))
        marks = np.array(indices["idx_to_landmark_verts"])
        neutral = stored["neutral"].astype(np.float64)
        eyes = (neutral[marks[36]] + neutral[marks[45]]) / 2
        height = EYES_TO_CHIN * (eyes[1] - neutral[marks[8], 1])
        skin = stored["triangles"][stored["material"] == list(stored["materials"]).index("M_Face")]
        facing = _normals(neutral, skin)[:, 2]
        facing = facing * np.sign(facing[marks[30]])
        seen = (np.arange(len(neutral)) < FACE_VERTICES) & (facing > SIGHT)
        points = neutral / height
        expressions: dict[str, np.ndarray] = {}
        for name, moves in zip(stored["expression_names"], stored["expressions"]):
            whole = str(name).removesuffix("_L").removesuffix("_R")
            expressions[whole] = expressions.get(whole, 0) + moves[seen].astype(np.float64) / height
        lips = (points[marks[[60, 61, 62, 63, 64]]] + points[marks[[60, 67, 66, 65, 64]]]) / 2
        line = CubicSpline(lips[:, 0], lips[:, 1])
        middle = float(line(0.0))
        mark_y = points[marks, 1]
        return cls(
            points=points[seen],
            expressions=expressions,
            line=line,
            line_ends=(lips[0, 0], lips[-1, 0]),
            center_x=float(points[marks[[62, 66]], 0].mean()),
            half_width=float(points[marks[54], 0] - points[marks[48], 0]) / 2,
            thickness=(mark_y[51] - middle, middle - mark_y[57]),
            reach=(mark_y[33] - middle, middle - mark_y[8]),
        )

    def shape(self, name: str) -> np.ndarray:
        """Return (2, ROWS, COLUMNS, 2) displacements of both layers by one expression.

        Across in half widths of the mouth and away from the lip line in H, at nodes of u and v.
        """
        return np.stack([self._layer(self.expressions[name], layer) for layer in (0, 1)])

    def _layer(self, moves: np.ndarray, layer: int) -> np.ndarray:
        sign = 1 if layer == 0 else -1
        line = self.line(self.points[:, 0].clip(*self.line_ends))
        u = (self.points[:, 0] - self.center_x) / self.half_width
        v = self._rows(sign * (self.points[:, 1] - line), layer)
        upper = self.expressions["jawOpen"][:, 1] > JAW_LINE
        outside = np.abs(u) > 1.03
        used = (upper == (layer == 0)) & (v > -0.05) | outside & (v > -1.0)
        used &= (v < 4.2) & (np.abs(u) < 3.6)
        after = self._rows(sign * (self.points[:, 1] + moves[:, 1] - line), layer)
        side = np.where(u < 0, -1, 1)
        values = np.stack([moves[:, 0] * side / self.half_width, after - v], 1)[used]
        at = np.stack([np.abs(u), v], 1)[used]
        # Both sides of the mouth, and their mirror images for a level middle.
        at = np.concatenate([at, at * [-1, 1]])
        values = np.concatenate([values, values * [-1, 1]])
        table = np.zeros((ROWS, COLUMNS, 2))
        for row, column in np.ndindex(ROWS, COLUMNS):
            table[row, column] = _local_fit(at - [column * STEP_U, row * STEP_V], values)
        table[:, 0, 0] = 0
        ends = [((n - 1 - np.arange(n)) / 2).clip(0, 1) for n in (ROWS, COLUMNS)]
        table *= ends[0][:, None, None] * ends[1][:, None]
        rows = np.arange(ROWS)[:, None] * STEP_V
        away = self._away(rows + table[..., 1], layer) - self._away(rows, layer)
        return np.stack([table[..., 0], away], -1)

    def _rows(self, away: np.ndarray, layer: int) -> np.ndarray:
        lip, skin = self.thickness[layer], self.reach[layer]
        on_skin = 1 + (away - lip) / (skin - lip)
        beyond = 2 + (away - skin) / BEYOND
        return np.where(away < lip, away / lip, np.where(away < skin, on_skin, beyond))

    def _away(self, rows: np.ndarray, layer: int) -> np.ndarray:
        lip, skin = self.thickness[layer], self.reach[layer]
        on_skin = lip + (rows - 1) * (skin - lip)
        return np.where(
            rows < 1, rows * lip, np.where(rows < 2, on_skin, skin + (rows - 2) * BEYOND)
        )


def _local_fit(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the value at 0 of a plane through (N, 2) values near it, at (N, 2) places."""
    distance, radius = (at**2).sum(1), RADIUS
    while (np.exp(-distance / (2 * radius**2)) > 0.1).sum() < 6 and radius < 1:
        radius *= 1.3
    weight = np.exp(-distance / (2 * radius**2))
    near = weight > 1e-4
    plane = np.concatenate([np.ones((near.sum(), 1)), at[near]], 1)
    weighted = plane * weight[near, None]
    return np.linalg.solve(
        plane.T @ weighted + np.diag([1e-6, 1e-3, 1e-3]), weighted.T @ values[near]
    )[0]


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    sides = points[triangles[:, 1:]] - points[triangles[:, :1]]
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(sides[:, 0], sides[:, 1]))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
