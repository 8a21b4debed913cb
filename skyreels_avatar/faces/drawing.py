"""Where eyes, mouth and chin of a flat drawing really are.

Face meshes are fitted to photos. On flat drawings they find the face, and lay eyes and lips of
the usual size at the usual places into it. What is drawn on even skin stands out from it, though:
eyes, mouth and chin are read from the islands in the skin, and the mesh is bent to them.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from skyreels_avatar.faces.drawn_mesh import bend_mesh
from skyreels_avatar.faces.drawn_parts import DrawnParts, Island, chin_point, eye_parts, lip_edges
from skyreels_avatar.faces.face import FACE_OVAL, Face, visibility_of
from skyreels_avatar.faces.region import box_of
from skyreels_avatar.faces.turned_mesh import drawn_mesh
from skyreels_avatar.rig.drawn_style import FACE_PX, face_crop, is_flat, to_lab

_SKIN_LIGHT, _SKIN_HUE = (-26.0, 9.0), 12.0  # of the commonest color, CIE Lab: shadow to glint
_MAX_TURN_DEG = 14.0
_TALLER = 1.2
_WIDEST = 0.5, 0.65  # mouths, in face heights: dark ones, and those that show teeth
_BELOW_EYES = 0.42  # of the distance of the eyes; what is nearer to them is a nose
_INK = 15.0  # CIE Lab: lines of a drawing are at most so much lighter than one another


def fit_drawing(pixels: np.ndarray, face: Face) -> Face:
    """Return a face whose landmarks lie where a flat drawing shows eyes, mouth and chin.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        face: of the mesh; returned as it is for photos and paintings. In flat drawings in which
            the parts are not found it gets the mesh that was taught on drawings.
    """
    if not is_flat(pixels, face.landmarks):
        return face
    parts = find_parts(pixels, face.landmarks)
    if parts is None:
        points = drawn_mesh(pixels, face.landmarks)
        return replace(face, box=box_of(points), landmarks=points)
    points = bend_mesh(face.landmarks, parts)
    visibility = visibility_of(points, *pixels.shape[:2])
    return Face(box_of(points), points, face.confidence, visibility, drawn=True)


def find_parts(pixels: np.ndarray, landmarks: np.ndarray) -> DrawnParts | None:
    """Find eyes, mouth and chin of a drawn face; None where they do not stand out.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) pixels of the face mesh.
    """
    down = landmarks[152, :2] - landmarks[10, :2]
    turn = float(np.arctan2(-down[0], down[1]))
    for angle in dict.fromkeys((turn if abs(np.degrees(turn)) < _MAX_TURN_DEG else 0.0, 0.0)):
        crop, to_crop = face_crop(pixels, landmarks, angle)
        back = cv2.invertAffineTransform(to_crop)
        parts = _parts_of(crop, _apply(to_crop, landmarks[:, :2]))
        if parts is not None:
            scale = float(np.hypot(*back[:, 0]))
            return DrawnParts(
                _apply(back, parts.lids),
                np.concatenate([_apply(back, parts.irises[:, :2]), parts.irises[:, 2:] * scale], 1),
                _apply(back, parts.lips),
                parts.line * scale,
                None if parts.chin is None else _apply(back, parts.chin),
            )
    return None


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _parts_of(crop: np.ndarray, mesh: np.ndarray) -> DrawnParts | None:
    lab = cv2.GaussianBlur(to_lab(crop), (0, 0), 0.7)
    skin = _skin_color(lab, mesh)
    away = lab - skin
    light = away[..., 0]
    is_skin = (light > max(_SKIN_LIGHT[0], -0.4 * skin[0])) & (light < _SKIN_LIGHT[1])
    is_skin &= np.hypot(away[..., 1], away[..., 2]) < _SKIN_HUE
    islands = _islands(~is_skin, mesh)
    eyes = _eyes(islands, mesh, lab[..., 0])
    if eyes is None:
        return None
    right, left = (_with_lashes(eye, islands) for eye in eyes)
    eyes = _without_brow(right, left), _without_brow(left, right)
    across = (eyes[0].middle + eyes[1].middle) / 2
    apart = float(np.linalg.norm(eyes[1].middle - eyes[0].middle))
    bottom = max(max(eye.box[3] for eye in eyes), across[1] + _BELOW_EYES * apart)
    mouth = _mouth(islands, across[0], bottom, mesh, light)
    if mouth is None:
        return None
    found = [eye_parts(eye, lab, is_skin) for eye in eyes]
    lips, line = lip_edges(mouth, lab)
    known = abs(mesh[[13, 14], 1].mean() - mouth.middle[1]) < 0.06 * FACE_PX
    chin = chin_point(lab, across[0], mouth.box[3], mesh[152, 1] if known else 0.0)
    return DrawnParts(
        np.stack([lids for lids, _ in found]),
        np.stack([iris for _, iris in found]),
        lips,
        line,
        chin,
    )


def _skin_color(lab: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Return (3,) the commonest color inside the face's oval."""
    oval = np.zeros(lab.shape[:2], np.uint8)
    ring = mesh[FACE_OVAL]
    ring = ring.mean(0) + 0.8 * (ring - ring.mean(0))
    cv2.fillPoly(oval, [np.round(ring).astype(np.int32)], 1)
    colors = lab[oval > 0]
    cells, counts = np.unique(np.floor(colors / 5).astype(int), axis=0, return_counts=True)
    near = np.abs(colors - (cells[counts.argmax()] + 0.5) * 5).max(1) < 5
    return np.median(colors[near], 0)


def _islands(marked: np.ndarray, mesh: np.ndarray) -> list[Island]:
    """Return what is drawn inside the skin: parts that lie close together are one."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    size = marked.shape[0]
    inside = np.zeros(marked.shape, np.uint8)
    for index in range(1, number):
        x, y, width, height, area = stats[index]
        big = max(width, height) > 0.8 * FACE_PX
        if big or min(x, y) == 0 or max(x + width, y + height) == size or area < 4:
            continue
        inside[labels == index] = 1
    reach = 2 * round(0.008 * FACE_PX) + 1
    joined = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    number, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for index in range(1, number):
        if stats[index, cv2.CC_STAT_AREA] >= (0.012 * FACE_PX) ** 2:
            found.append(Island.of(_filled(labels == index)))
    return found


def _filled(mask: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.fillPoly(np.zeros(mask.shape, np.uint8), outlines, 1) > 0


def _eyes(
    islands: list[Island], mesh: np.ndarray, light: np.ndarray
) -> tuple[Island, Island] | None:
    """Return the right and the left eye: the largest pair of islands that are alike.

    Or what is below both of them, if they are brows.
    """
    middle = mesh[FACE_OVAL].mean(0)
    eye_y = mesh[[33, 133, 263, 362], 1].mean()
    parts = []
    for one in islands:
        spans = one.box[0] < middle[0] - 0.08 * FACE_PX and one.box[2] > middle[0] + 0.08 * FACE_PX
        if spans and one.size[0] > 0.25 * FACE_PX:  # eyes that touch
            cut = round(one.middle[0])
            for columns in (slice(0, cut), slice(cut, None)):
                half = np.zeros_like(one.mask)
                half[:, columns] = one.mask[:, columns]
                parts.append(Island.of(half))
        else:
            parts.append(one)
    best, best_score = None, -np.inf
    for right in parts:
        for left in parts:
            apart, height = left.middle - right.middle
            if not 0.12 * FACE_PX < apart < 0.75 * FACE_PX or abs(height) > 0.12 * apart + 6:
                continue
            areas = np.log([right.area, left.area])
            wide = [one.size[0] for one in (right, left)]
            if abs(areas[0] - areas[1]) > 0.8 or max(wide) > 1.6 * min(wide):
                continue
            center = (right.middle + left.middle) / 2
            off = abs(center[0] - middle[0]) / FACE_PX, abs(center[1] - eye_y) / FACE_PX
            score = areas.mean() - abs(areas[0] - areas[1]) - 6 * off[0] - 5 * off[1]
            score -= 4 * abs(height) / FACE_PX
            if max(off) < 0.3 and score > best_score:
                best, best_score = (right, left), score
    if best is None:
        return None
    under = [_under_brow(one, islands, light) for one in best]
    return best if None in under else (under[0], under[1])


def _under_brow(brow: Island, islands: list[Island], light: np.ndarray) -> Island | None:
    """Return the largest island close below another that is as dark: an eye below its brow."""
    darkest = light[brow.mask].min() + _INK
    left, _, right, bottom = brow.box
    found = []
    for one in islands:
        wide = min(right, one.box[2]) - max(left, one.box[0])
        low = one.middle[1] - brow.middle[1]
        beside = one.box[1] < bottom or wide < 0.5 * min(brow.size[0], one.size[0])
        if not beside and low < 0.25 * FACE_PX and light[one.mask].min() < darkest:
            found.append(one)
    return max(found, key=lambda one: one.area, default=None)


def _with_lashes(eye: Island, islands: list[Island]) -> Island:
    """Return an eye and what is drawn round it: lashes whose box its own overlaps."""
    mask, (left, top, right, bottom) = eye.mask, eye.box
    for one in islands:
        wide = min(right, one.box[2]) - max(left, one.box[0])
        high = min(bottom, one.box[3]) - max(top, one.box[1])
        below = one.middle[1] > top  # a brow is above
        if below and min(wide, high) > 0 and max(one.size) < 0.4 * FACE_PX:
            smaller = min(np.prod(one.size), np.prod(eye.size))
            if wide * high > 0.3 * smaller:
                mask = mask | one.mask
    return Island.of(mask)


def _without_brow(eye: Island, other: Island) -> Island:
    """Return an eye without what reaches higher than the other eye: its brow touches it."""
    if eye.size[1] < _TALLER * other.size[1]:
        return eye
    mask = eye.mask.copy()
    mask[: max(other.box[1] - 1, 0)] = False
    return Island.of(mask) if mask.any() else eye


def _mouth(
    islands: list[Island], across: float, bottom: float, mesh: np.ndarray, light: np.ndarray
) -> Island | None:
    """Return the mouth: an island below the eyes, in their middle, wide or low.

    Args:
        light: (h, w) how much lighter than the skin the drawing is: very wide mouths show teeth,
            while a moustache is dark.
    """
    expected = mesh[[13, 14], 1].mean()
    best, best_score = None, -np.inf
    for one in islands:
        width, height = one.size
        widest = _WIDEST[int(np.median(light[one.mask]) > 0)] * FACE_PX
        if one.middle[1] < bottom or not 0.025 * FACE_PX <= width <= widest:
            continue
        aside = abs(one.middle[0] - across) / FACE_PX
        if aside > 0.09 or height > 1.8 * width:
            continue
        low = (one.middle[1] - bottom) / FACE_PX
        score = min(width / FACE_PX, 0.15) * 6 - 6 * aside
        score += 2 * min(low, 0.25) - 2 * abs(one.middle[1] - expected) / FACE_PX
        if score > best_score:
            best, best_score = one, score
    return best
