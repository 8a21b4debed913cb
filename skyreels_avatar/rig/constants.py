"""The constants of the rig's look, read once from `constants.json`.

The file says of each its value, its unit, where it comes from and what it is. Those of `fitted` are
written by `python -m train mouth`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_type_hints

FITTED = ("fitted", "tones")  # sources that stages of training write
CONSTANTS_FILE = Path(__file__).with_name("constants.json")


@dataclass(frozen=True)
class TeethConstants:
    """Layout of the painted teeth."""

    widths: tuple[float, ...]
    rises: tuple[float, ...]
    rounds: tuple[float, ...]
    lengths: tuple[float, ...]
    powers: tuple[float, ...]
    lower_widths: tuple[float, ...]
    knob_means: tuple[float, ...]
    knob_spreads: tuple[float, ...]
    behind_smile: float


@dataclass(frozen=True)
class ShadingConstants:
    """How light falls off on the painted upper teeth."""

    tooth_side: float
    arch: float
    cutting_edge: float
    cutting_length: float
    neck: float
    gap: float
    gap_width: float


@dataclass(frozen=True)
class InsideConstants:
    """How light falls into the painted mouth."""

    under_lip: float
    under_length: float
    over_lip: float
    over_length: float
    slit: float
    slit_height: float
    enters: float
    enters_height: float
    far: float
    near: float
    depth: float
    tongue_height: float
    tongue_light: float
    tongue_crown: float
    tongue_front: float
    tongue_wide: float
    lower_light: float
    lower_fall: float
    lower_side: float
    lower_drop: float
    lower_edge: float
    round_shade: float


@dataclass(frozen=True)
class ColorsConstants:
    """Colors of the painted mouth."""

    enamel: tuple[float, ...]
    gum: tuple[float, ...]
    tongue: tuple[float, ...]
    cavity: tuple[float, ...]
    dimmed: tuple[float, ...]


@dataclass(frozen=True)
class LightConstants:
    """From a face to the light on its teeth."""

    teeth_from_face: tuple[tuple[float, ...], ...]
    teeth_offset: tuple[float, ...]
    mean_teeth: tuple[float, ...]


@dataclass(frozen=True)
class LipsConstants:
    """What lips and jaw do, beyond the learned shapes."""

    upper_share: float
    upper_share_rounded: float
    arch: float
    arch_rounded: float
    upper_reach: float
    lower_reach: float
    firm: tuple[float, float]
    narrowing: float
    corner_drop: float
    jaw_at_rest: float
    jaw_in_smile: float
    jaw_half_width: float
    jaw_fade: float
    skew: float
    skew_radius: float
    bite_gap: float
    bite_raise: float
    tongue_gap: float
    least_part: float
    sneer_raise: float
    round_raise: float
    relaxed: float
    full_rounding: float
    relaxed_by_bite: float
    fringe: float


@dataclass(frozen=True)
class SkinConstants:
    """What corners, cheeks, nose, chin and brows do."""

    corner_radius: float
    corner_out: float
    cheek_radius: float
    cheek_out: float
    cheek_up: float
    sneer_up: float
    sneer_radius: float
    chin_up: float
    chin_radius: float
    brow_margin: float
    brow_above: float
    brow_below: float
    brow_whole_below: float
    brow_beside: float
    brow_tilt: float
    brow_tilt_raised: float
    brow_lowered: float
    brow_over_rim: float
    furrow_in: float
    furrow_down: float
    furrow_less_outside: float


@dataclass(frozen=True)
class MouthConstants:
    """What is drawn between the lips."""

    teeth_behind_round: float
    round_shade_own: float
    crease: float
    crease_width: float
    seam: float
    seam_from: float
    jaw_of_gap: float


@dataclass(frozen=True)
class LidsConstants:
    """How lids close."""

    margin: float
    wing: float
    wing_width: float
    lashes: float
    lashes_share: float
    large_lashes: float
    cartoon_skin: float
    drawn_line: float
    drawn_rim: float
    drawn_raise: float
    drawn_gaze: float
    drawn_iris: float
    drawn_stretch: float
    drawn_edge: float
    drawn_white: float
    unfolds: float
    overlap: float
    squint_raise: float
    cheek_raise: float
    blink_raise: float
    wide: float
    wide_above: float
    shut_light: tuple[float, ...]
    shut_light_from: float
    lashes_down: tuple[float, ...]
    lashes_across: tuple[float, ...]


@dataclass(frozen=True)
class SourceTeethConstants:
    """How the teeth that a picture shows are told from the rest."""

    seen_below: float
    lowest_teeth: float
    highest_start: float
    rim: float
    tall: float
    ragged: float
    dark_column: float
    low_column: float
    deep: float
    soft: float
    corner: float
    seam: float
    faded: float
    tips: tuple[float, ...]


@dataclass(frozen=True)
class RigConstants:
    """All constants, by what they belong to."""

    teeth: TeethConstants
    shading: ShadingConstants
    inside: InsideConstants
    colors: ColorsConstants
    light: LightConstants
    lips: LipsConstants
    skin: SkinConstants
    mouth: MouthConstants
    lids: LidsConstants
    source_teeth: SourceTeethConstants


def load_constants(path: Path = CONSTANTS_FILE) -> RigConstants:
    """Read a constants file.

    Raises:
        KeyError: a constant is missing.
    """
    stored = json.loads(path.read_text(encoding="utf-8"))["constants"]
    groups = get_type_hints(RigConstants)
    return RigConstants(**{name: _group(groups[name], stored[name]) for name in groups})


def _group(cls: type, stored: dict[str, dict]):
    return cls(**{field.name: _frozen(stored[field.name]["value"]) for field in fields(cls)})


def _frozen(value: float | list) -> float | tuple:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def store_fitted(values: dict[str, dict[str, float | list]], path: Path = CONSTANTS_FILE) -> None:
    """Write new values of fitted constants, `values[group][name]`, one constant a line.

    Raises:
        ValueError: a constant is not one that is fitted.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    for group, items in values.items():
        for name, value in items.items():
            entry = document["constants"].get(group, {}).get(name, {})
            if entry.get("source") not in FITTED:
                raise ValueError(f"{group}.{name} is not a fitted constant")
            entry["value"] = value
    groups = [
        f"{json.dumps(group)}: {{\n"
        + ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in items.items())
        + "\n}"
        for group, items in document["constants"].items()
    ]
    sources = json.dumps(document["sources"], indent=1)
    text = f'{{\n"sources": {sources},\n"constants": {{\n' + ",\n".join(groups) + "\n}\n}\n"
    path.write_text(text, encoding="utf-8")


CONSTANTS = load_constants()
