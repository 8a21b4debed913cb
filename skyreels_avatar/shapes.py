"""Frame arithmetic: how many latent frames cover how many pictures, and back.

A causal video VAE keeps the first frame alone and then packs `time` frames into each latent
frame: F = 1 + time * (T - 1). Everything that counts frames asks here.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyreels_avatar.errors import InputError


@dataclass(frozen=True)
class VideoShape:
    """Frames, height and width of a piece of video, in pixels."""

    num_frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.num_frames, self.height, self.width) < 1:
            raise InputError(f"a video needs at least 1 frame and 1x1 pixels, got {self}")


@dataclass(frozen=True)
class LatentShape:
    """Channels, latent frames, latent height and width of one clip."""

    channels: int
    num_latent_frames: int
    latent_height: int
    latent_width: int

    def batched(self, batch: int = 1) -> tuple[int, int, int, int, int]:
        """Return (B, C, T, H, W)."""
        return (
            batch,
            self.channels,
            self.num_latent_frames,
            self.latent_height,
            self.latent_width,
        )


def latent_frames(num_frames: int, time: int = 4) -> int:
    """Return T, the latent frames that cover F = 1 + time * k pictures exactly.

    Raises:
        InputError: num_frames is not of the form 1 + time * k.
    """
    if num_frames < 1 or (num_frames - 1) % time:
        raise InputError(f"a clip has 1 + {time}k frames, got {num_frames}")
    return 1 + (num_frames - 1) // time


def pixel_frames(num_latent_frames: int, time: int = 4) -> int:
    """Return F, the pictures that T latent frames cover: the inverse of `latent_frames`."""
    return 1 + time * (num_latent_frames - 1)


def covering_latent_frames(num_frames: int, time: int = 4) -> int:
    """Return the smallest T whose clip holds at least F pictures."""
    return 1 + -(-(max(num_frames, 1) - 1) // time)


def frames_of_duration(duration_s: float, fps: float) -> int:
    """Return round(duration x fps), the exact number of pictures of a video, at least 1."""
    return max(1, int(duration_s * fps + 0.5))
