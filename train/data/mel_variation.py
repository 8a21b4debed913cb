"""Other talkers and microphones, made from log-mel pictures while training: cheap, never alike."""

from __future__ import annotations

import torch

from skyreels_avatar.models.audio_encoder import LOG_STD, SILENCE

_WARP = 0.09  # of the mel axis: longer and shorter vocal tracts
_TILT_DB = 3.0  # standard deviation of a smooth change of the spectrum
_KNOTS = 6


def vary_mel(mel: torch.Tensor, generator: torch.Generator, share: float = 0.8) -> torch.Tensor:
    """Return (B, L, 80) pictures of which a share is warped along the mel axis and filtered.

    Time is not touched. Silence stays silence: nothing falls below the floor of `log_mel`.
    """
    batch, _, num_mels = mel.shape
    chosen = (torch.rand(batch, 1, 1, generator=generator) < share).float()
    warp = 1 + _WARP * (2 * torch.rand(batch, 1, generator=generator) - 1)
    places = (torch.arange(num_mels) * warp).clamp(max=num_mels - 1)  # (B, 80)
    low = places.floor().long()
    high = (low + 1).clamp(max=num_mels - 1)
    part = (places - low).unsqueeze(1)
    low, high = (index[:, None].expand_as(mel) for index in (low, high))
    warped = torch.lerp(mel.gather(2, low), mel.gather(2, high), part.expand_as(mel))
    knots = torch.randn(batch, 1, _KNOTS, generator=generator) * _TILT_DB / 10 / LOG_STD
    curve = torch.nn.functional.interpolate(knots, num_mels, mode="linear", align_corners=True)
    varied = torch.where(warped > SILENCE + 1e-3, warped + curve, warped).clamp(min=SILENCE)
    return torch.lerp(mel, varied, chosen)
