"""How a face compares with its reference picture: who it is, how alike, how sharp, and drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreels_avatar.evaluation.appearance import face_color, face_sharpness
from skyreels_avatar.evaluation.stability import drift_windows, sample_frames
from skyreels_avatar.faces.face import FaceTrack
from skyreels_avatar.faces.identity import embed_face, is_recognizable
from skyreels_avatar.faces.opening import face_heights
from skyreels_avatar.faces.pixel_cosine import aligned_pixels, pixel_cosine
from skyreels_avatar.media.video import VideoReader

COMMON_SIZE = 0.8  # of the smaller of two faces: at which size their sharpness is compared
_EMBEDDED = 3  # every so many sampled frames one is embedded


@dataclass(frozen=True)
class Likeness:
    """A face against its reference picture, from a sample of the frames.

    Attributes:
        identity: distance of face embeddings to the reference; frames of one person are within
            0.45, other people beyond 0.6. None where the face is in profile.
        identity_high: of the worst twentieth of the frames.
        identity_drift: at the end - at the beginning.
        likeness: similarity of pixels, blurred, 1 = the same picture. likeness_low: of the worst
            twentieth of the frames.
        sharp: detail in the face / in the reference. sharp_drift: at the end / at the beginning.
        colour_drift: CIE Lab distance of the face's color, beginning to end.
    """

    identity: float | None
    identity_high: float | None
    identity_drift: float | None
    likeness: float
    likeness_low: float
    sharp: float
    sharp_drift: float
    colour_drift: float


def likeness_of(
    reader: VideoReader, track: FaceTrack, pixels: np.ndarray, landmarks: np.ndarray
) -> tuple[Likeness, np.ndarray]:
    """Compare a tracked face with its picture; frames are read one by one.

    Args:
        pixels: (H, W, 3) uint8, the reference.
        landmarks: (478, 3) px in it.

    Returns:
        the measures, and the embeddings (N, 128) of some of the frames.
    """
    picks = sample_frames(len(track.found), reader.fps)
    picks = picks[track.found[picks]]
    wanted = aligned_pixels(pixels, landmarks)
    person = embed_face(pixels, landmarks) if is_recognizable(landmarks) else None
    height_px = float(face_heights(landmarks[None])[0])
    alike, sharp, color, embedded = [], [], [], {}
    for number, index in enumerate(picks):
        frame, points = reader.read(int(index), int(index) + 1)[0], track.landmarks[index]
        alike.append(pixel_cosine(aligned_pixels(frame, points), wanted))
        # All are made smaller: a picture left at its size would be sharper than one that is not.
        common_px = COMMON_SIZE * min(height_px, float(face_heights(points[None])[0]))
        base = face_sharpness(pixels, landmarks, common_px)
        sharp.append(face_sharpness(frame, points, common_px) / max(base, 1e-6))
        color.append(face_color(frame, points))
        if number % _EMBEDDED == 0 and is_recognizable(points):
            embedded[index] = embed_face(frame, points)
    alike, sharp, color = np.array(alike), np.array(sharp), np.array(color)
    begin, end = (
        (picks >= window.start) & (picks < window.stop)
        for window in drift_windows(len(track.found), reader.fps)
    )
    if not (begin.any() and end.any()):  # the face was lost in all of one window
        begin, end = picks == picks[0], picks == picks[-1]
    embeddings = np.stack(list(embedded.values())) if embedded else np.zeros((0, 128), np.float32)
    apart = None
    if person is not None and embedded:
        apart = {i: float(np.linalg.norm(one - person)) for i, one in embedded.items()}
    return Likeness(
        identity=None if apart is None else float(np.mean(list(apart.values()))),
        identity_high=None if apart is None else float(np.percentile(list(apart.values()), 95)),
        identity_drift=None if apart is None else _drift(apart, picks[begin], picks[end]),
        likeness=float(alike.mean()),
        likeness_low=float(np.percentile(alike, 5)),
        sharp=float(np.median(sharp)),
        sharp_drift=float(sharp[end].mean() / max(sharp[begin].mean(), 1e-6)),
        colour_drift=float(np.linalg.norm(color[end].mean(0) - color[begin].mean(0))),
    ), embeddings


def _drift(apart: dict[int, float], begin: np.ndarray, end: np.ndarray) -> float | None:
    first, last = ([apart[i] for i in some if i in apart] for some in (begin, end))
    return float(np.mean(last) - np.mean(first)) if first and last else None
