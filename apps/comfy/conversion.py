"""ComfyUI's IMAGE and AUDIO as files that SkyReels Avatar reads, and its videos as both.

IMAGE is (B, H, W, C) float in [0, 1], AUDIO is {"waveform": (B, C, S) float, "sample_rate": Hz}.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import soundfile
import torch
from PIL import Image

import skyreels_avatar as sa

logger = logging.getLogger(__name__)

# An intermediate video is read once and deleted: size does not matter, loss does.
LOSSLESS_CRF = 0
_BYTES_PER_VALUE = 4


def check_image(image: torch.Tensor) -> torch.Tensor:
    """Return an IMAGE if it is one.

    Raises:
        InputError: another shape, or values that are not numbers.
    """
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise sa.InputError(
            f"an IMAGE is (B, H, W, C) with 1, 3 or 4 channels, got {tuple(image.shape)}"
        )
    if not bool(torch.isfinite(image).all()):
        raise sa.InputError(
            "the image holds values that are not numbers (NaN or infinity); the node before it "
            "failed: look at its result"
        )
    return image


def to_pixels(image: torch.Tensor) -> np.ndarray:
    """Return pictures (B, H, W, C) in [0, 1] as uint8; gray becomes RGB, alpha is kept."""
    pixels = (image.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels


def save_picture(image: torch.Tensor, folder: Path) -> Path:
    """Write the one picture of an IMAGE as PNG, named after what it shows.

    Raises:
        InputError: several pictures, or no IMAGE.
    """
    if check_image(image).shape[0] != 1:
        raise sa.InputError(
            f"one picture is needed, got a batch of {image.shape[0]}; choose one with the node "
            "ImageFromBatch, or use Avatar Retalk for the frames of a video"
        )
    pixels = to_pixels(image)[0]
    path = folder / f"{_digest(pixels)}.png"
    Image.fromarray(pixels).save(path, compress_level=1)
    return path


def save_sound(audio: dict, folder: Path) -> Path:
    """Write an AUDIO as a WAV file of float samples, named after what it sounds like.

    Raises:
        InputError: several sounds, more than two channels, or nothing to hear.
    """
    waveform, rate = audio["waveform"], int(audio["sample_rate"])
    if waveform.ndim != 3 or waveform.shape[0] != 1:
        raise sa.InputError(
            f"one sound (1, C, S) is needed, got a waveform of {tuple(waveform.shape)}; give one "
            "sound of the batch"
        )
    samples = waveform[0].detach().float().cpu().numpy()
    if samples.shape[0] not in (1, 2) or samples.shape[1] == 0:
        raise sa.InputError(
            f"a sound has one or two channels and some samples, got {samples.shape[0]} channels "
            f"with {samples.shape[1]} samples"
        )
    path = folder / f"{_digest(samples, rate)}.wav"
    soundfile.write(path, samples.T, rate, subtype="FLOAT")
    return path


def save_frames(image: torch.Tensor, fps: float, audio: dict | None, folder: Path) -> Path:
    """Write the pictures of an IMAGE as a video without loss, with a sound if there is one.

    Raises:
        InputError: no IMAGE, or fewer than two pictures.
    """
    if check_image(image).shape[0] < 2:
        raise sa.InputError("a video needs at least 2 frames, got 1; use Avatar Generate for it")
    height, width = (side - side % 2 for side in image.shape[1:3])
    if (height, width) != tuple(image.shape[1:3]):
        logger.warning(
            "a video needs even sides: %dx%d of the frames of %dx%d are used",
            width, height, image.shape[2], image.shape[1],
        )  # fmt: skip
    track = None if audio is None else sa.AudioTrack.load(save_sound(audio, folder))
    path = folder / "frames.mp4"
    with sa.VideoWriter(path, height, width, fps, track, crf=LOSSLESS_CRF) as writer:
        for frame in image[:, :height, :width]:
            writer.write(np.ascontiguousarray(to_pixels(frame[None])[..., :3]))
    return path


def load_frames(path: Path) -> torch.Tensor:
    """Return the frames of a video as an IMAGE (F, H, W, 3) float32."""
    reader = sa.VideoReader(path)
    frames = torch.empty(reader.num_frames, reader.height, reader.width, 3)
    for index, frame in enumerate(reader):
        torch.div(torch.from_numpy(frame), 255, out=frames[index])
    return frames


def load_sound(path: Path) -> dict:
    """Return the sound of a video as an AUDIO, exactly as long as its frames; silence has none."""
    reader = sa.VideoReader(path)
    track = reader.audio()
    if track is None:
        track = sa.AudioTrack(np.zeros(1, np.float32), 48_000)
    return to_audio(track.lasting(reader.duration_s))


def to_audio(track: sa.AudioTrack) -> dict:
    """Return a sound as an AUDIO of a batch of one."""
    waveform = torch.from_numpy(np.ascontiguousarray(track.channels))
    return {"waveform": waveform[None], "sample_rate": track.sample_rate}


def check_memory(num_frames: int, height: int, width: int) -> None:
    """Refuse frames that would not fit into the free memory as an IMAGE.

    Raises:
        InputError: they would not.
    """
    import psutil

    needed = num_frames * height * width * 3 * _BYTES_PER_VALUE
    free = psutil.virtual_memory().available
    if needed > 0.9 * free:
        raise sa.InputError(
            f"{num_frames} frames of {width}x{height} take {needed / 1e9:.1f} GB as IMAGE, and "
            f"{free / 1e9:.1f} GB are free; switch decode_frames off and use the output video"
        )


def video_size(
    width: int, height: int, source_width: int, source_height: int
) -> tuple[int, int] | None:
    """Return (width, height) from two fields in which 0 means: whatever fits the picture.

    Returns:
        Both even; None where both are 0, so that the size is the picture's.
    """
    if not width and not height:
        return None
    if not width:
        width = 2 * round(height * source_width / source_height / 2)
    if not height:
        height = 2 * round(width * source_height / source_width / 2)
    return width, height


def _digest(values: np.ndarray, *others: int) -> str:
    described = f"{values.shape} {values.dtype} {others}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(values).tobytes()).hexdigest()[:24]
