"""The inside of an open mouth: what a portrait does not show, in the face's coordinates.

A patch of 64 x 128 pixels is fixed to the head (`geometry.FaceFrame`). The decoder lays the
teeth out from a style of eight numbers and paints them (`mouth_paint`). Colors are those of
neutral light; `MouthLook.light` brings them to the picture's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.drawn_style import DrawnStyle, find_style
from skyreels_avatar.rig.eye_look import EyeLook, find_eye_look
from skyreels_avatar.rig.filmed_teeth import LEAST_DETAIL, FilmedTeeth, light_between
from skyreels_avatar.rig.geometry import (
    MOUTH_CORNERS,
    FaceFrame,
    guess_teeth_edge,
    head_turn,
    row_slant,
)
from skyreels_avatar.rig.mouth_light import (
    MIN_COLORS,
    SKIN_POINTS,
    colors_at,
    estimate_light,
    match_tones,
    shown_teeth,
)
from skyreels_avatar.rig.mouth_paint import Mouth, luminance, mix, paint
from skyreels_avatar.rig.source_teeth import ShownTeeth, find_teeth
from skyreels_avatar.rig.teeth_arch import OUT_OF_SIGHT, frontal_columns, middle_of_teeth

TEETH = CONSTANTS.teeth
MOUTH_PATCH = (64, 128)  # height, width in pixels
MOUTH_BOX = (-0.22, -0.08, 0.22, 0.14)  # left, top, right, bottom in H
NUM_STYLES = 8
STYLE_SPREAD = 0.17  # standard deviation of styles among people
DIMMEST_FILMED = 0.5  # of the skin: teeth of a frame that was chosen because it shows them
WIDE_OPEN = 0.05  # of H; what a mouth shows then is kept even if it shows no teeth
SIDE_VIEW = 0.45  # radians; further, an open mouth without teeth shows too little to go on
GAPING = 0.085  # of H; further, so does one with teeth: its tongue and lips are taken for them
NOSE_BASE = [2, 98, 327]  # landmarks
ROW_MARGIN = 3  # rows painted beyond the lips

NUM_TEETH = len(TEETH.widths)


@dataclass(frozen=True)
class MouthLook:
    """How the inside of one person's mouth looks, for N frames.

    Attributes:
        style: (N, 8) in [0, 1], the person's teeth: size, midline, bow of the edges, lower teeth,
            yellowness, gaps; the last two (and all, a little) shape the single teeth.
        light: (N, 3) multiplies colors; 1 = the even light of an official portrait.
        half_width: (N,) half the mouth's width in H.
        teeth_edge: (N,) face y of the cutting edge of the upper central incisors, in H.
        saturation: (N,) 0 = a monochrome picture, whose tone is then in `light`; 1 = in color.
        shade: (N, 3) in [0, 1], the color of the darkest places; None is black.
        teeth: what the picture shows, which is not painted then; None = nothing.
        nose: (N,) face y of the base of the nose, which teeth go with; None = with the lips.
        drawn: how a flat drawing's mouth is drawn; None = as a photo shows it.
        eyes: what stands before the eyes; None = nothing.
        turn: (N,) radians, how far the head is turned to the right of the picture; None = not.
        middle: (N,) face x of the middle of the teeth; None = 0.
        slant: (N,) how far rows of teeth fall to the right, of `row_slant`; None = 0.
        filmed: the upper teeth as a video shows them; None = they are painted.
        smile: (N,) 0..1, how far a smile draws the lips off the teeth; None = not.
    """

    style: torch.Tensor
    light: torch.Tensor
    half_width: torch.Tensor
    teeth_edge: torch.Tensor
    saturation: torch.Tensor
    shade: torch.Tensor | None = None
    teeth: ShownTeeth | None = None
    nose: torch.Tensor | None = None
    drawn: DrawnStyle | None = None
    eyes: EyeLook | None = None
    turn: torch.Tensor | None = None
    middle: torch.Tensor | None = None
    slant: torch.Tensor | None = None
    filmed: FilmedTeeth | None = None
    smile: torch.Tensor | None = None

    def expand(self, num_frames: int) -> MouthLook:
        """Return the look of one frame repeated, or the same look if it has that many frames."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return MouthLook(**{
            name: value.expand(num_frames, *value.shape[1:])
            if isinstance(value, torch.Tensor) else value for name, value in values
        })  # fmt: skip

    def to(self, device: torch.device) -> MouthLook:
        """Return the same look on another device."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        moved = {name: value.to(device) for name, value in values if value is not None}
        return replace(self, **moved)

    def anchored(self, points: torch.Tensor) -> MouthLook:
        """Return the look in frames whose face is at (N, 478, 3) face coordinates.

        These have their origin between the corners of the mouth, which smile and speak, but teeth
        keep their place below the nose.
        """
        turn = head_turn(points)
        middle = middle_of_teeth(points, turn)
        look = replace(self, turn=turn, middle=middle, slant=row_slant(points))
        if self.nose is None:
            return look
        moved = points[:, NOSE_BASE, 1].mean(1) - self.nose
        return replace(look, teeth_edge=self.teeth_edge + moved)


def make_look(
    frame: torch.Tensor,
    landmarks: torch.Tensor,
    seed: int = 0,
    inside: torch.Tensor | None = None,
    filmed: Sequence[tuple[torch.Tensor, torch.Tensor]] = (),
    enamel: torch.Tensor | None = None,
) -> MouthLook:
    """Guess how the inside of a mouth looks from a picture of the face.

    Light comes from the skin and the whites of the eyes, or from the teeth if the picture shows
    them; what no picture tells is drawn with the seed.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
        seed: decides the style.
        inside: (K, 3) colors in [0, 1] seen between the lips in a video of the same person.
        filmed: frames and landmarks of the same video, as the first two, that may show its teeth.
        enamel: (3,) color of the teeth in the same light, where the frame does not show them.

    Returns:
        A look with N = 1, on the device of the frame; it is worked out on the CPU.
    """
    device = frame.device
    frame, landmarks = frame.cpu(), landmarks.cpu()
    generator = torch.Generator().manual_seed(seed)
    style = 0.5 + STYLE_SPREAD * torch.randn(1, NUM_STYLES, generator=generator)
    points = FaceFrame.of(landmarks[None]).points[0]
    light, saturation = estimate_light(frame, landmarks)
    gap, turn = float(points[14, 1] - points[13, 1]), float(head_turn(points[None]).abs())
    from_front = turn < SIDE_VIEW
    gapes = not from_front and gap > GAPING
    shown = shown_teeth(frame, landmarks, points, is_wide=gapes)
    seen = enamel if shown is None else shown
    if seen is not None:
        usual = torch.tensor(CONSTANTS.light.mean_teeth)
        light = seen / (saturation * usual + (1 - saturation) * usual.mean())
    shade = None
    skin = colors_at(frame, landmarks[list(SKIN_POINTS), :2]).median(0).values
    if inside is not None and len(inside) >= MIN_COLORS:
        light, shade = match_tones(light, saturation, inside.cpu(), skin)
    teeth = None
    if inside is None and not gapes and (shown is not None or (from_front and gap > WIDE_OPEN)):
        teeth = find_teeth(frame, landmarks)
    corners = points[list(MOUTH_CORNERS)][:, [0, 2]]
    drawn = find_style(frame, landmarks)
    look = MouthLook(
        style=style.clamp(0.05, 0.95),
        light=light[None].clamp(0.02, 1.5),
        half_width=(corners[1:] - corners[:1]).norm(dim=-1) / 2,
        teeth_edge=guess_teeth_edge(points)[None],
        saturation=saturation[None],
        shade=shade,
        teeth=teeth,
        nose=points[NOSE_BASE, 1].mean()[None],
        drawn=drawn,
        eyes=find_eye_look(frame, landmarks) if drawn is None else None,
    )
    teeth = [film_teeth(look, skin, *(part.cpu() for part in one)) for one in filmed]
    best = max((one for one in teeth if one), key=lambda one: one.detail, default=None)
    return replace(look, filmed=best).to(device)


def film_teeth(
    look: MouthLook, skin: torch.Tensor, frame: torch.Tensor, landmarks: torch.Tensor
) -> FilmedTeeth | None:
    """Return the teeth that a frame of a video shows, or None where it shows none clearly.

    Args:
        look: of the same person, of `make_look`.
        skin: (3,) its color where the look was made: the frame is brought to that light.
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
    """
    points = FaceFrame.of(landmarks[None]).points
    if shown_teeth(frame, landmarks, points[0], DIMMEST_FILMED) is None:
        return None
    there = look.anchored(points)
    place = there.middle[0], there.teeth_edge[0], there.turn[0], there.slant[0]
    now = colors_at(frame, landmarks[list(SKIN_POINTS), :2]).median(0).values
    found = FilmedTeeth.of(frame, landmarks, patch_axes(), place)
    # Of all colors alike: where highlights were clipped, a gain for each turned enamel pink.
    found = found and found.in_light((skin.mean() / now.mean().clamp_min(0.02)).clamp(0.5, 1.5))
    return found if found and found.detail > LEAST_DETAIL else None


def patch_axes(device: torch.device | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return face x (128,) of the patch's columns and face y (64,) of its rows, in H."""
    height, width = MOUTH_PATCH
    left, top, right, bottom = MOUTH_BOX
    x = left + (right - left) * (torch.arange(width, device=device) + 0.5) / width
    y = top + (bottom - top) * (torch.arange(height, device=device) + 0.5) / height
    return x, y


class MouthDecoder(nn.Module):
    """Paint the inside of a mouth over the whole patch.

    Its weights start as the fitted ones; what makes the single teeth of a person irregular is a
    fixed random network of the style. It is a module so that the fit can be repeated.
    """

    def __init__(self, hidden: int = 32):
        super().__init__()
        fitted = CONSTANTS.teeth
        tables = (fitted.widths, fitted.rises, fitted.rounds, fitted.lengths)
        self.teeth = nn.Parameter(torch.tensor(tables))  # 4 7
        self.shading = nn.Parameter(torch.tensor(list(asdict(CONSTANTS.shading).values())))
        inside = asdict(CONSTANTS.inside).items()
        self.inside = nn.ParameterDict({name: torch.tensor(value) for name, value in inside})
        self.register_buffer("style_mean", torch.tensor(fitted.knob_means))
        self.register_buffer("style_spread", torch.tensor(fitted.knob_spreads))
        self.layout = nn.Sequential(
            nn.Linear(NUM_STYLES, hidden), nn.SiLU(), nn.Linear(hidden, 8 * NUM_TEETH)
        )
        generator = torch.Generator().manual_seed(0)
        for layer, spread in ((self.layout[0], 0.8), (self.layout[2], 0.15)):
            nn.init.normal_(layer.weight, std=spread, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        upper_edge: torch.Tensor,
        lower_edge: torch.Tensor,
        motion: torch.Tensor,
        look: MouthLook,
    ) -> torch.Tensor:
        """Return the colors of a mouth.

        Args:
            upper_edge: (N, 128) face y in H of the upper lip's inner edge at each column.
            lower_edge: (N, 128) of the lower lip's; equal to `upper_edge` where the mouth is shut.
            motion: (N, 8) mouth coefficients, `coefficients.MOTION_GROUPS["mouth"]`.
            look: of N frames.

        Returns:
            (N, 3, 64, 128) in [0, 1]; what lies behind the lips is for the caller to hide.
        """
        x, y = patch_axes(upper_edge.device)
        first, last = visible_rows(upper_edge, lower_edge, y)
        teeth, share = None, None
        if look.filmed is not None:
            place = look.middle, look.teeth_edge, look.turn, look.slant
            teeth, share = look.filmed.at(x, y[first:last], place)
        mouth = self.lay_out(upper_edge, lower_edge, motion, look, x, y[first:last])
        if share is not None:  # painted ones are seen beside those of the film
            down = look.filmed.lowered(mouth.edge[:, 0], x, place)[:, None]
            down = down - OUT_OF_SIGHT * (share.amax(2) > 0.5)
            mouth = replace(mouth, edge=mouth.edge + down, gum=mouth.gum + down)
        color = paint(mouth)
        color = mix(luminance(color, 1), color, look.saturation[:, None, None, None])
        color = (color * look.light[:, :, None, None]).clamp(0.0, 1.0)
        if look.shade is not None:
            shade = look.shade[:, :, None, None]
            color = shade + (1 - shade) * color
        if share is not None:
            lit = light_between(mouth.lower - mouth.upper) / look.filmed.lit
            color = mix(color, (teeth * lit[:, None]).clamp(0.0, 1.0), share)
        color = color * (1 - self.inside.round_shade * motion[:, 3, None, None, None].clamp(0, 1))
        return F.pad(color, (0, 0, first, MOUTH_PATCH[0] - last), mode="replicate")

    def lay_out(
        self,
        upper_edge: torch.Tensor,
        lower_edge: torch.Tensor,
        motion: torch.Tensor,
        look: MouthLook,
        x: torch.Tensor,
        y: torch.Tensor,
    ) -> Mouth:
        """Place the teeth of N mouths at columns x (W,) and rows y (R,)."""
        size = (look.half_width / 0.175).clamp(0.85, 1.1)[:, None]  # N 1
        knobs = self.knobs(look.style)
        per_tooth = self.layout(knobs).tanh().unflatten(-1, (4, 2 * NUM_TEETH))
        scale = 1.07 * (1 + 0.25 * knobs[:, :1])
        middle = 0.012 * knobs[:, 1:2]
        bow = 1.2 + 1.2 * knobs[:, 2:3]
        at, floor, level = x[None] - middle, x[None], look.teeth_edge[:, None]
        if look.turn is not None:
            beside = x[None] - look.middle[:, None]
            at, floor = (
                frontal_columns(beside, look.turn) - middle,
                beside / look.turn.cos()[:, None],
            )
            level = level + look.slant[:, None] * beside
        width, rise, corner, length = torch.cat([self.teeth, self.teeth], 1)  # left, right side
        width = width * (1 + 0.15 * per_tooth[:, 0])
        tooth, across, half = find_tooth(at / scale, width)
        pick = [table.expand_as(width).gather(1, tooth) for table in (rise, corner, length)]
        moved, shaded, longer = (per_tooth[:, i].gather(1, tooth) for i in (1, 2, 3))
        power = torch.tensor(TEETH.powers, device=x.device).repeat(2)[tooth]
        cut = pick[1] * across.abs() ** power
        edge = level - bow * at**2 - scale * (pick[0] + cut)
        edge = edge + 0.0025 * moved
        gum = edge + scale * (cut + 0.010 * across**2 - pick[2] * (1 + 0.15 * longer))
        low_width = torch.tensor(TEETH.lower_widths, device=x.device).repeat(2).expand_as(width)
        low_tooth, low_across, low_half = find_tooth(at / scale, low_width)
        drop = self.inside["lower_drop"] * motion[:, 1:2].clamp_min(0.0) + self.inside["lower_edge"]
        low_edge = level + drop - 0.8 * bow * at**2
        low_edge = low_edge + 0.003 * per_tooth[:, 1].gather(1, low_tooth).flip(1)
        low_edge = low_edge + 0.006 * knobs[:, 3:4] + 0.002 * low_across**4
        hidden = at.abs() > OUT_OF_SIGHT / 2
        low_edge = low_edge.where(~hidden, low_edge + 4 * OUT_OF_SIGHT)
        if look.teeth is not None:
            edge, gum = edge - OUT_OF_SIGHT, gum - OUT_OF_SIGHT
            low_edge = low_edge + (TEETH.behind_smile if look.teeth.on_lip else OUT_OF_SIGHT)
        columns = (
            edge, gum, across, (1 - across.abs()) * half * scale, 1 + 0.07 * shaded,
            low_edge, low_across, (1 - low_across.abs()) * low_half * scale,
        )  # fmt: skip
        shading = dict(zip(asdict(CONSTANTS.shading), self.shading.unbind()))
        shading["gap"] = shading["gap"] * (1 + 0.6 * knobs[:, 5, None, None])
        bared = torch.zeros_like(size) if look.smile is None else look.smile[:, None]
        return Mouth(
            (at + middle)[:, None], floor[:, None], y[None, :, None],
            upper_edge[:, None], lower_edge[:, None],
            motion[:, 7, None, None].clamp(0.0, 1.0), size[..., None],
            *(column[:, None] for column in columns), 0.5 + 0.5 * knobs[:, 4, None, None],
            bared[..., None], shading, dict(self.inside),
        )  # fmt: skip

    def knobs(self, style: torch.Tensor) -> torch.Tensor:
        """Return (N, 8) what the layers work with: 0.5 in a style is the usual mouth."""
        return self.style_mean + self.style_spread * (style - 0.5) / STYLE_SPREAD


def visible_rows(upper: torch.Tensor, lower: torch.Tensor, y: torch.Tensor) -> tuple[int, int]:
    """Return the range of rows of y (R,) that some frame shows between the lips, and a margin."""
    is_open = lower > upper
    if not bool(is_open.any()):
        return 0, 1
    shown = (y >= upper[is_open].min()) & (y <= lower[is_open].max())
    rows = shown.nonzero()
    if len(rows) == 0:
        return 0, 1
    return max(0, int(rows[0]) - ROW_MARGIN), min(len(y), int(rows[-1]) + 1 + ROW_MARGIN)


def find_tooth(
    x: torch.Tensor, width: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find the tooth at each column.

    Args:
        x: (N, W) columns from the midline.
        width: (N, 2 * 7) widths from the midline outwards, left side first.

    Returns:
        tooth (N, W) index into `width`, position across it in [-1, 1] and its half width.
    """
    left, right = width.chunk(2, 1)
    on_right = x > 0
    away = x.abs().contiguous()
    ends = [side.cumsum(1).contiguous() for side in (left, right)]
    found = [torch.searchsorted(end, away).clamp_max(NUM_TEETH - 1) for end in ends]
    tooth = torch.where(on_right, found[1] + NUM_TEETH, found[0])
    half = width.gather(1, tooth) / 2
    end = torch.cat(ends, 1).gather(1, tooth)
    return tooth, ((away - end + half) / half).clamp(-1.0, 1.0), half


@cache
def fitted_decoder(device: torch.device) -> MouthDecoder:
    """Return the decoder with the fitted constants."""
    return MouthDecoder().to(device).requires_grad_(False)


def mouth_interior(
    upper_edge: torch.Tensor, lower_edge: torch.Tensor, motion: torch.Tensor, look: MouthLook
) -> torch.Tensor:
    """Paint the inside of a mouth: see `MouthDecoder.forward`."""
    return fitted_decoder(upper_edge.device)(upper_edge, lower_edge, motion, look)
