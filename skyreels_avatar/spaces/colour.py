"""Hold the colours of a long video: each frame gets the mean and spread of a reference in CIE Lab.

Source: Reinhard et al., Color Transfer between Images (2001), as InfiniteTalk and SkyReels-V3 use
it. CIE Lab under D65 (IEC 61966-2-1 for sRGB). Not OpenCV's conversion: with it frames differ by up
to 0.10 of -1..1 from those of the published pipeline, with this one by 5e-5 at most.
"""

from __future__ import annotations

import torch

_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_TO_RGB = (
    (3.2404813432005266, -1.5371515162713185, -0.4985363261688878),
    (-0.9692549499965682, 1.8759900014898907, 0.0415559265582928),
    (0.0556466391351772, -0.2040413383665112, 1.0573110696453443),
)
_WHITE = (0.95047, 1.0, 1.08883)
_LINEAR_BELOW = 0.008856
_SLOPE, _OFFSET = 7.787, 4 / 29
_SMALLEST_SPREAD = 1e-6


def match_colour(
    frames: torch.Tensor, reference: torch.Tensor, strength: float = 1.0
) -> torch.Tensor:
    """Return frames (F, 3, H, W) with the colours of a reference, both in -1..1.

    Args:
        reference: (3, H', W') for all frames, or (F, 3, H', W') one for each, on any device.
        strength: 0 leaves the frames as they are, 1 gives them the reference's mean and standard
            deviation of each Lab channel.
    """
    if strength == 0:
        return frames
    reference = to_lab(_unit(reference.to(frames.device)))
    wanted_spread, wanted = torch.std_mean(reference, (-2, -1), correction=0, keepdim=True)
    lab = to_lab(_unit(frames))
    spread, mean = torch.std_mean(lab, (2, 3), correction=0, keepdim=True)
    scale = wanted_spread / spread.clamp_min(_SMALLEST_SPREAD)
    lab = (lab - mean) * scale + wanted
    matched = 2 * to_rgb(lab).clamp(0, 1) - 1
    return torch.lerp(frames, matched, strength)


def to_lab(rgb: torch.Tensor) -> torch.Tensor:
    """Return CIE Lab (..., 3, H, W) of sRGB in 0..1."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055).clamp_min(0) ** 2.4, rgb / 12.92)
    xyz = _mixed(linear, _TO_XYZ) / linear.new_tensor(_WHITE)[:, None, None]
    bent = torch.where(
        xyz > _LINEAR_BELOW, xyz.clamp_min(_LINEAR_BELOW) ** (1 / 3), _SLOPE * xyz + _OFFSET
    )
    x, y, z = bent.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """Return sRGB (..., 3, H, W), not clipped, of CIE Lab."""
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    bent = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], dim=-3)
    xyz = torch.where(bent > 0.2068966, bent**3, (bent - _OFFSET) / _SLOPE)
    linear = _mixed(xyz * xyz.new_tensor(_WHITE)[:, None, None], _TO_RGB)
    return torch.where(
        linear > 0.0031308, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear
    )


def _unit(frames: torch.Tensor) -> torch.Tensor:
    return (frames.float() + 1) / 2


def _mixed(colours: torch.Tensor, matrix: tuple[tuple[float, ...], ...]) -> torch.Tensor:
    return torch.einsum("ij,...jhw->...ihw", colours.new_tensor(matrix), colours)
