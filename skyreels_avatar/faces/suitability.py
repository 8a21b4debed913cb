"""Check, before a video is made, whether a face can be animated well."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.closed_mouth import is_wide_open
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.issue import FaceIssue
from skyreels_avatar.faces.occluder_mask import SegmentCrops, covered_lips
from skyreels_avatar.faces.opening import face_heights, mouth_opening
from skyreels_avatar.faces.picture_quality import examine_quality
from skyreels_avatar.rig.drawn_style import is_flat

MIN_FACE_PX = 60  # of height; the lips of smaller faces are a few pixels
TURNED = 0.68  # visibility, of about 40 degrees; lips end against the background from here on
WIDE_OPEN = 0.12  # lip gap / face height; speech seldom reaches it
# Measured on 34 test portraits and 240 painted ones: skin texture 0.53 and more, of flat drawings
# 0.00; distance of lip and skin color 1.8 and more, without drawn lips 0.0.
FLAT_SKIN = 0.3
FAINT_LIPS = 1.5
_SEEN_LIPS = 4.0
_GRAY = 2.0  # of chroma: without color, lips are often as light as the skin round them
_UNSURE, _LOST = 0.8, 0.7  # confidence in the face of a drawing
# A lower lip that a beard hides is as what is round it: no redder (CIE Lab a), of no other color,
# no rougher, in hair. Measured on 463 portraits, 75 of them bearded: the three that show no lip
# have at most -0.3, 7.0 and 1.18, and 1.3 of texture; others miss one bound by 1.9, 2.6 or 0.08.
_NO_REDDER, _NO_OTHER, _NO_ROUGHER, _HAIR = 1.0, 9.5, 1.26, 1.1
# Or no line parts the lips: at no height within 0.02 of the face height of where it should be is
# the light along it (median, CIE Lab) lower than 0.02 above and below, and hair it is. Of 463
# portraits one, which shows no lip; of mouths painted over with their own beards 18 of the 20 that
# this was tuned on, 18 of 24 others (before: 3 and 6).
_LINE_COLUMNS, _LINE_SPAN, _LINE_BESIDE, _LINE_PARTS = 40, 0.02, 0.02, 0.35
_NO_REDDER_THAN_HAIR, _LINE_HAIR, _SHUT = 2.0, 0.8, 0.02
COVERED, MOSTLY = 0.15, 0.7  # of the lips, by the occluder network
UNSEEN = ("dark", "burnt-out")  # where lips cannot be told from skin for another reason
_WORKED_PX = 160  # height to which a face is scaled, so that texture means the same
# fmt: off
OUTER_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)
INNER_LIPS = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)
UPPER_LINE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LINE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LOWER_LIP = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 308, 324, 318, 402, 317, 14, 87, 178, 88,
    95, 78,
)
# fmt: on


def examine_face(
    pixels: np.ndarray, face: Face, segment: SegmentCrops | None = None
) -> tuple[FaceIssue, ...]:
    """Return the issues of a face, the worst first; () if there are none.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        face: in pixels of it.
        segment: masks of what occludes faces, as in `occluder_mask.segment_augmented`; None = what
            covers the mouth is not looked for.
    """
    findings = _examine_place(pixels, face)
    if face.drawn or any(one.fatal for one in findings):  # its mouth is known, and shuts
        return tuple(findings)
    flat = is_flat(pixels, face.landmarks)
    share = 0.0 if segment is None or flat else covered_lips(pixels, face.landmarks, segment)
    if share > COVERED:  # in flat drawings the network sees hands and hair where there are none
        findings.append(_covered(share))
    quality = examine_quality(pixels, face.landmarks, flat)
    findings += quality
    wide_open = float(mouth_opening(face.landmarks[None])[0]) > WIDE_OPEN
    if wide_open:
        findings.append(_wide_open(is_wide_open(face.landmarks)))
    if share <= COVERED and not any(one.code in UNSEEN for one in quality):
        findings += _examine_lips(pixels, face, wide_open, flat)
    return tuple(sorted(findings, key=lambda one: not one.fatal))


def _examine_place(pixels: np.ndarray, face: Face) -> list[FaceIssue]:
    """Return what is wrong with where a face is in its picture, how large, and how far turned."""
    height, width = pixels.shape[:2]
    lips = face.landmarks[list(OUTER_LIPS), :2]
    inside = float(((lips >= 0) & (lips < (width, height))).all(1).mean())
    if inside < 0.5:
        return [
            FaceIssue(
                "no-mouth",
                "no mouth is in the picture: the picture ends before it; use one that shows the "
                "whole face",
                fatal=True,
            ),
        ]
    findings = []
    if inside < 1.0:
        findings.append(
            FaceIssue("cut-mouth", "the picture's edge cuts the mouth; use one that shows it whole")
        )
    face_px = float(face_heights(face.landmarks[None])[0])
    if face_px < MIN_FACE_PX:
        findings.append(
            FaceIssue(
                "small",
                f"the face is {face_px:.0f} pixels high; below {MIN_FACE_PX} the lips are hardly "
                "seen: use a larger picture or crop it round the face",
            )
        )
    if face.visibility < TURNED:
        findings.append(
            FaceIssue(
                "turned",
                f"the face is turned away or cut off (visibility {face.visibility:.0%}): lips and "
                "teeth get ragged at the far side; use a picture that looks at the camera",
            )
        )
    return findings


def _examine_lips(
    pixels: np.ndarray, face: Face, wide_open: bool, flat_picture: bool
) -> list[FaceIssue]:
    """Return why the lips cannot be told from what is round them."""
    face_px = float(face_heights(face.landmarks[None])[0])
    lip_color, texture, is_hidden = _lips_and_skin(pixels, face.landmarks, face_px)
    flat = texture < FLAT_SKIN
    lost = wide_open or face.confidence < _LOST
    if (flat and lip_color < FAINT_LIPS) or (lost and flat_picture):
        message = (
            "the mouth of this drawing was not found, so that it cannot speak; use one whose eyes "
            "and mouth stand out from even skin, or a painting or a photo"
        )
        return [FaceIssue("drawn", message, fatal=True)]
    if is_hidden:
        message = (
            "no lips can be told from the beard, so that a mouth may open in the wrong place; use "
            "a picture that shows the lower lip"
        )
        return [FaceIssue("hidden-mouth", message)]
    if lip_color < FAINT_LIPS or (flat and (lip_color < _SEEN_LIPS or face.confidence < _UNSURE)):
        message = (
            "the lips can hardly be told from the skin, as in flat drawings: the mouth may not "
            "move well; a picture with painted lips or a photo works better"
        )
        return [FaceIssue("drawn", message)]
    return []


def _wide_open(can_be_shut: bool) -> FaceIssue:
    done = (
        "it is shut before it speaks, its teeth are painted, and skin above the lip may look drawn"
    )
    if not can_be_shut:
        done = "in a head that is turned it cannot be shut first, and its lips may look torn"
    advice = "use a picture with closed or slightly parted lips"
    return FaceIssue("wide-open", f"the mouth is wide open in the picture: {done}; {advice}")


def _covered(share: float) -> FaceIssue:
    """Return the issue of lips of which so much is covered."""
    if share > MOSTLY:
        message = (
            "something covers the mouth, such as a mask, a scarf, a hand or a cup: it stays in "
            "place, and no lips are seen to move; use a picture that shows them"
        )
    else:
        message = (
            f"something covers {share:.0%} of the lips, such as a hand or a microphone: it stays "
            "in place, and they move behind it; use a picture that shows them whole"
        )
    return FaceIssue("covered-mouth", message)


def _lips_and_skin(
    pixels: np.ndarray, landmarks: np.ndarray, face_px: float
) -> tuple[float, float, bool]:
    """Return how far the lips' color is from the skin's, and the texture of the skin, in CIE Lab.

    And whether hair hides the mouth. Infinity where the face is too small or too far outside to
    tell.
    """
    scale = _WORKED_PX / max(face_px, 1.0)
    points = landmarks[:, :2]
    low, high = points.min(0).astype(int), points.max(0).astype(int) + 1
    low, high = low.clip(0), np.minimum(high, pixels.shape[1::-1])
    if (high - low).min() < 8:
        return np.inf, np.inf, False
    crop = pixels[low[1] : high[1], low[0] : high[0]]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=method)
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    points = (points - low) * scale
    mouth, gap = (_filled(lab, points[list(ring)]) for ring in (OUTER_LIPS, INNER_LIPS))
    ring = _round(mouth, 3, 13)
    lips, skin = (mouth > 0) & (gap == 0), ring > 0
    if min(lips.sum(), skin.sum()) < 8:
        return np.inf, np.inf, False
    color = float(np.linalg.norm(np.median(lab[lips], 0) - np.median(lab[skin], 0)))
    texture = _texture(lab, 2.0)
    rough = float(np.median(texture[skin]))
    if rough >= FLAT_SKIN and np.median(np.hypot(lab[..., 1], lab[..., 2])) < _GRAY:
        return np.inf, rough, False  # in photos without color
    lip, around = _filled(lab, points[list(LOWER_LIP)]) > 0, _round(mouth, 5, 25) > 0
    hidden = _is_hidden(lab, lip, around)
    if not hidden and float(mouth_opening(landmarks[None])[0]) < _SHUT:
        redder = float(np.median(lab[lip, 1]) - np.median(lab[around, 1]))
        in_hair = (
            redder < _NO_REDDER_THAN_HAIR and np.median(_texture(lab, 1.5)[around]) > _LINE_HAIR
        )
        hidden = bool(in_hair) and not _is_line_seen(pixels, landmarks, face_px)
    return color, rough, hidden


def _is_hidden(lab: np.ndarray, lip: np.ndarray, around: np.ndarray) -> bool:
    """Return whether a lower lip is as what is round the mouth, and that is hair."""
    apart = np.median(lab[lip], 0) - np.median(lab[around], 0)
    texture = _texture(lab, 1.5)
    rough = float(np.median(texture[around]))
    alike = apart[1] < _NO_REDDER and np.linalg.norm(apart) < _NO_OTHER
    return bool(alike and rough > _HAIR and np.median(texture[lip]) < _NO_ROUGHER * rough)


def _is_line_seen(pixels: np.ndarray, landmarks: np.ndarray, face_px: float) -> bool:
    """Return whether a dark line runs along shut lips, where the mesh has it or close to it."""
    line = landmarks[list(UPPER_LINE), :2] / 2 + landmarks[list(LOWER_LINE), :2] / 2
    places = np.linspace(0.12, 0.88, _LINE_COLUMNS) * (len(line) - 1)
    line = np.stack([np.interp(places, np.arange(len(line)), line[:, k]) for k in (0, 1)], 1)
    down = (landmarks[152, :2] - landmarks[10, :2]) / face_px
    step, beside = 0.0025, round(_LINE_BESIDE / 0.0025)
    num = 2 * round(_LINE_SPAN / step) + 1 + 2 * beside
    offsets = (np.arange(num) - num // 2) * step * face_px
    at = (line + offsets[:, None, None] * down - 0.5).astype(np.float32)
    low = np.clip(np.floor(at.min((0, 1))).astype(int) - 4, 0, np.array(pixels.shape[1::-1]) - 1)
    high = np.clip(np.ceil(at.max((0, 1))).astype(int) + 5, low + 1, pixels.shape[1::-1])
    width = max(1, int(0.006 * face_px)) | 1
    crop = cv2.blur(pixels[low[1] : high[1], low[0] : high[0]], (width, width))
    light = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0]
    at = at - np.float32(low)
    light = cv2.remap(light, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    darker = np.minimum(light[: -2 * beside], light[2 * beside :]) - light[beside:-beside]
    return bool(np.median(darker, 1).max() >= 0 or (darker > 2).mean(1).max() >= _LINE_PARTS)


def _texture(lab: np.ndarray, radius: float) -> np.ndarray:
    light = lab[..., 0]
    return np.abs(light - cv2.GaussianBlur(light, (0, 0), radius))


def _round(mask: np.ndarray, near: int, far: int) -> np.ndarray:
    return cv2.dilate(mask, np.ones((far, far))) - cv2.dilate(mask, np.ones((near, near)))


def _filled(like: np.ndarray, points: np.ndarray) -> np.ndarray:
    mask = np.zeros(like.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask
