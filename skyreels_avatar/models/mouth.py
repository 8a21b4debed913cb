"""The inside of an open mouth: what a portrait does not show, painted in the face's coordinates.

A patch of 64 x 128 pixels is fixed to the head in face coordinates (`face_geometry.FaceFrame`).
Teeth are drawn column by column: everything that depends on x alone (which tooth, where its edge
lies) is computed once a column, so that a frame costs a few dozen operations on 8192 pixels.
Colours are those of a mouth in neutral light; `MouthLook.light` brings them to the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.models.face_geometry import FaceFrame
from skyreels_avatar.models.mouth_light import estimate_light, shown_teeth

MOUTH_PATCH = (64, 128)  # height, width in pixels
MOUTH_BOX = (-0.22, -0.08, 0.22, 0.14)  # left, top, right, bottom in H
NUM_STYLES = 8

# Frontal widths of half an arch in H: two incisors, canine, premolars, molars.
TOOTH_WIDTHS = (0.0415, 0.0315, 0.0295, 0.0215, 0.0165, 0.012, 0.010)
TOOTH_RISES = (0.0, 0.0035, 0.0010, 0.0045, 0.0070, 0.0090, 0.0110)  # edge above the centrals'
TOOTH_ROUNDS = (0.0035, 0.0055, 0.0085, 0.0060, 0.0050, 0.0040, 0.0040)  # corners cut away
TOOTH_POWERS = (5.0, 3.5, 2.0, 2.2, 2.5, 2.5, 2.5)  # how late the corner starts
TOOTH_LENGTHS = (0.0540, 0.0470, 0.0530, 0.0450, 0.0400, 0.0370, 0.0350)
LOWER_WIDTHS = (0.0265, 0.0285, 0.0300, 0.0250, 0.0200, 0.0150, 0.0120)

ENAMEL = (0.80, 0.735, 0.665)
GUM = (0.66, 0.36, 0.345)
TONGUE = (0.56, 0.265, 0.265)
CAVITY = (0.150, 0.058, 0.055)
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class MouthLook:
    """How the inside of one person's mouth looks, for N frames.

    Attributes:
        style: (N, 8) in [0, 1]: size of the teeth, bow of their edges, shade, depth of the gaps,
            irregularity, lower teeth, redness of the soft parts, midline.
        light: (N, 3) multiplies colours; 1 = the even light of an official portrait.
        half_width: (N,) half the mouth's width in H.
        teeth_edge: (N,) face y of the cutting edge of the upper central incisors, in H.
        saturation: (N,) 0 = a monochrome picture, whose tone is then in `light`; 1 = in colour.
    """

    style: torch.Tensor
    light: torch.Tensor
    half_width: torch.Tensor
    teeth_edge: torch.Tensor
    saturation: torch.Tensor

    def expand(self, num_frames: int) -> MouthLook:
        """Return the look of one frame repeated, or the same look if it has that many frames."""
        return MouthLook(
            self.style.expand(num_frames, -1),
            self.light.expand(num_frames, -1),
            self.half_width.expand(num_frames),
            self.teeth_edge.expand(num_frames),
            self.saturation.expand(num_frames),
        )


def make_look(frame: torch.Tensor, landmarks: torch.Tensor, seed: int = 0) -> MouthLook:
    """Guess how the inside of a mouth looks from a picture of the face.

    Light comes from the skin and the whites of the eyes, or from the teeth if the picture shows
    them; what no picture tells is drawn with the seed.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
        seed: decides the style.

    Returns:
        A look with N = 1.
    """
    generator = torch.Generator().manual_seed(seed)
    style = 0.5 + 0.17 * torch.randn(1, NUM_STYLES, generator=generator)
    points = FaceFrame.of(landmarks[None]).points[0]
    light, saturation = estimate_light(frame, landmarks)
    shown = shown_teeth(frame, landmarks, points)
    if shown is not None:
        enamel = torch.tensor(ENAMEL)
        light = shown / (saturation * enamel + (1 - saturation) * luminance(enamel, -1))
    corners = points[[61, 291], 0]
    return MouthLook(
        style=style.clamp(0.05, 0.95),
        light=light[None].clamp(0.02, 1.3),
        half_width=(corners[1:] - corners[:1]).abs() / 2,
        teeth_edge=guess_teeth_edge(points, style[0, 7])[None],
        saturation=saturation[None],
    )


def guess_teeth_edge(points: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Return face y of the incisors' edge from (478, 3) face coordinates.

    An open smile rests the lower lip on the upper teeth; below shut lips the edge lies a little
    lower than the upper lip's inner edge.
    """
    upper, lower = points[13, 1], points[14, 1]
    hidden = upper + 0.015 + 0.008 * (style - 0.5)
    smiling = torch.minimum(lower - 0.004, upper + 0.055)
    share = ((lower - upper - 0.012) / 0.015).clamp(0.0, 1.0)
    return hidden + share * (torch.maximum(smiling, hidden) - hidden)


def mouth_interior(
    upper_edge: torch.Tensor, lower_edge: torch.Tensor, motion: torch.Tensor, look: MouthLook
) -> torch.Tensor:
    """Paint the inside of the mouth over the whole patch.

    Args:
        upper_edge: (N, 128) face y in H of the upper lip's inner edge at each column.
        lower_edge: (N, 128) of the lower lip's; equal to `upper_edge` where the mouth is shut.
        motion: (N, 8) mouth numbers, `motion.MOTION_GROUPS["mouth"]`.
        look: of N frames.

    Returns:
        (N, 3, 64, 128) colour in [0, 1]; what lies behind the lips is for the caller to hide.
    """
    x, y = patch_axes(upper_edge.device)
    y = y[None, :, None]
    upper, lower = upper_edge[:, None], lower_edge[:, None]  # N 1 128
    scene = Arch.of(x[None], motion, look)
    colour, shade = paint_floor(x, y, upper, lower, motion, look)
    colour = paint_lower_teeth(colour, shade, y, scene)
    colour = paint_tip(colour, x, y, motion, look, scene)
    colour = paint_upper_teeth(colour, y, scene, look)
    colour = colour * lip_shadow(y, upper, lower)[:, None]
    return tint(colour, look).clamp(0.0, 1.0)


def patch_axes(device: torch.device | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return face x (128,) of the patch's columns and face y (64,) of its rows, in H."""
    height, width = MOUTH_PATCH
    left, top, right, bottom = MOUTH_BOX
    x = left + (right - left) * (torch.arange(width, device=device) + 0.5) / width
    y = top + (bottom - top) * (torch.arange(height, device=device) + 0.5) / height
    return x, y


@dataclass(frozen=True)
class Arch:
    """The rows of teeth, column by column, (N, 1, 128) each.

    Attributes:
        edge: face y of the upper teeth's cutting edge.
        gum: face y where the upper teeth leave the gum.
        shade: brightness across a tooth and along the arch.
        gap: 1 in the middle of the space between two teeth.
        lower_edge, lower_shade, lower_gap: the same for the lower teeth.
    """

    edge: torch.Tensor
    gum: torch.Tensor
    shade: torch.Tensor
    gap: torch.Tensor
    lower_edge: torch.Tensor
    lower_shade: torch.Tensor
    lower_gap: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, motion: torch.Tensor, look: MouthLook) -> Arch:
        """Lay out the teeth at columns x (1, 128)."""
        style = look.style[:, :, None]  # N 8 1
        x = x - 0.010 * (style[:, 7] - 0.5)
        size = (0.90 + 0.20 * style[:, 0]) * (look.half_width[:, None] / 0.175).clamp(0.85, 1.1)
        tooth, across, half = place(x / size, TOOTH_WIDTHS)
        table = [torch.tensor(t, device=x.device)[tooth] for t in UPPER_TABLES]
        rise, corner, power, length = table
        noise = irregular(tooth, x, look.style[:, 4:5])
        bow = 0.35 + 1.5 * style[:, 1]
        edge = look.teeth_edge[:, None] - size * rise - bow * x * x
        edge = edge - size * corner * across.abs() ** power + 0.0035 * noise * across
        edge = edge + 0.005 * noise * style[:, 4]
        gum = edge + size * (corner * across.abs() ** power + 0.010 * across**2 - length)
        along = (x.abs() / (0.15 * size)).clamp(0.0, 1.2)
        shade = (1.02 - 0.16 * across**2) * (1 - 0.52 * along**2.4) * (1 + 0.05 * noise)
        width = 0.0022 + 0.0012 * style[:, 3]
        gap = torch.exp(-(((1 - across.abs()) * half * size / width) ** 2))
        tooth, across, half = place(x / size, LOWER_WIDTHS)
        noise = irregular(tooth + 7, x, look.style[:, 4:5])
        drop = 0.85 * motion[:, 1:2].clamp_min(0.0)
        low = look.teeth_edge[:, None] - 0.011 + drop - 0.9 * bow * x * x + 0.005 * noise
        low = low + 0.010 * (0.6 - style[:, 5]) + 0.003 * across**4
        lower_shade = (1 - 0.2 * across**2) * (1 - 0.6 * along**2) * (1 + 0.05 * noise)
        lower_gap = torch.exp(-(((1 - across.abs()) * half * size / 0.0024) ** 2))
        columns = (edge, gum, shade, gap, low, lower_shade, lower_gap)
        return cls(*(column[:, None] for column in columns))


UPPER_TABLES = (TOOTH_RISES, TOOTH_ROUNDS, TOOTH_POWERS, TOOTH_LENGTHS)


def place(x: torch.Tensor, widths: tuple[float, ...]) -> tuple[torch.Tensor, ...]:
    """Return tooth index, position across it in [-1, 1] and its half width, for columns x."""
    width = torch.tensor(widths, device=x.device)
    ends = width.cumsum(0)
    tooth = torch.searchsorted(ends, x.abs().contiguous()).clamp_max(len(widths) - 1)
    half = width[tooth] / 2
    across = ((x.abs() - ends[tooth] + half) / half).clamp(-1.0, 1.0)
    return tooth, across, half


def irregular(tooth: torch.Tensor, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Return one number in [-1, 1] per tooth and side, another for each style (N, 1)."""
    return torch.sin(style * 41.0 + tooth * 2.4 + (x > 0) * 5.1 + 12.0 * style * tooth)


def paint_floor(
    x: torch.Tensor,
    y: torch.Tensor,
    upper: torch.Tensor,
    lower: torch.Tensor,
    motion: torch.Tensor,
    look: MouthLook,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint cavity and tongue; also return how much light reaches each pixel, (N, 64, 128)."""
    opening = (lower - upper).amax(-1, keepdim=True)  # N 1 1
    bottom = lower.amax(-1, keepdim=True)
    depth = ((bottom - y) / (opening + 0.015)).clamp(0.0, 1.0)
    enters = 0.30 + 0.70 * ramp(0.0, 0.075, opening)
    across = x / (0.115 * (look.half_width / 0.175)[:, None, None])
    shade = enters * (1 - 0.75 * depth) * (1 - 0.5 * across.abs().clamp_max(1.2) ** 2)
    colour = as_colour(CAVITY, x) * (0.35 + 0.95 * shade[:, None])
    raised = motion[:, 7, None, None].clamp(0.0, 1.0)
    redness = look.style[:, 6, None, None, None]
    tongue = as_colour(TONGUE, x) * (1 - redness * as_colour((0.0, 0.16, 0.13), x))
    top = bottom - opening * (0.42 + 0.22 * raised) + 0.012 + 0.055 * across**2
    inside = ramp(-0.010, 0.016, y - top) * ramp(1.05, 0.55, across.abs())
    crown = torch.exp(-(((y - top - 0.016) / 0.012) ** 2) - (across / 0.6) ** 2)
    groove = 1 - 0.14 * torch.exp(-((x / 0.010) ** 2)) * ramp(0.0, 0.05, y - top)
    lit = enters * (0.42 + 0.40 * crown + 0.18 * (1 - depth)) * groove
    colour = mix(colour, tongue * lit[:, None], (inside * 0.92)[:, None])
    gleam = 0.05 * enters * crown**4 * (0.5 + 0.5 * torch.cos(x * 190.0))
    return colour + gleam[:, None], enters * (1 - 0.5 * depth)


def paint_lower_teeth(
    colour: torch.Tensor, shade: torch.Tensor, y: torch.Tensor, arch: Arch
) -> torch.Tensor:
    """Paint the lower teeth, which ride on the jaw, dimmer than the upper."""
    below = y - arch.lower_edge
    body = 0.74 * arch.lower_shade * (1 - 0.30 * arch.lower_gap) * (0.45 + 0.55 * shade)
    body = body * (1 - 0.22 * ramp(0.006, 0.0, below)) * (1 - 0.35 * ramp(0.008, 0.035, below))
    inside = ramp(-0.0022, 0.0028, below) * ramp(0.02, 0.10, arch.lower_shade)
    return mix(colour, as_colour(ENAMEL, y) * body[:, None], inside[:, None])


def paint_tip(
    colour: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    motion: torch.Tensor,
    look: MouthLook,
    arch: Arch,
) -> torch.Tensor:
    """Paint the tip of a raised tongue behind the upper and over the lower teeth."""
    raised = motion[:, 7, None, None].clamp(0.0, 1.0)
    top = arch.edge.amax(-1, keepdim=True) - 0.012 + 0.03 * (1 - raised)
    wide = 0.058 * (look.half_width / 0.175)[:, None, None]
    below = y - top - 0.030 * (x / wide) ** 2
    inside = raised * ramp(-0.004, 0.007, below) * ramp(1.25, 0.8, x.abs() / wide)
    inside = inside * ramp(0.075, 0.035, below)
    lit = 0.60 + 0.28 * torch.exp(-(((below - 0.014) / 0.010) ** 2)) - 0.25 * (x / wide) ** 2
    return mix(colour, as_colour(TONGUE, x) * lit.clamp_min(0.2)[:, None], inside[:, None])


def paint_upper_teeth(
    colour: torch.Tensor, y: torch.Tensor, arch: Arch, look: MouthLook
) -> torch.Tensor:
    """Paint gum and upper teeth, which are fixed to the head."""
    above = arch.edge - y
    style = look.style[:, :, None, None]
    shade = 0.93 + 0.10 * style[:, 2]
    body = arch.shade * shade
    body = body * (1 - 0.20 * ramp(0.008, 0.0, above))  # translucent cutting edge
    body = body * (1 - 0.10 * ramp(0.02, 0.05, above))
    depth = (0.14 + 0.26 * style[:, 3]) * (1 - 0.5 * ramp(0.005, 0.045, above))
    body = body * (1 - depth * arch.gap)
    yellow = 0.16 * (1 - style[:, 2]) + 0.10 * ramp(0.01, 0.05, above)
    enamel = as_colour(ENAMEL, y) * (1 - yellow[:, None] * as_colour((0.0, 0.25, 0.75), y))
    gap_tone = 1 - (0.5 * depth * arch.gap)[:, None] * as_colour((0.0, 0.35, 0.45), y)
    teeth = enamel * gap_tone * body[:, None]
    gum = as_colour(GUM, y) * (0.45 + 0.5 * arch.shade)[:, None]
    teeth = mix(gum, teeth, ramp(-0.003, 0.003, y - arch.gum)[:, None])
    inside = ramp(-0.0020, 0.0025, above) * ramp(0.30, 0.52, arch.shade)
    return mix(colour, teeth, inside[:, None])


def lip_shadow(y: torch.Tensor, upper: torch.Tensor, lower: torch.Tensor) -> torch.Tensor:
    """Return (N, 64, 128) how much light the lips let through: little into a narrow slit."""
    gap = (lower - upper).clamp_min(0.0)
    slit = 0.30 + 0.70 * ramp(0.0, 0.030, gap)
    under = 1 - 0.50 * torch.exp(-(y - upper).clamp_min(0.0) / 0.009)
    over = 1 - 0.30 * torch.exp(-(lower - y).clamp_min(0.0) / 0.006)
    return slit * under * over


def tint(colour: torch.Tensor, look: MouthLook) -> torch.Tensor:
    """Bring (N, 3, 64, 128) neutral colours to the picture's light and saturation."""
    grey = luminance(colour, 1)
    colour = mix(grey, colour, look.saturation[:, None, None, None])
    return colour * look.light[:, :, None, None]


def luminance(colour: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the luminance of colours along `dim`, which is kept."""
    shape = [1] * colour.dim()
    shape[dim] = 3
    weights = torch.tensor(LUMINANCE, device=colour.device).reshape(shape)
    return (colour * weights).sum(dim, keepdim=True)


def as_colour(values: tuple[float, float, float], like: torch.Tensor) -> torch.Tensor:
    """Return three numbers as a (1, 3, 1, 1) colour."""
    return torch.tensor(values, device=like.device).reshape(1, 3, 1, 1)


def mix(below: torch.Tensor, above: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Lay `above` over `below` where `share` is 1."""
    return below + share * (above - below)


def ramp(low: float, high: float, value: torch.Tensor) -> torch.Tensor:
    """Return a smooth step from 0 at `low` to 1 at `high`; falling if high < low."""
    share = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return share * share * (3 - 2 * share)
