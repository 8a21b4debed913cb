"""Paint the inside of a mouth from a layout of its teeth: cavity, tongue, teeth, shadows.

Everything is batched and differentiable. Shapes: a patch has R rows and W columns; maps are
(N, R, W), what depends on the column alone is (N, 1, W), numbers of a frame are (N, 1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.geometry import smoothstep

COLORS = CONSTANTS.colors
BARED = 0.65  # of the depth of a slit that a smile takes away
WIDE = 0.05, 0.1  # of H, openings between which light falls on the tongue
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Mouth:
    """One batch of mouths to paint.

    Attributes:
        x: (N, 1, W) face x in H of the columns on an arch of teeth, seen from the front.
        floor_x: (N, 1, W) the same in a plane: cavity and tongue go on beyond the arch's far side.
        y: (1, R, 1) face y in H of the rows.
        upper, lower: (N, 1, W) inner lip edges.
        raised: (N, 1, 1) how far the tip of the tongue is raised, 0 to 1.
        size: (N, 1, 1) of the mouth, 1 = half width 0.175 H.
        edge, gum: (N, 1, W) cutting edge and neck of the upper teeth.
        across: (N, 1, W) position across the upper tooth, -1 to 1.
        gap: (N, 1, W) distance to the next space between upper teeth, in H.
        shade: (N, 1, W) brightness of each tooth beside the others.
        low_edge, low_gap, low_across: the same for the lower teeth.
        yellow: (N, 1, 1) tone of the enamel, 0 to 1.
        bared: (N, 1, 1) how far a smile draws the lips off the teeth, 0 to 1.
        shading: the constants of `shading`, scalars.
        inside: the constants of `inside`, scalars.
    """

    x: torch.Tensor
    floor_x: torch.Tensor
    y: torch.Tensor
    upper: torch.Tensor
    lower: torch.Tensor
    raised: torch.Tensor
    size: torch.Tensor
    edge: torch.Tensor
    gum: torch.Tensor
    across: torch.Tensor
    gap: torch.Tensor
    shade: torch.Tensor
    low_edge: torch.Tensor
    low_across: torch.Tensor
    low_gap: torch.Tensor
    yellow: torch.Tensor
    bared: torch.Tensor
    shading: dict[str, torch.Tensor]
    inside: dict[str, torch.Tensor]


def paint(mouth: Mouth) -> torch.Tensor:
    """Return (N, 3, R, W) colors in neutral light."""
    along = (mouth.x.abs() / (0.15 * mouth.size)).clamp_max(1.25)
    opening = (mouth.lower - mouth.upper).amax(-1, keepdim=True)
    least, height = mouth.inside["enters"], mouth.inside["enters_height"]
    enters = least + (1 - least) * smoothstep(0.0, height, opening)
    color = paint_floor(mouth, opening, enters)
    color = paint_lower_teeth(color, mouth, along, enters)
    color = paint_tip(color, mouth)
    color = paint_upper_teeth(color, mouth, along)
    dimmed = 1 - lip_shadow(mouth)[:, None]
    return color * (1 - as_color(COLORS.dimmed, dimmed) * dimmed).clamp_min(0.0)


def paint_floor(mouth: Mouth, opening: torch.Tensor, enters: torch.Tensor) -> torch.Tensor:
    """Paint the cavity and the tongue lying in it."""
    s = mouth.inside
    bottom = mouth.lower.amax(-1, keepdim=True)
    above = bottom - mouth.y  # N R 1
    depth = (above / (opening + 0.015)).clamp(0.0, 1.0)
    across = mouth.floor_x / (0.115 * mouth.size)
    shade = enters * (1 - s["depth"] * depth) * (1 - 0.5 * across.abs().clamp_max(1.2) ** 2)
    color = as_color(COLORS.cavity, shade) * (s["far"] + s["near"] * shade[:, None])
    top = opening * (s["tongue_height"] + 0.15 * mouth.raised) - 0.004 - 0.05 * across**2
    below = top - above  # how far under the back of the tongue
    inside = smoothstep(-0.012, 0.016, below) * smoothstep(1.05, 0.5, across.abs())
    crown = torch.exp(-(((below - 0.014) / 0.013) ** 2)) * torch.exp(-((across / 0.6) ** 2))
    groove = 1 - 0.14 * torch.exp(-((mouth.floor_x / 0.010) ** 2)) * smoothstep(0.0, 0.05, below)
    lit = s["tongue_light"] + s["tongue_crown"] * crown + s["tongue_front"] * (1 - depth)
    lit = lit + s["tongue_wide"] * smoothstep(*WIDE, opening) * (1 - across.abs()).clamp_min(0.0)
    lit = enters * lit * groove
    lit = lit * (1 - 0.3 * across.abs().clamp_max(1.0) ** 2)
    color = mix(color, as_color(COLORS.tongue, lit) * lit[:, None], 0.94 * inside[:, None])
    return color + (0.05 * enters * crown**3)[:, None]


def paint_lower_teeth(
    color: torch.Tensor, mouth: Mouth, along: torch.Tensor, enters: torch.Tensor
) -> torch.Tensor:
    """Paint the lower teeth, which ride on the jaw, dimmer than the upper."""
    s = mouth.inside
    below = mouth.y - mouth.low_edge
    side = (1 - s["lower_side"] * along**1.6).clamp_min(0.0)
    between = torch.exp(-((mouth.low_gap / 0.0022) ** 2))
    column = side * (1 - 0.15 * mouth.low_across**2) * (1 - 0.22 * between)
    column = s["lower_light"] * column
    fall = 1 - s["lower_fall"] * smoothstep(0.006, 0.030, below)
    fall = fall * (1 - 0.22 * smoothstep(0.005, 0.0, below))
    inside = smoothstep(-0.0022, 0.0030, below) * smoothstep(1.22, 1.0, along)
    inside = inside * smoothstep(0.05, 0.35, side)
    teeth = as_color(COLORS.enamel, fall) * (column * fall)[:, None]
    dimmed = 1 - enters[:, None]
    teeth = teeth * (1 - as_color(COLORS.dimmed, dimmed) * dimmed).clamp_min(0.0)
    return mix(color, teeth, inside[:, None])


def paint_tip(color: torch.Tensor, mouth: Mouth) -> torch.Tensor:
    """Paint the tip of a raised tongue behind the upper and over the lower teeth."""
    top = mouth.edge.amax(-1, keepdim=True) - 0.012 + 0.03 * (1 - mouth.raised)
    across = mouth.floor_x / (0.058 * mouth.size)
    below = mouth.y - top - 0.030 * across**2
    inside = mouth.raised * smoothstep(-0.004, 0.007, below) * smoothstep(1.25, 0.8, across.abs())
    inside = inside * smoothstep(0.075, 0.035, below)
    lit = 0.62 + 0.28 * torch.exp(-(((below - 0.014) / 0.010) ** 2)) - 0.25 * across**2
    return mix(
        color,
        as_color(COLORS.tongue, lit) * lit.clamp_min(0.2)[:, None],
        inside[:, None],
    )


def paint_upper_teeth(color: torch.Tensor, mouth: Mouth, along: torch.Tensor) -> torch.Tensor:
    """Paint gum and upper teeth, which are fixed to the head."""
    s = mouth.shading
    above = mouth.edge - mouth.y  # N R W
    side = (1 - s["arch"] * along**2.4) * mouth.shade
    between = torch.exp(-((mouth.gap / s["gap_width"]) ** 2))
    column = side * (1 - s["tooth_side"] * mouth.across**2)
    fall = 1 - s["cutting_edge"] * torch.exp(-above.clamp_min(0.0) / s["cutting_length"])
    fall = fall - s["neck"] * smoothstep(0.02, 0.05, above)
    deep = s["gap"] * slit_light(mouth) * between * (1 - 0.6 * smoothstep(0.005, 0.040, above))
    body = column * fall * (1 - deep)
    tone = mouth.yellow + 0.35 * smoothstep(0.01, 0.05, above)
    enamel = as_color(COLORS.enamel, tone) * (1 - tone[:, None] * as_color((0.0, 0.04, 0.12), tone))
    teeth = enamel * (1 - deep[:, None] * as_color((0.0, 0.20, 0.25), deep)) * body[:, None]
    gum = as_color(COLORS.gum, side) * (0.5 + 0.5 * side)[:, None]
    teeth = mix(gum, teeth, smoothstep(-0.003, 0.003, mouth.y - mouth.gum)[:, None])
    inside = smoothstep(-0.0020, 0.0025, above) * smoothstep(1.22, 1.0, along)
    return mix(color, teeth, inside[:, None])


def slit_light(mouth: Mouth) -> torch.Tensor:
    """Return (N, 1, W) how much light comes between the lips: little into a narrow slit.

    Unless the lips are drawn off the teeth.
    """
    s = mouth.inside
    opening = (mouth.lower - mouth.upper).clamp_min(0.0)
    height = s["slit_height"] * (1 - BARED * mouth.bared)
    return s["slit"] + (1 - s["slit"]) * (1 - torch.exp(-opening / height))


def lip_shadow(mouth: Mouth) -> torch.Tensor:
    """Return (N, R, W) how much light the lips let through, least close to them."""
    s = mouth.inside
    beneath = (mouth.y - mouth.upper).clamp_min(0.0)
    over = (mouth.lower - mouth.y).clamp_min(0.0)
    under = 1 - s["under_lip"] * torch.exp(-beneath / s["under_length"])
    return slit_light(mouth) * under * (1 - s["over_lip"] * torch.exp(-over / s["over_length"]))


def luminance(color: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the luminance of colors along `dim`, which is kept."""
    red, green, blue = color.unbind(dim)
    grey = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
    return grey.unsqueeze(dim)


def as_color(values: tuple[float, float, float], like: torch.Tensor) -> torch.Tensor:
    """Return three numbers as a (1, 3, 1, 1) color."""
    return torch.tensor(values, dtype=like.dtype, device=like.device).reshape(1, 3, 1, 1)


def mix(below: torch.Tensor, above: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Lay `above` over `below` where `share` is 1."""
    return below + share * (above - below)
