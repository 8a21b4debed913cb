"""The rig's coefficients as the 52 blend shapes of ARKit, and back.

Face-capture programs, Blender, Unreal and most 3D characters know these names, so that a
performance can be exported, edited and imported. Left and right are the person's own. Head and
torso follow as eight channels that ARKit keeps outside its blend shapes.

A weight of 1 is the end of a coefficient's usual range (`MOTION_RANGE`). `from_arkit` undoes
`to_arkit` exactly; shapes that the rig has no counterpart for are 0 in one direction and ignored in
the other, see `WITHOUT_COUNTERPART`.

Source of the names: ARFaceAnchor.BlendShapeLocation of Apple's ARKit.
"""

from __future__ import annotations

import numpy as np

from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_NAMES, MOTION_RANGE

BLEND_SHAPES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight",
    "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight", "jawForward",
    "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight",
    "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft",
    "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip

# Channel -> coefficient of the same unit: radians, face heights, a natural logarithm for the zoom.
POSE_CHANNELS: dict[str, str] = {
    "headYaw": "yaw",  # + to the person's left
    "headPitch": "pitch",  # + up
    "headRoll": "roll",  # + clockwise as the viewer sees it
    "headX": "shift_x",  # + to the person's left
    "headY": "shift_y",  # + down
    "headZoom": "zoom",  # + nearer
    "torsoRise": "breath",
    "torsoSway": "sway",
}
CHANNELS: tuple[str, ...] = (*BLEND_SHAPES, *POSE_CHANNELS)

WITHOUT_COUNTERPART: tuple[str, ...] = (
    "jawForward", "jawRight", "jawLeft", "mouthRollUpper", "mouthShrugUpper", "cheekPuff",
)  # fmt: skip

# One coefficient, shown by shapes of both sides alike, or by a single shape.
_DIRECT: dict[str, tuple[str, ...]] = {
    "jaw_drop": ("jawOpen",),
    "pucker": ("mouthPucker",),
    "upper_raise": ("mouthUpperUpLeft", "mouthUpperUpRight"),
    "press": ("mouthPressLeft", "mouthPressRight"),
    "tuck": ("mouthRollLower",),
    "tongue": ("tongueOut",),
    "blink_r": ("eyeBlinkRight",),
    "blink_l": ("eyeBlinkLeft",),
    "furrow": ("browDownLeft", "browDownRight"),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "frown": ("mouthFrownLeft", "mouthFrownRight"),
    "cheek": ("cheekSquintLeft", "cheekSquintRight"),
    "sneer": ("noseSneerLeft", "noseSneerRight"),
    "corner_r": ("mouthDimpleRight",),
    "corner_l": ("mouthDimpleLeft",),
    "chin": ("mouthShrugLower",),
}
# One coefficient of two directions: shapes of its positive, shapes of its negative values.
_SIGNED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "width": (("mouthStretchLeft", "mouthStretchRight"), ("mouthFunnel",)),
    "gaze_x": (("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight")),
    "gaze_y": (("eyeLookDownLeft", "eyeLookDownRight"), ("eyeLookUpLeft", "eyeLookUpRight")),
    "squint": (("eyeSquintLeft", "eyeSquintRight"), ("eyeWideLeft", "eyeWideRight")),
    "skew": (("mouthLeft",), ("mouthRight",)),
}


def to_arkit(coefficients: np.ndarray) -> dict[str, np.ndarray]:
    """Return (F,) weights of every channel of `CHANNELS` for (F, 32) coefficients.

    Weights may leave 0 to 1 where a coefficient leaves its usual range.
    """
    values = {name: coefficients[:, index] for name, index in MOTION_INDEX.items()}
    weights = {name: np.zeros(len(coefficients)) for name in CHANNELS}
    for name, shapes in _DIRECT.items():
        for shape in shapes:
            weights[shape] = values[name] / _unit(name)
    for name, (positive, negative) in _SIGNED.items():
        low, high = MOTION_RANGE[name]
        for shape in positive:
            weights[shape] = np.maximum(values[name], 0) / high
        for shape in negative:
            weights[shape] = np.minimum(values[name], 0) / low
    # ARKit opens the mouth with the jaw; what the lips do besides is `mouthClose` or `LowerDown`.
    lips = values["lip_gap"] / _unit("lip_gap") - weights["jawOpen"]
    weights["mouthClose"] = np.maximum(-lips, 0)
    weights["mouthLowerDownLeft"] = weights["mouthLowerDownRight"] = np.maximum(lips, 0)
    brows = {side: values[f"brow_{side}"] / _unit(f"brow_{side}") for side in "rl"}
    inner = weights["browInnerUp"] = (brows["r"] + brows["l"]) / 2
    weights["browOuterUpRight"], weights["browOuterUpLeft"] = (
        2 * brows[side] - inner for side in "rl"
    )
    for channel, name in POSE_CHANNELS.items():
        weights[channel] = values[name]
    return weights


def from_arkit(weights: dict[str, np.ndarray]) -> np.ndarray:
    """Return (F, 32) coefficients that show weights of any of the channels; the others are 0.

    What face-capture programs tell apart on both sides and the rig does not is averaged; of a
    smile or a frown the difference moves the corners of the mouth.

    Args:
        weights: at least one channel, each (F,).
    """
    num_frames = len(next(iter(weights.values())))
    zero = np.zeros(num_frames)

    def mean(shapes: tuple[str, ...]) -> np.ndarray:
        return sum(weights.get(shape, zero) for shape in shapes) / len(shapes)

    values = {name: _unit(name) * mean(shapes) for name, shapes in _DIRECT.items()}
    for name, (positive, negative) in _SIGNED.items():
        low, high = MOTION_RANGE[name]
        values[name] = high * mean(positive) + low * mean(negative)
    for side, shape in (("r", "Right"), ("l", "Left")):
        lifted = weights.get(f"mouthSmile{shape}", zero) - values["smile"]
        lowered = weights.get(f"mouthFrown{shape}", zero) - values["frown"]
        corner, brow = f"corner_{side}", f"brow_{side}"
        values[corner] = values[corner] + _unit(corner) * (lifted - lowered)
        outer = weights.get(f"browOuterUp{shape}", zero)
        values[brow] = _unit(brow) * (outer + weights.get("browInnerUp", zero)) / 2
    lips = mean(("mouthLowerDownLeft", "mouthLowerDownRight")) - weights.get("mouthClose", zero)
    values["lip_gap"] = _unit("lip_gap") * (weights.get("jawOpen", zero) + lips)
    for channel, name in POSE_CHANNELS.items():
        values[name] = weights.get(channel, zero)
    return np.stack([values[name] for name in MOTION_NAMES], axis=1)


def _unit(name: str) -> float:
    """Return the value of a coefficient that a weight of 1 stands for."""
    return MOTION_RANGE[name][1]
