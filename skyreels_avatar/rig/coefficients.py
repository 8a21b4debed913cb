"""The rig coefficients of a talking head: their names, groups and units.

A clip is described, frame by frame, by how the person differs from the reference picture: four
groups of eight coefficients. All but `lip_gap` are 0 at rest, which is the reference.
H is the face height, the distance of face-mesh points 10 and 152.
"""

from __future__ import annotations

import torch

MOTION_GROUPS: dict[str, tuple[str, ...]] = {
    "mouth": (
        "lip_gap",  # inner-lip gap / H, absolute: 0 = lips shut, whatever the reference shows
        "jaw_drop",  # chin lowered / H, 0 = jaw closed
        "width",  # mouth width relative to the reference: +0.1 = 10 % wider
        "pucker",  # 0..1, lips rounded and pushed forward
        "upper_raise",  # inner edge of the upper lip raised / H (part of lip_gap)
        "press",  # 0..1, lips rolled in and pressed together
        "tuck",  # 0..1, lower lip under the upper teeth (f, v)
        "tongue",  # 0..1, tongue tip raised and visible (l, th, n)
    ),
    "eyes": (
        "blink_r",  # 0..1, right eye of the person closed (left in the picture)
        "blink_l",
        "gaze_x",  # iris moved / eye width, + to the right of the picture
        "gaze_y",  # + down
        "brow_r",  # brow raised / H
        "brow_l",
        "furrow",  # 0..1, brows drawn together
        "squint",  # 0..1 lower lids raised; negative: eyes wide open
    ),
    "head": (
        "yaw",  # radians, + turns to the right of the picture
        "pitch",  # radians, + looks up
        "roll",  # radians, + clockwise in the picture
        "shift_x",  # head moved / H, + to the right of the picture
        "shift_y",  # + down
        "zoom",  # natural logarithm of the head's magnification (leaning forward > 0)
        "breath",  # shoulders raised / H
        "sway",  # shoulders moved sideways / H
    ),
    "expression": (
        "smile",  # 0..1, both corners up and out, cheeks follow; -1 undoes the grin of a photo
        "frown",  # 0..1, both corners down
        "cheek",  # 0..1, cheeks raised (true smile)
        "sneer",  # 0..1, nose wrinkled, upper lip up
        "skew",  # -1..1, mouth shifted sideways, + to the right of the picture
        "corner_r",  # extra lift of one corner / H
        "corner_l",
        "chin",  # 0..1, chin boss raised (pout, doubt)
    ),
}

MOTION_NAMES: tuple[str, ...] = tuple(n for names in MOTION_GROUPS.values() for n in names)
MOTION_INDEX: dict[str, int] = {name: index for index, name in enumerate(MOTION_NAMES)}
NUM_GROUPS = len(MOTION_GROUPS)
GROUP_SIZE = 8
NUM_MOTION = NUM_GROUPS * GROUP_SIZE

# Usual range of each coefficient (about the 0.5 and 99.5 percentile of lively speech). Also the
# unit in which networks see them: normalised = value / scale, scale = max(|low|, |high|) / 2.
MOTION_RANGE: dict[str, tuple[float, float]] = {
    "lip_gap": (0.0, 0.12),
    "jaw_drop": (0.0, 0.09),
    "width": (-0.18, 0.14),
    "pucker": (0.0, 1.0),
    "upper_raise": (-0.01, 0.03),
    "press": (0.0, 1.0),
    "tuck": (0.0, 1.0),
    "tongue": (0.0, 1.0),
    "blink_r": (0.0, 1.0),
    "blink_l": (0.0, 1.0),
    "gaze_x": (-0.22, 0.22),
    "gaze_y": (-0.12, 0.12),
    "brow_r": (-0.02, 0.045),
    "brow_l": (-0.02, 0.045),
    "furrow": (0.0, 1.0),
    "squint": (-0.6, 1.0),
    "yaw": (-0.35, 0.35),
    "pitch": (-0.25, 0.25),
    "roll": (-0.2, 0.2),
    "shift_x": (-0.08, 0.08),
    "shift_y": (-0.06, 0.06),
    "zoom": (-0.06, 0.06),
    "breath": (-0.02, 0.02),
    "sway": (-0.04, 0.04),
    "smile": (-1.0, 1.0),
    "frown": (0.0, 1.0),
    "cheek": (0.0, 1.0),
    "sneer": (0.0, 1.0),
    "skew": (-1.0, 1.0),
    "corner_r": (-0.02, 0.02),
    "corner_l": (-0.02, 0.02),
    "chin": (0.0, 1.0),
}
MOTION_SCALE: tuple[float, ...] = tuple(
    max(abs(low), abs(high)) / 2 for low, high in (MOTION_RANGE[name] for name in MOTION_NAMES)
)

LIMIT = 4.0  # scales, twice the range: further the fields fold

assert set(MOTION_RANGE) == set(MOTION_NAMES) and all(
    len(names) == GROUP_SIZE for names in MOTION_GROUPS.values()
)


def clamp_coefficients(motion: torch.Tensor) -> torch.Tensor:
    """Return (F, 32) coefficients kept within what the fields can do without folding."""
    limits = torch.tensor([LIMIT * scale for scale in MOTION_SCALE], device=motion.device)
    return torch.maximum(torch.minimum(motion, limits), -limits)
