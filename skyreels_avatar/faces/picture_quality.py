"""Check how a picture shows a face: upright, sharp, well lit, and with open eyes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from skyreels_avatar.faces.issue import FaceIssue
from skyreels_avatar.faces.opening import face_heights
from skyreels_avatar.rig.geometry import EYES, INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER

_WORKED_PX = 160  # height to which larger faces are shrunk; smaller ones are not enlarged
_LEAST_PX = 60  # of smaller faces another message speaks
_LEAST_CROP_PX, _LEAST_PIXELS = 8, 8
_SIDEWAYS_DEG, _UPSIDE_DOWN_DEG = 60.0, 135.0  # roll; heads that rest on a hand reach 40
# Detail round eyes and mouth: the 90th percentile of what a blur by 0.01 of the face height takes
# away, over that of one four times as wide. Of a face that was 40 pixels high and was enlarged 0.20
# to 0.27, 30 pixels 0.17 to 0.19, blurred by 0.012 of the face height 0.18 to 0.22; portraits 0.32
# and more, paintings 0.27 and more.
_FINE, _COARSE, _BLURRED = 0.01, 0.04, 0.25
# The 90th percentile of the light (CIE Lab) of the lips and the skin round them: portraits 37 and
# more, paintings 26 and more; four stops and a half too dark 10 to 19.
_DARK = 17.0
# The share of them that is clipped: portraits at most 0.09, two stops too bright 0.27 and more.
# Where all that is clipped has one color, a drawing may mean it.
_CLIPPED, _BURNT, _ONE_COLOR = 253, 0.4, 6.0
# Height of an eye over its width, of the eye that is open further: shut 0.02 to 0.09, of people who
# squint at the sun 0.098 and more.
_SHUT_EYES = 0.088
_LID_POINTS = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))
_LIPS = (*OUTER_UPPER, *OUTER_LOWER[::-1])
_GAP = (*INNER_UPPER, *INNER_LOWER[::-1])


def examine_quality(
    pixels: np.ndarray, landmarks: np.ndarray, flat: bool = False
) -> tuple[FaceIssue, ...]:
    """Return what is wrong with how a picture shows a face; () if nothing is.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) pixels of a face.
        flat: the picture is in flat colors, as drawings are, whose eyes and lines are as their
            author wants them, and photos with far too much or too little light.
    """
    findings = []
    if turned := _describe_roll(landmarks):
        findings.append(
            FaceIssue(
                "sideways",
                f"the head {turned}, and so it stays in the video: turn the picture first, unless "
                "it is meant to",
            )
        )
    findings += _examine_light(pixels, landmarks, flat)
    large = not flat and face_heights(landmarks[None])[0] >= _LEAST_PX
    if large and max(eye_openings(landmarks)) < _SHUT_EYES:
        findings.append(
            FaceIssue(
                "shut-eyes",
                "the eyes are shut, and stay shut in the video: use a picture with open eyes, "
                "unless it is meant to",
            )
        )
    return tuple(findings)


def _describe_roll(landmarks: np.ndarray) -> str:
    """Return "is upside down" or "lies on its side"; "" if a head (478, 3) is upright."""
    across = landmarks[263, :2] - landmarks[33, :2]
    roll = abs(float(np.degrees(np.arctan2(across[1], across[0]))))
    if roll > _UPSIDE_DOWN_DEG:
        return "is upside down"
    return "lies on its side" if roll > _SIDEWAYS_DEG else ""


def eye_openings(landmarks: np.ndarray) -> tuple[float, float]:
    """Return the height of each eye of (478, 3) over its width (Soukupova and Cech, 2016)."""
    openings = []
    for eye in _LID_POINTS:
        outer, upper, upper_2, inner, lower_2, lower = landmarks[list(eye), :2]
        height = np.linalg.norm(upper - lower) + np.linalg.norm(upper_2 - lower_2)
        openings.append(float(height / max(2 * np.linalg.norm(outer - inner), 1e-6)))
    return openings[0], openings[1]


def _examine_light(pixels: np.ndarray, landmarks: np.ndarray, flat: bool) -> list[FaceIssue]:
    """Return what is wrong with light and sharpness; burnt and dark faces have no detail to ask."""
    whole_px = float(face_heights(landmarks[None])[0])
    crop, points, face_px = _shrunk(pixels, landmarks[:, :2], whole_px)
    if min(crop.shape[:2]) < _LEAST_CROP_PX:
        return []
    mouth = _filled(crop, points, _LIPS)
    around = _grown(mouth, 0.09 * face_px) & ~_grown(mouth, 0.02 * face_px)
    lit = around | (mouth & ~_filled(crop, points, _GAP))
    if lit.sum() < _LEAST_PIXELS:
        return []
    if _is_burnt_out(crop[lit]):
        message = (
            "the face is overexposed: lips and teeth have other colors than its white skin; use a "
            "picture with less light"
        )
        return [FaceIssue("burnt-out", message)]
    light = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
    if np.percentile(light[lit], 90) < _DARK:
        message = (
            "the mouth is in the dark: its movement is hardly seen; use a brighter picture, or "
            "brighten it first"
        )
        return [FaceIssue("dark", message)]
    if flat:
        return []
    eyes = np.logical_or(
        *(_filled(crop, points, (*upper, *lower[::-1])) for upper, lower, *_ in EYES)
    )
    looked_at = _grown(eyes, 0.1 * face_px) | _grown(mouth, 0.02 * face_px)
    if face_px >= _LEAST_PX and _sharpness(light, looked_at, face_px) < _BLURRED:
        message = (
            "the face is blurred, or was enlarged from a few pixels: it stays blurred, and new "
            "teeth and lids look sharper than it; use the original, or a sharper picture"
        )
        return [FaceIssue("blurred", message)]
    return []


def _shrunk(
    pixels: np.ndarray, points: np.ndarray, face_px: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the crop of a face, its points there, and its height, which is at most _WORKED_PX."""
    margin, scale = 0.1 * face_px, min(1.0, _WORKED_PX / max(face_px, 1.0))
    limit = np.array(pixels.shape[1::-1])
    low = np.clip((points.min(0) - margin).astype(int), 0, limit)
    high = np.clip((points.max(0) + margin).astype(int) + 1, low, limit)
    crop = pixels[low[1] : high[1], low[0] : high[0]]
    if scale < 1 and crop.size:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return crop, (points - low) * scale, scale * face_px


def _is_burnt_out(colors: np.ndarray) -> bool:
    """Return whether most of the colors (N, 3) uint8 are clipped, by too much light."""
    clipped = colors[colors.max(1) >= _CLIPPED]
    if len(clipped) < _BURNT * len(colors):
        return False
    return float(clipped.astype(np.float32).std(0).max()) > _ONE_COLOR


def _sharpness(light: np.ndarray, mask: np.ndarray, face_px: float) -> float:
    """Return how much of the detail of light (H, W) within a mask is fine."""
    fine, coarse = (
        np.percentile(np.abs(light - cv2.GaussianBlur(light, (0, 0), radius * face_px))[mask], 90)
        for radius in (_FINE, _COARSE)
    )
    return float(fine / max(coarse, 1e-3))


def _filled(crop: np.ndarray, points: np.ndarray, ring: Sequence[int]) -> np.ndarray:
    mask = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points[list(ring)]).astype(np.int32)], 1)
    return mask > 0


def _grown(mask: np.ndarray, width: float) -> np.ndarray:
    side = max(3, int(width)) | 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
