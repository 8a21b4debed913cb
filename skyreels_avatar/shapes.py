"""Frame arithmetic: how many latent frames cover how many pictures, and back.

Latents of video keep the first frame alone and then pack `time_factor` frames into each latent
frame: F = 1 + time_factor * (T - 1). Everything that counts frames asks here.
"""

from __future__ import annotations

from skyreels_avatar.errors import InputError

TIME_FACTOR = 4  # of the latents that are known so far, where nothing else is said


def latent_frames(num_frames: int, time_factor: int = TIME_FACTOR) -> int:
    """Return T, the latent frames that cover F = 1 + time_factor * k pictures exactly.

    Raises:
        InputError: num_frames is not of the form 1 + time_factor * k.
    """
    if num_frames < 1 or (num_frames - 1) % time_factor:
        raise InputError(f"a clip has 1 + {time_factor}k frames, got {num_frames}")
    return 1 + (num_frames - 1) // time_factor


def pixel_frames(num_latent_frames: int, time_factor: int = TIME_FACTOR) -> int:
    """Return F, the pictures that T latent frames cover: the inverse of `latent_frames`."""
    return 1 + time_factor * (num_latent_frames - 1)


def covering_latent_frames(num_frames: int, time_factor: int = TIME_FACTOR) -> int:
    """Return the smallest T whose clip holds at least F pictures."""
    return 1 + -(-(max(num_frames, 1) - 1) // time_factor)


def frames_of_duration(duration_s: float, fps: float) -> int:
    """Return round(duration x fps), the exact number of pictures of a video, at least 1."""
    return max(1, int(duration_s * fps + 0.5))


# Sizes that public video transformers were trained at: label (height / width) -> height, width.
# 480p and 720p are those of SkyReels-V3, which are MultiTalk's and the exact 16:9.
BUCKETS: dict[str, dict[float, tuple[int, int]]] = {
    "480p": {
        0.26: (320, 1216), 0.38: (384, 1024), 0.50: (448, 896), 0.577: (480, 832),
        0.67: (512, 768), 0.82: (576, 704), 1.00: (640, 640), 1.22: (704, 576), 1.50: (768, 512),
        1.86: (832, 448), 1.73: (832, 480), 2.00: (896, 448), 2.50: (960, 384),
        2.83: (1088, 384), 3.60: (1152, 320), 3.80: (1216, 320), 4.00: (1280, 320),
    },
    "720p": {
        0.22: (448, 2048), 0.29: (512, 1792), 0.36: (576, 1600), 0.45: (640, 1408),
        0.55: (704, 1280), 0.56: (720, 1280), 0.63: (768, 1216), 0.76: (832, 1088),
        0.88: (896, 1024), 1.00: (960, 960), 1.14: (1024, 896), 1.31: (1088, 832),
        1.50: (1152, 768), 1.58: (1216, 768), 1.82: (1280, 704), 1.78: (1280, 720),
        1.91: (1344, 704), 2.20: (1408, 640), 2.30: (1472, 640), 2.67: (1536, 576),
        2.89: (1664, 576), 3.62: (1856, 512), 3.75: (1920, 512),
    },
}  # fmt: skip
BUCKET_STEP_PX = 16  # latents of 8 pixels, tokens of 2 x 2 latents
BUCKETS["540p"] = {
    label: (
        BUCKET_STEP_PX * round(height * 0.75 / BUCKET_STEP_PX),
        BUCKET_STEP_PX * round(width * 0.75 / BUCKET_STEP_PX),
    )
    for label, (height, width) in BUCKETS["720p"].items()
}


def nearest_bucket(height: int, width: int, name: str) -> tuple[int, int]:
    """Return the (height, width) of a bucket whose label is nearest to a picture's aspect.

    Raises:
        InputError: there are no buckets of that name.
    """
    if name not in BUCKETS:
        raise InputError(f"sizes of the buckets are {', '.join(sorted(BUCKETS))}, got {name!r}")
    ratio = height / width
    label = min(BUCKETS[name], key=lambda label: abs(label - ratio))
    return BUCKETS[name][label]
