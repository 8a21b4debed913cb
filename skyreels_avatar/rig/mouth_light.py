"""Estimate the light on a face from its skin, the whites of its eyes and its teeth."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.constants import CONSTANTS

LIGHT = CONSTANTS.light
SKIN_POINTS = (50, 280, 205, 425, 101, 330, 117, 346, 36, 266, 151, 9, 108, 337, 200, 199)
EYE_RINGS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
MOST_RED = 0.44  # of the light of teeth
PROBES, WIDE_PROBES = (0.2, 0.75), (0.04, 0.35)  # shares of an opening where teeth are looked for
MIN_COLORS = 100  # seen between the lips of a video, before they count


def estimate_light(
    frame: torch.Tensor, landmarks: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the light (3,) on a face and the picture's saturation, 0 if it is monochrome.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
    """
    skin = colors_at(frame, landmarks[list(SKIN_POINTS), :2]).median(0).values
    white = eye_white(frame, landmarks, skin)
    face = torch.cat([skin, white]).clamp_min(0.02).log()
    teeth = (torch.tensor(LIGHT.teeth_from_face) @ face + torch.tensor(LIGHT.teeth_offset)).exp()
    saturation, tone = monochrome(frame)
    teeth = saturation * teeth + (1 - saturation) * teeth.mean() * tone
    usual = torch.tensor(LIGHT.mean_teeth)
    return teeth / (saturation * usual + (1 - saturation) * usual.mean()), saturation


def colors_at(frame: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Return (K, 3) colors of a blurred picture at (K, 2) pixels."""
    height, width = frame.shape[-2:]
    radius = max(1, min(height, width) // 60)
    soft = frame[None]
    for size, pad in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
        soft = F.avg_pool2d(soft, size, 1, pad, count_include_pad=False)
    grid = xy / torch.tensor([width, height]) * 2 - 1
    found = F.grid_sample(soft, grid[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0].T


def eye_white(frame: torch.Tensor, landmarks: torch.Tensor, skin: torch.Tensor) -> torch.Tensor:
    """Return (3,) the brightest color between the lids, or the skin's if the eyes are shut."""
    found = []
    for ring in EYE_RINGS:
        xy = landmarks[list(ring), :2]
        middle = xy.mean(0)
        shares = torch.tensor([0.35, 0.55, 0.75])[:, None, None]
        probes = colors_nearest(frame, (middle + shares * (xy - middle)).flatten(0, 1))
        order = probes.sum(-1).argsort(descending=True)
        found.append(probes[order[: len(order) // 5]].mean(0))
    opened = [eye_openness(landmarks, ring) > 0.12 for ring in EYE_RINGS]
    found = [color for color, is_open in zip(found, opened) if is_open]
    return torch.stack(found).mean(0) if found else skin


def eye_openness(landmarks: torch.Tensor, ring: tuple[int, ...]) -> float:
    """Return the height of an eye's opening over its width."""
    tall = (landmarks[ring[4], :2] - landmarks[ring[12], :2]).norm()
    wide = (landmarks[ring[0], :2] - landmarks[ring[8], :2]).norm().clamp_min(1e-3)
    return float(tall / wide)


def colors_nearest(frame: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Return (K, 3) the picture's pixels at (K, 2) positions."""
    height, width = frame.shape[-2:]
    column = xy[:, 0].long().clamp(0, width - 1)
    row = xy[:, 1].long().clamp(0, height - 1)
    return frame[:, row, column].T


def monochrome(frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return saturation (0 if the whole picture has one tone, as grey or sepia) and that tone (3,).

    The tone is relative to its own mean; saturation rises to 1 over a narrow band of spread.
    """
    small = F.adaptive_avg_pool2d(frame[None], (48, 48))[0].flatten(1)  # 3 L
    mean = small.mean(0)
    middle = (mean > 0.12) & (mean < 0.92)
    if int(middle.sum()) < 50:
        middle = torch.ones_like(middle)
    chroma = small[:, middle] / mean[middle].clamp_min(0.02)
    tone = chroma.median(1).values
    spread = (chroma - tone[:, None]).abs().mean()
    return ((spread - 0.015) / 0.025).clamp(0.0, 1.0), tone


def shown_teeth(
    frame: torch.Tensor,
    landmarks: torch.Tensor,
    points: torch.Tensor,
    dimmest: float = 0.7,
    is_wide: bool = False,
) -> torch.Tensor | None:
    """Return (3,) the color of the teeth in a picture, or None where it shows none.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
        points: (478, 3) the same in face coordinates.
        dimmest: of the skin's brightness, what is still taken for teeth.
        is_wide: the mouth is wide open: teeth are only a part of its upper third.
    """
    if float(points[14, 1] - points[13, 1]) < 0.025:
        return None
    pairs = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402))
    probes = []
    for above, below in pairs:
        start, end = landmarks[above, :2], landmarks[below, :2]
        share = torch.linspace(*(WIDE_PROBES if is_wide else PROBES), 7)[:, None]
        probes.append(colors_nearest(frame, start + share * (end - start)))
    probes = torch.cat(probes)
    order = probes.sum(-1).argsort(descending=True)
    lit = probes[order[: len(order) // (4 if is_wide else 2)]].median(0).values
    skin = colors_at(frame, landmarks[list(SKIN_POINTS), :2]).median(0).values
    is_teeth = not is_flesh(lit, skin) and float(lit.mean()) > dimmest * float(skin.mean())
    return lit if is_teeth else None


def is_flesh(color: torch.Tensor, skin: torch.Tensor) -> bool:
    """Return whether a color (3,) seen in a mouth is too red for teeth in the light on the skin."""
    red, red_skin = (float(c[0] / c.sum().clamp_min(1e-3)) for c in (color, skin))
    return red >= max(MOST_RED, red_skin - 0.015)


def match_tones(
    light: torch.Tensor, saturation: torch.Tensor, inside: torch.Tensor, skin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the light (3,) and the shade (1, 3) that reproduce the tones seen in a mouth.

    Args:
        light: (3,) guessed; its hue stays where what was seen brightest is not enamel.
        saturation: () of the picture.
        inside: (K, 3) colors in [0, 1] seen between the lips.
        skin: (3,) its color in the same light.
    """
    ranked = inside[inside.sum(-1).argsort()]
    tenth = max(1, len(ranked) // 10)
    brightest, shade = ranked[-tenth:].mean(0), ranked[:tenth].mean(0)
    usual = torch.tensor(LIGHT.mean_teeth)
    enamel = saturation * usual + (1 - saturation) * usual.mean()
    if is_flesh(brightest, skin):  # lips and tongue only
        brightest = light * enamel * (brightest.mean() / (light * enamel).mean())
    shade = torch.minimum(shade, 0.8 * brightest)
    return (brightest - shade) / (1 - shade) / enamel, shade[None]
