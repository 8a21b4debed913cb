"""Lip sync by a trained network: Sync-C, Sync-D and offset, named as in the literature.

The network is this project's own (`python -m train sync`), so that its numbers cannot be compared
with those of the SyncNet of 2016. Loudness alone does not please it: it was trained against mouths
that open with loudness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from skyreels_avatar.faces.alignment import RIGID, fit_similarity
from skyreels_avatar.faces.opening import CHIN, TOP
from skyreels_avatar.faces.template import template
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.audio_encoder import HOP, MEL_FRAMES_PER_TOKEN, SAMPLE_RATE, log_mel
from skyreels_avatar.models.sync_network import SyncNetwork

WEIGHTS = "nano/sync.safetensors"
FPS = 25.0
MAX_OFFSET = 15
# Lips outside and inside from corner to corner, chin and the skin between.
POINTS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
    152, 148, 377, 164, 18, 200, 199,
)  # fmt: skip
_SCALE = 20.0  # brings displacements / H to about unit range


@dataclass(frozen=True)
class LipSync:
    """How lips and sound belong together.

    Attributes:
        sync_c: confidence: median distance over all offsets - least distance. Higher is better.
        sync_d: least mean distance of the embeddings of lips and sound, 0 to 2. Lower is better.
        sync_offset: frames of 1/25 s by which the mouth comes late, where that least is.
    """

    sync_c: float
    sync_d: float
    sync_offset: int


def lip_points(landmarks: np.ndarray, fps: float = FPS) -> np.ndarray:
    """Return (F', 94) float32: how lips and chin move, at 25 a second, without the head.

    Args:
        landmarks: (F, 478, 3) px, one face through F frames.
    """
    return points_of(lip_places(landmarks[:, RIGID], landmarks[:, POINTS], fps))


def lip_motion(rigid: np.ndarray, lips: np.ndarray, fps: float = FPS) -> np.ndarray:
    """Return `lip_points` of faces of which only some points are kept, as in `lip_places`."""
    return points_of(lip_places(rigid, lips, fps))


def lip_places(rigid: np.ndarray, lips: np.ndarray, fps: float = FPS) -> np.ndarray:
    """Return (F', 47, 2): where lips and chin are on the average face, in face heights.

    Args:
        rigid: (F, 17, 3) px, the points `alignment.RIGID`.
        lips: (F, 47, 3) px, the points POINTS.
    """
    face = template()
    height = np.linalg.norm(face[TOP, :2] - face[CHIN, :2])
    scale, rotation, shift = fit_similarity(rigid, face[list(RIGID)])
    moved = scale[:, None, None] * (lips @ rotation.transpose(0, 2, 1)) + shift[:, None]
    flat = moved[..., :2].reshape(len(moved), -1) / height
    if fps != FPS:
        times = np.arange(max(1, round(len(flat) / fps * FPS))) / FPS
        known = np.arange(len(flat)) / fps
        flat = np.stack([np.interp(times, known, column) for column in flat.T], -1)
    return flat.reshape(len(flat), -1, 2)


def points_of(places: np.ndarray) -> np.ndarray:
    """Return (F, 94) float32, the input of the network: how lips and chin move."""
    flat = places.reshape(len(places), -1)
    return (_SCALE * (flat - flat.mean(0))).astype(np.float32)


def places_of(points: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Return (F, 47, 2) of `points_of`, round the mean places (47, 2)."""
    return points.reshape(len(points), -1, 2) / _SCALE + middle


def sound_picture(audio: AudioTrack, num_frames: int) -> np.ndarray:
    """Return the log-mel spectrogram (4 F, 80) float32 under F frames of 25 a second."""
    samples = audio.mono().resampled(SAMPLE_RATE).normalized().samples
    count = num_frames * MEL_FRAMES_PER_TOKEN * HOP
    samples = np.pad(samples[:count], (0, max(0, count - len(samples))))
    return log_mel(samples)[: num_frames * MEL_FRAMES_PER_TOKEN].numpy()


def puppet(points: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Return (F, 94): the same person's mouth, opened by loudness and nothing else.

    The baseline of every measure of lip sync: one that prefers it to people is not a measure.

    Args:
        points: (F, 94) of `lip_points`. sound: (4 F, 80) of `sound_picture`.
    """
    loudness = sound.reshape(len(points), -1).mean(1)
    way = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][0]
    lower_lip = 2 * POINTS.index(14) + 1
    way = way * (np.sign(way[lower_lip]) or 1.0)  # opens
    spread = (points @ way).std()
    even = (loudness - loudness.mean()) / max(loudness.std(), 1e-6)
    return np.outer(spread * even, way).astype(np.float32)


@torch.no_grad()
def lip_sync(
    points: np.ndarray, sound: np.ndarray, network: SyncNetwork | None = None
) -> LipSync | None:
    """Return how well lips say a sound; None for clips of less than two seconds.

    Args:
        points: (F, 94) of `lip_points`. sound: (4 F, 80) of `sound_picture`.
        network: None = the one that ships.
    """
    if len(points) < 2 * FPS:
        return None
    distance = offset_distances(network or shipped_network(), points, sound)
    best = int(distance.argmin())
    return LipSync(
        sync_c=float(np.median(distance) - distance[best]),
        sync_d=float(distance[best]),
        sync_offset=MAX_OFFSET - best,
    )


@torch.no_grad()
def offset_distances(network: SyncNetwork, points: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Return (31,): mean distance of lips to the sound -15 to +15 frames later."""
    lips = network.embed_lips(torch.from_numpy(points)[None])[0]
    heard = network.embed_sound(torch.from_numpy(sound)[None])[0]
    distance = (2 - 2 * lips @ heard.T).clamp_min(0).sqrt().numpy()
    return np.array(
        [np.diagonal(distance, offset).mean() for offset in range(-MAX_OFFSET, MAX_OFFSET + 1)]
    )


@cache
def shipped_network() -> SyncNetwork:
    """Return the network that ships."""
    from skyreels_avatar.folders import asset_path
    from skyreels_avatar.loading.checkpoints.load import load_module

    return load_module(SyncNetwork, asset_path(WEIGHTS))
