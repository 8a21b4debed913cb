"""Noise of a shot, drawn from its seed, its picture, its faces and its voices.

With the seed alone the persons of all videos would blink and turn their heads in the same frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from skyreels_avatar.faces.face import Face
from skyreels_avatar.media.audio import AudioTrack

_GRID = 16  # a face's centre is known to this part of the picture: boxes differ between machines


def noise_key(pixels: np.ndarray, faces: Sequence[Face], voices: Sequence[AudioTrack]) -> int:
    """Return a hash of who speaks and what is heard, the same for equal inputs.

    The prompt, the camera and the size of the video are not part of it: they may be changed
    while the performance stays.

    Args:
        pixels: (H, W, 3) uint8 picture that shows the faces.
        faces: of the speakers, in pixels of it.
        voices: that move their mouths.

    Returns:
        A number of 62 bits.
    """
    digest = hashlib.sha256(np.ascontiguousarray(pixels))
    height, width = pixels.shape[:2]
    for face in faces:
        x, y, box_width, box_height = face.box
        center = (x + box_width / 2) / width, (y + box_height / 2) / height
        digest.update(repr([int(_GRID * part) for part in center]).encode())
    for voice in voices:
        digest.update(str(voice.sample_rate).encode())
        digest.update(np.ascontiguousarray(voice.mono().samples))
    return int.from_bytes(digest.digest()[:8], "big") >> 2


def segment_generator(seed: int, segment_index: int, key: int = 0) -> torch.Generator:
    """Return the source of noise of one window: any window can be made again alone.

    Args:
        seed: the user's.
        segment_index: place of the window in the shot.
        key: `noise_key` of the shot.
    """
    digest = hashlib.sha256(f"{seed} {key} {segment_index}".encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
