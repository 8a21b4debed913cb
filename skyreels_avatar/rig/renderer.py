"""Render rig coefficients over a clip of the reference video.

No network: the picture is warped backwards by the fields of the rig, and only what the reference
does not show is painted, which is the inside of the mouth.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.curves import (
    Box,
    box_pixels,
    enclosing_box,
    inside,
    overlap,
    pixel_box,
)
from skyreels_avatar.rig.eyes import (
    BLINKING,
    blink_of,
    blinking_spans,
    lid_place,
    own_side,
    twice_as_fine,
    undo_eye_at,
)
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import EYES, INNER_LOWER, INNER_UPPER, FaceFrame
from skyreels_avatar.rig.lookup import draw
from skyreels_avatar.rig.mouth_layer import LipPixels, crease, open_mouth, part_lips
from skyreels_avatar.rig.reference_clip import (
    ReferenceClip,
    half_as_fine,
    sample_clip,
    soften_streaks,
    streaks,
    stretched_rows,
    unfolded,
)
from skyreels_avatar.rig.warp import FIELD_BOX, PosedFace

_RIMS = [[i for ring in rings for i in ring] for rings in EYES]
LIP_MARGIN, EYE_MARGIN = 0.06, 0.05  # of H, round the landmarks: what is looked up exactly


def render(
    motion: torch.Tensor,
    clip: ReferenceClip,
    trail: torch.Tensor | None = None,
    torso: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Render (F, 32) rig coefficients over a clip.

    Args:
        trail: (F, 32) of `delay_head`; None leaves hair with the head.
        torso: (F, 32) of `delay_torso`; None leaves what is below the chin as it is.

    Returns:
        frames (F, 4, h, w) pixels as those of the clip, and matte (F, 1, h, w) bool, false
        where the reference stays; what frames hold there is of no use.
    """
    face = PosedFace.of(clip, motion, trail)
    frame, (height, width) = face.frame, clip.frames.shape[2:]
    body = None if torso is None else MotionValues(torso)
    lookup = face.warp.look_up(frame, clip, body)
    boxes = zip(_moved(face), (LIP_MARGIN, EYE_MARGIN, EYE_MARGIN))
    lips, *eyes = (
        pixel_box(frame.to_pixels(moved), frame, margin, height, width) for moved, margin in boxes
    )
    if face.eyes is not None:  # eyes that stay as they are need no closer look
        eyes = [box if seen else None for box, seen in zip(eyes, face.eyes.seen.tolist())]
    around = enclosing_box(box for box in (lips, *eyes) if box is not None)
    positions = None if around is None else lookup.positions(around)
    exact, blinking, face_px = [], [], float(frame.height_px.mean())
    if lips is not None:
        points = frame.from_pixels(box_pixels(lips, clip.frames))
        parted = part_lips(points, face)
        positions[inside(around, lips)] = frame.to_pixels(parted.source).permute(0, 3, 1, 2)
        exact.append(lips)
    for eye, box in enumerate(eyes):
        for span, blinked in blinking_spans(face, eye) if box is not None else ():
            part, place = face.select(span), (span, *box[1:])
            before = positions[inside(around, place)]
            if not blinked:
                before.copy_(undo_eye_at(before, eye, part))
                exact.append(place)
                continue
            fine = twice_as_fine(before)
            undone = undo_eye_at(fine, eye, part)
            stretch, shut = stretched_rows(fine, undone), blink_of(eye, part.values)
            begun = (shut / BLINKING).clamp_max(1.0)[..., None, None]  # gazes stretch, too
            lid = lid_place(before, eye, part), begun * unfolded(stretch, face_px), shut
            own = own_side(before, eye, part) if overlap(*eyes) else None
            blinking.append((place, undone, begun * streaks(stretch), lid, eye, own))
    found = [(box, positions[inside(around, box)]) for box in exact]
    frames, matte = draw(clip, lookup, found)
    for place, positions, stretched, lid, eye, own in blinking:
        selected = clip.select(place[0])
        drawn = sample_clip(selected, positions).float()
        drawn = half_as_fine(soften_streaks(drawn, stretched, 2 * face_px))
        if face.eyes is not None:
            drawn = face.eyes.shade_lid(drawn, lid, eye)
        if selected.detail is not None and selected.detail.behind is not None:
            behind = selected.detail.behind[(slice(None), *place[1:])].float()
            drawn = behind.lerp(drawn, drawn[:, 3:] / 255)
        drawn = drawn.add_(0.5).byte()
        frames[place] = drawn if own is None else torch.where(own, drawn, frames[place])
    if lips is not None:
        _smooth_seam(frames, lips, parted, face, clip)
        color, alpha = open_mouth(parted.at, face, clip)
        skin, light = frames[lips][:, :3], crease(parted.at, face)
        lit = skin.float() if light is None else light.mul_(skin)
        skin.copy_(lit.lerp_(255 * color, alpha).add_(0.5).clamp_(0, 255.4))
    if clip.region is not None:  # not a pixel beyond it may change
        matte = matte & _within(clip.region, frame, height, width)
    return frames, matte


def _smooth_seam(
    frames: torch.Tensor, lips: Box, parted: LipPixels, face: PosedFace, clip: ReferenceClip
) -> None:
    """Mix, in place, the pixels of a box that both lips cover: their line has no steps."""
    if parted.rows.stop == 0:
        return
    seen = sample_clip(clip, face.frame.to_pixels(parted.other).permute(0, 3, 1, 2)).float()
    first, last = (lips[2].start + row for row in (parted.rows.start, parted.rows.stop))
    place = (*lips[:2], slice(first, last), lips[3])
    if clip.detail is not None and clip.detail.behind is not None:
        seen = clip.detail.behind[place].float().lerp(seen, seen[:, 3:] / 255)
    mixed = frames[place]
    mixed.copy_(mixed.float().lerp_(seen, parted.share).add_(0.5))


def _moved(face: PosedFace) -> list[torch.Tensor]:
    """Return where the inner lips and the rims of either eye go, (F, N, 2) face coordinates.

    By the inverse of the fields: near enough to tell where to look exactly, and there already.
    """
    lips = torch.cat([_to(face, "upper", INNER_UPPER), _to(face, "lower", INNER_LOWER)], 1)
    return [lips, *(_to(face, "both", rim) for rim in _RIMS)]


def _to(face: PosedFace, layer: str, points: Sequence[int]) -> torch.Tensor:
    rest = face.shape.points[:, None, list(points), :2]
    at = rest
    for _ in range(2):
        at = rest - face.warp.at(layer, at)
    return at[:, 0]


def _within(
    region: tuple[float, float, float, float], frame: FaceFrame, height: int, width: int
) -> torch.Tensor:
    """Return (F, 1, height, width) bool: the pixels whose centers lie in a region of the face."""
    everywhere = (slice(None), slice(None), slice(0, height), slice(0, width))
    points = frame.from_pixels(box_pixels(everywhere, frame.points))
    low, high = points.new_tensor(region[:2]), points.new_tensor(region[2:])
    return ((points > low) & (points < high)).all(-1)[:, None]


def rest_motion(landmarks: torch.Tensor) -> torch.Tensor:
    """Return (F, 32), the coefficients that leave pictures with (F, 478, 3) unchanged."""
    shape = FaceShape.of(FaceFrame.of(landmarks).points)
    motion = landmarks.new_zeros(landmarks.shape[0], NUM_MOTION)
    motion[:, MOTION_INDEX["lip_gap"]] = shape.gap
    motion[:, MOTION_INDEX["jaw_drop"]] = shape.jaw
    return motion


def crop_box(
    landmarks: torch.Tensor, region: tuple[float, float, float, float] | None = None
) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom pixels of all that may change in (F, 478, 3) frames.

    Args:
        region: as in `ReferenceClip`.
    """
    left, top, right, bottom = region or FIELD_BOX
    corners = landmarks.new_tensor([[left, top], [right, top], [left, bottom], [right, bottom]])
    corners = FaceFrame.of(landmarks).to_pixels(corners[None])
    low, high = corners.amin((0, 1)), corners.amax((0, 1))
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
