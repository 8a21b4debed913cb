"""Other talkers and microphones, made from log-mel pictures while training: cheap, never alike."""

from __future__ import annotations

import torch

from skyreels_avatar.models.audio_encoder import LOG_MEAN, LOG_STD, SILENCE

_WARP = 0.09  # of the mel axis: longer and shorter vocal tracts
_TILT_DB = 3.0  # standard deviation of a smooth change of the spectrum
_KNOTS = 6
_GAIN_DB = 3.0  # standard deviation: loudness is normalised over a whole sound, pauses and all
_NOISE_DB = (-48.0, -4.0)  # steady noise under a level of 0 dB, about that of vowels
_NOISY_SHARE, _NARROW_SHARE = 0.5, 0.25
_LOWEST, _HIGHEST = (0, 14), (44, 79)  # mel bins between which narrow bands begin and end


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


def record_mel(mel: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return (B, L, 80) pictures as other recorders would have made them.

    All change their level, some stand in steady noise of some colour, some lose what lies below
    or above a band, as telephones and old recordings do. Time is not touched.
    """
    batch, _, num_mels = mel.shape

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(batch, 1, 1, generator=generator)

    gain = torch.randn(batch, 1, 1, generator=generator) * _GAIN_DB / 10 / LOG_STD
    power = torch.where(mel > SILENCE + 1e-3, mel + gain, mel) * LOG_STD + LOG_MEAN
    noisy = draw(0, 1) < _NOISY_SHARE
    knots = torch.randn(batch, 1, _KNOTS, generator=generator) * 2 * _TILT_DB / 10
    colour = torch.nn.functional.interpolate(knots, num_mels, mode="linear", align_corners=True)
    # Bins of a spectrum of noise scatter: log10 of an exponential number, evened out by filters.
    scatter = 0.15 * torch.randn(mel.shape, generator=generator)
    noise = draw(*_NOISE_DB) / 10 + colour + scatter
    loud = torch.maximum(power, noise)
    power = torch.where(noisy, loud + torch.log10(1 + 10 ** (-(power - noise).abs())), power)
    bins = torch.arange(num_mels)
    outside = (bins < draw(*_LOWEST)) | (bins > draw(*_HIGHEST))
    heard = ((power - LOG_MEAN) / LOG_STD).clamp(min=SILENCE)
    return torch.where(outside & (draw(0, 1) < _NARROW_SHARE), SILENCE, heard)
