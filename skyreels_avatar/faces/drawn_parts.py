"""The parts of a drawn face, measured where they stand out from even skin."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from skyreels_avatar.rig.drawn_style import FACE_PX

_MOSTLY = 0.8  # of an eye's hull that is left without lashes
_THICKEST = 0.035  # of H, a lash line
_MAX_TILT = 0.15  # of an eye, rise over width


@dataclass(frozen=True, eq=False)
class DrawnParts:
    """The parts of a drawn face, in pixels of the picture.

    Attributes:
        lids: of the person's right and left eye, (2, 4, 9, 2): outer and inner edge of the upper
            lash line, inner and outer edge of the lower one; from the left to the right.
        irises: (2, 3) middle and radius.
        lips: inner upper and lower edge, then the outer ones, (4, 11, 2).
        line: thickness of the line round the mouth.
        chin: (2,), or None where it is not drawn.
    """

    lids: np.ndarray
    irises: np.ndarray
    lips: np.ndarray
    line: float
    chin: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Island:
    """What stands out from the skin: its mask in the crop, and left, top, right, bottom."""

    mask: np.ndarray
    box: tuple[int, int, int, int]
    area: int

    @property
    def middle(self) -> np.ndarray:
        """Middle x, y of the box."""
        return np.array([self.box[0] + self.box[2], self.box[1] + self.box[3]]) / 2

    @property
    def size(self) -> np.ndarray:
        """Width and height of the box."""
        return np.array([self.box[2] - self.box[0], self.box[3] - self.box[1]])

    @classmethod
    def of(cls, mask: np.ndarray) -> Island:
        """Measure a mask (h, w) bool."""
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        return cls(mask, (x, y, x + width, y + height), int(mask.sum()))


def _edges(mask: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the top and the bottom of a mask at columns (K,), interpolated where it is empty."""
    rows = np.flatnonzero(mask.any(0))
    top = mask.argmax(0)[rows]
    low = mask.shape[0] - mask[::-1].argmax(0)[rows]
    return np.interp(columns, rows + 0.5, top), np.interp(columns, rows + 0.5, low)


def eye_parts(eye: Island, lab: np.ndarray, is_skin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lids (4, 9, 2) and iris (3,) of one eye in the crop."""
    width, height = eye.size
    # Lashes that stand off at the corners and the fold above do not belong to the opening.
    thick = max(3, round(0.22 * min(width, height))) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thick, thick))
    body = cv2.morphologyEx(eye.mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    number, labels, stats, _ = cv2.connectedComponentsWithStats(body)
    if number > 2:
        body = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    whole = _hull(eye.mask)
    if not body.any() or _hull(body).sum() < _MOSTLY * whole.sum():
        body = whole  # whites like the skin: only iris and lashes stand out
    body = cv2.dilate(_hull(body).astype(np.uint8), np.ones((3, 3))) > 0
    left, top, right, bottom = Island.of(body).box
    share = (1 - np.cos(np.linspace(0, np.pi, 9))) / 2
    columns = left + 0.5 + share * (right - left - 1)
    outer, low = _edges(body, columns)
    light = lab[..., 0]
    dark = np.percentile(light[body], 5)
    bright = np.percentile(light[body], 95)
    around = float(np.median(light[is_skin]))
    inked = (light < dark + 0.6 * (around - dark)) & body
    start, lash = _lash(inked, columns[2:7], outer[2:7], bottom - top)
    if start > 0.08 * (bottom - top):  # the fold above the eye is not of it
        outer = outer + (start - 1) * np.sin(np.pi * share)
    inner = outer + min(start, 2.0) + lash
    ends = np.minimum(inner, low)
    under = np.maximum(low - min(0.35 * lash, 0.05 * (bottom - top)), ends)
    upper = np.minimum(inner, under)
    corner = (outer[[0, -1]] + low[[0, -1]]) / 2
    tilt = _MAX_TILT * (right - left) / 2
    corner = corner.mean() + (corner - corner.mean()).clip(-tilt, tilt)
    low = low + _skin_below(is_skin, columns, low)
    upper[[0, -1]] = under[[0, -1]] = corner
    lids = _stacked(columns, outer, upper, under, low)
    return lids, _iris(body, light, lids, bright)


def _skin_below(is_skin: np.ndarray, columns: np.ndarray, low: np.ndarray) -> float:
    """Return how far below the lower edge of an eye, in pixels, a row of clean skin begins."""
    x = np.linspace(columns[0], columns[-1], 25)
    rows = 0.3 * np.interp(x, columns, low) + 0.7 * low.max()
    for away in range(1, round(0.12 * FACE_PX)):
        clean = [is_skin[(rows + away + step).astype(int), x.astype(int)] for step in range(3)]
        if np.mean(clean) > 0.97:
            return float(away - 1)
    return 0.0


def _hull(mask: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(outlines))
    return cv2.fillPoly(np.zeros(mask.shape, np.uint8), [hull], 1) > 0


def _lash(
    inked: np.ndarray, columns: np.ndarray, outer: np.ndarray, height: float
) -> tuple[float, float]:
    """Return how far below the upper edge of an eye its lash line begins, and its thickness."""
    starts, runs = [], []
    for x, y in zip(columns, outer):
        column = inked[max(round(y) - 1, 0) : round(y + 0.45 * height), int(x)]
        if not column.any():
            continue
        start = int(column.argmax())
        gaps = np.flatnonzero(~column[start:])
        starts.append(start - 1)
        runs.append(gaps[0] if len(gaps) else len(column) - start)
    if not runs:
        return 0.0, 1.5
    start = max(float(np.median(starts)), 0.0)
    return start, float(np.clip(np.median(runs), 1.5, min(0.25 * height, _THICKEST * FACE_PX)))


def _iris(body: np.ndarray, light: np.ndarray, lids: np.ndarray, bright: float) -> np.ndarray:
    """Return middle and radius (3,) of what is not white between the lids."""
    opening = np.zeros(body.shape, np.uint8)
    ring = np.concatenate([lids[1], lids[2][::-1]])
    cv2.fillPoly(opening, [np.round(ring).astype(np.int32)], 1)
    low = np.percentile(light[body], 10)
    colored = (opening > 0) & (light < (low + bright) / 2)
    where = np.argwhere(colored)[:, ::-1]
    if len(where) < 6:
        middle = lids[1:].reshape(-1, 2).mean(0)
        return np.array([*middle, 0.25 * np.ptp(lids[1][:, 0])])
    middle = np.median(where, 0) + 0.5
    return np.array([*middle, max(2.0, np.sqrt(len(where) / np.pi))])


def lip_edges(mouth: Island, lab: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the lips (4, 11, 2) of `DrawnParts` and the thickness of the line, in pixels."""
    left, _, right, _ = mouth.box
    ends = np.linspace(left + 0.5, right - 0.5, 11)
    upper, lower = _edges(mouth.mask, ends)
    thickness = float(np.median((lower - upper)[2:9]))
    width = right - left
    if thickness < max(0.16 * width, 0.028 * FACE_PX):  # a line
        middle = (upper + lower) / 2
        line = max(thickness - 0.7, 1.0)
        return _stacked(ends, middle, middle, middle - line, middle + line), line
    line = 0.009 * FACE_PX
    light = lab[..., 0]
    seam = _dark_seam(light, mouth, ends, upper, lower)
    if seam is not None:  # lips with color, and the line between them
        return _stacked(ends, seam, seam, upper, lower), line
    inset = np.minimum(line, 0.3 * (lower - upper))
    rows = upper + inset, lower - inset
    for one in rows:
        one[[0, -1]] = (upper + lower)[[0, -1]] / 2
    return _stacked(ends, *rows, upper - line, lower + line), line


def _stacked(columns: np.ndarray, *rows: np.ndarray) -> np.ndarray:
    return np.stack([np.stack([columns, one], 1) for one in rows])


def _dark_seam(
    light: np.ndarray, mouth: Island, ends: np.ndarray, upper: np.ndarray, lower: np.ndarray
) -> np.ndarray | None:
    """Return rows (11,) of a dark line inside the mouth's island; None where it has none."""
    rows, depth = [], []
    for x, top, low in zip(ends, upper, lower):
        inset = 0.2 * (low - top)
        first, last = round(top + inset), max(round(low - inset), round(top + inset) + 1)
        column = light[first:last, int(x)]
        rows.append(first + column.argmin() + 0.5)
        depth.append(min(np.median(column), column[0], column[-1]) - column.min())
    if np.median(depth[2:9]) < 5 or np.abs(np.diff(rows[2:9])).max() > 0.3 * np.ptp(
        mouth.box[1::2]
    ):
        return None
    rows[0], rows[-1] = (upper[0] + lower[0]) / 2, (upper[-1] + lower[-1]) / 2
    return np.array(rows)


def chin_point(lab: np.ndarray, across: float, below: float, expected: float) -> np.ndarray | None:
    """Return (2,) the edge below the mouth that is nearest to the mesh's chin, if there is one."""
    first, last = round(below + 0.03 * FACE_PX), round(below + 0.5 * FACE_PX)
    rows = []
    for x in np.linspace(across - 0.04 * FACE_PX, across + 0.04 * FACE_PX, 7):
        column = lab[first : min(last, lab.shape[0]), round(x)]
        if len(column) < 8:
            return None
        steps = np.linalg.norm(column[3:] - column[:-3], axis=1)
        edges = np.flatnonzero(steps > 7)
        if len(edges):
            rows.append(first + edges[np.abs(first + edges + 2 - expected).argmin()] + 2)
    if len(rows) < 5 or np.std(rows) > 0.02 * FACE_PX:
        return None
    return np.array([across, float(np.median(rows))])
