"""From what was seen of a face to a piece of training material: judged, described and stored.

A piece is an npz with what every later stage needs, so that no video is opened again: rig
coefficients and sound at 25 frames a second, landmarks, the identity, a small picture.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.evaluation.lip_sync import FPS, lip_points, lip_sync, sound_picture
from skyreels_avatar.evaluation.sync import loudness_db
from skyreels_avatar.faces.opening import mouth_opening
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.voice_activity import SAMPLE_RATE, speech_probability
from skyreels_avatar.rig.face_rig import FaceRig
from train.config import FootageConfig
from train.data.footage import Span
from train.data.footage_caption import describe

_SPEAKS = 0.5  # probability of speech
_LOUD_DB = 26.0  # under the loudest twentieth: what counts as speech without a detector
LANDMARK_UNIT = 1 / 16  # pixel
OTHER_FACE = "another face speaks"


@dataclass(frozen=True)
class Piece:
    """One row of the report: a face between two cuts, and why it was kept or not.

    Attributes:
        source: file name of the video. name: of the npz, "" where it was thrown out.
        start_s, duration_s: in the video.
        reason: why it was thrown out; "" = it is kept.
        face_px, sharpness, yaw_deg, covered: see `Span`.
        open_range: of the mouth, / H, 95th less 5th percentile.
        speech: share of the time in which somebody speaks.
        sync_c, sync_offset: of the sync network; nan and 0 without a sound.
        language: as the video's sound track or the configuration says, else "und".
        caption: what can be seen, in words.
        person: "p1" is who is seen longest; "" until all is seen.
    """

    source: str
    name: str
    start_s: float
    duration_s: float
    reason: str
    face_px: float
    sharpness: float
    yaw_deg: float
    covered: float
    open_range: float
    speech: float
    sync_c: float
    sync_offset: int
    language: str
    caption: str
    person: str = ""


@dataclass(frozen=True)
class Features:
    """What is stored of a piece of F frames at 25 a second.

    Attributes:
        motion: (F, 32) rig coefficients relative to a frame at rest.
        samples: (640 F,) float32 at 16 kHz, moved so that lips and sound agree.
        embedding: (128,) of the identity. thumb: (96, 96, 3) uint8.
    """

    motion: np.ndarray
    samples: np.ndarray
    embedding: np.ndarray
    thumb: np.ndarray

    @classmethod
    def load(cls, path: Path) -> Features:
        """Read what `examine` wrote."""
        with np.load(path) as stored:
            return cls(
                stored["motion"].astype(np.float32),
                stored["samples"].astype(np.float32) / 32767,
                stored["embedding"],
                stored["thumb"],
            )


def examine(
    spans: list[Span],
    audio: AudioTrack | None,
    rig: FaceRig,
    limits: FootageConfig,
    source: str,
    folder: Path,
) -> list[Piece]:
    """Judge the faces of one block and store those that are kept.

    Args:
        audio: of the whole video.
        source: file name of the video.
        folder: where the npz go.
    """
    found = [_measure(span, audio, limits, source) for span in spans]
    good = [piece for piece in found if not piece.reason]
    pieces = []
    for number, (span, piece) in enumerate(zip(spans, found)):
        speaks_less = any(
            piece.sync_c < other.sync_c and _are_together(piece, other) for other in good
        )
        if not piece.reason and speaks_less:
            piece = _changed(piece, reason=OTHER_FACE)
        if not piece.reason:
            name = f"{Path(source).stem}-{span.start:06d}-{number}.npz"
            motion = motion_of(span, rig)
            samples = _sound_under(span, audio, len(motion), piece.sync_offset)
            _store(folder / name, span, motion, samples)
            piece = _changed(piece, name=name, caption=describe(motion))
        pieces.append(piece)
    return pieces


def _are_together(piece: Piece, other: Piece) -> bool:
    """Return whether two pieces share some time."""
    last = min(piece.start_s + piece.duration_s, other.start_s + other.duration_s)
    return max(piece.start_s, other.start_s) < last


def _changed(piece: Piece, **values) -> Piece:
    return Piece(**{**vars(piece), **values})


def _measure(span: Span, audio: AudioTrack | None, limits: FootageConfig, source: str) -> Piece:
    opening = mouth_opening(span.landmarks)
    points = lip_points(span.landmarks, span.fps)
    sync = speech = None
    if audio is not None:
        heard = _cut(audio, span.start / span.fps, len(points))
        sync = lip_sync(points, sound_picture(heard, len(points)))
        speech = _speech_share(heard.samples)
    piece = Piece(
        source=source,
        name="",
        start_s=span.start / span.fps,
        duration_s=len(span.landmarks) / span.fps,
        reason="",
        face_px=span.face_px,
        sharpness=span.sharpness,
        yaw_deg=span.yaw_deg,
        covered=span.covered,
        open_range=float(np.percentile(opening, 95) - np.percentile(opening, 5)),
        speech=speech or 0.0,
        sync_c=float("nan") if sync is None else sync.sync_c,
        sync_offset=0 if sync is None else sync.sync_offset,
        language=limits.language or "und",
        caption="",
    )
    return _changed(piece, reason=judge(piece, limits, audio is not None))


def judge(piece: Piece, limits: FootageConfig, has_sound: bool = True) -> str:
    """Return why a piece is thrown out, the first of all reasons; "" where it is kept."""
    for wrong, reason in (
        (piece.duration_s < limits.least_s, f"shorter than {limits.least_s:g} s"),
        (piece.face_px < limits.face_px, f"face smaller than {limits.face_px:g} pixels"),
        (piece.sharpness < limits.sharpness, "blurred"),
        (piece.yaw_deg > limits.yaw_deg, "turned away"),
        (piece.covered > limits.covered, "face covered"),
        (piece.open_range < limits.open_range, "mouth does not move"),
        (not has_sound, "no sound"),
        (piece.speech < limits.speech, "no speech"),
        (not piece.sync_c >= limits.sync_c, "lips say something else"),
        (abs(piece.sync_offset) > limits.max_offset, "sound and picture are apart"),
    ):
        if wrong:
            return reason
    return ""


@torch.no_grad()
def motion_of(span: Span, rig: FaceRig) -> np.ndarray:
    """Return (F, 32) rig coefficients of a face at 25 frames a second."""
    landmarks = torch.from_numpy(span.landmarks)
    motion = rig.motion_of(landmarks, landmarks[span.rest()]).numpy()
    count = max(1, round(len(motion) / span.fps * FPS))
    times = np.arange(count) / FPS
    known = np.arange(len(motion)) / span.fps
    return np.stack([np.interp(times, known, one) for one in motion.T], -1).astype(np.float32)


def _cut(audio: AudioTrack, start_s: float, num_frames: int) -> AudioTrack:
    """Return the sound under frames of 25 a second, at 16 kHz, silent beyond its ends."""
    length = round(num_frames / FPS * SAMPLE_RATE)
    first = round(start_s * SAMPLE_RATE)
    samples = np.zeros(length, np.float32)
    inside = audio.samples[max(first, 0) : max(first + length, 0)]
    samples[max(-first, 0) : max(-first, 0) + len(inside)] = inside[: length - max(-first, 0)]
    return AudioTrack(samples, SAMPLE_RATE)


def _sound_under(span: Span, audio: AudioTrack, num_frames: int, late: int) -> np.ndarray:
    """Return the samples of a piece; a mouth that is late by some frames hears earlier ones."""
    return _cut(audio, span.start / span.fps - late / FPS, num_frames).samples


def _speech_share(samples: np.ndarray) -> float:
    spoken = speech_probability(samples)
    if spoken is not None:
        return float((spoken > _SPEAKS).mean())
    loudness = loudness_db(samples, SAMPLE_RATE, len(samples) * 25 // SAMPLE_RATE, FPS)
    return float((loudness > max(np.percentile(loudness, 95) - _LOUD_DB, -60.0)).mean())


def _store(path: Path, span: Span, motion: np.ndarray, samples: np.ndarray) -> None:
    """Write a piece, whole or not at all; landmarks as differences in time at 1/16 pixel."""
    steps = np.round(span.landmarks / LANDMARK_UNIT).astype(np.int32)
    steps = np.diff(steps, axis=0, prepend=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez_compressed(
        partial,
        motion=motion.astype(np.float16),
        samples=np.round(32767 * samples.clip(-1, 1)).astype(np.int16),
        landmarks=steps,
        fps=span.fps,
        embedding=span.embedding.astype(np.float32),
        thumb=span.thumb,
    )
    os.replace(partial, path)
