"""A face in a picture and a face through a video, as 478 mesh points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreels_avatar.faces.region import Box

NUM_LANDMARKS = 478
SIDES = (234, 454)  # edge of the face beside the ears
MIDLINE = [168, 13]  # bridge of the nose, lips
FACE_OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400]
FACE_OVAL += [377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103]
FACE_OVAL += [67, 109]


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one picture.

    Attributes:
        box: x, y, width, height of the mesh in pixels; may reach beyond the picture.
        landmarks: (478, 3) mesh points in pixels, x right, y down, z in the same scale with
            nearer = smaller and 0 near the middle of the head.
        confidence: 0..1, the lower of the scores of mesh and detector; above 0.72 is sure, and 0
            is a face that was only placed in a box.
        visibility: 0..1, how much of the mouth and face is inside the picture and turned to the
            camera: 1 up to a three-quarter view, below 0.3 in profile.
        drawn: the landmarks were fitted to a flat drawing.
        teeth: their color in [0, 1], seen in an open mouth that was shut; None = not seen.
    """

    box: Box
    landmarks: np.ndarray
    confidence: float
    visibility: float
    drawn: bool = False
    teeth: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face through F frames; points are raw: each depends on the pixels of its frame alone.

    Attributes:
        landmarks: (F, 478, 3) float32 as in `Face`; frames without the face repeat a neighbor.
        boxes: (F, 4) float32 x, y, width, height.
        found: (F,) bool, False where the face was not seen.
        confidence: (F,) float32, score of the mesh network, 0 where not found.
    """

    landmarks: np.ndarray
    boxes: np.ndarray
    found: np.ndarray
    confidence: np.ndarray


def frontality_of(landmarks: np.ndarray) -> np.ndarray:
    """Return (...) how far faces look at the camera: 1 frontal, below 0 in profile.

    It is measured where the bridge of the nose and the lips lie between the sides of the face: in
    the middle when it looks at the camera, beyond the far side in profile.

    Args:
        landmarks: (..., 478, 2 or more) pixels.
    """
    right, left = (landmarks[..., side, :2] for side in SIDES)
    across = left - right
    from_right = landmarks[..., MIDLINE, :2] - right[..., None, :]
    along = (from_right * across[..., None, :]).sum(-1)
    along = along / np.maximum((across**2).sum(-1), 1e-6)[..., None]
    return 2 * np.minimum(along, 1 - along).mean(-1)


def visibility_of(landmarks: np.ndarray, height: int, width: int) -> float:
    """Return 0..1: the share of the points inside the picture times how frontal the face is."""
    frontal = float(frontality_of(landmarks))
    inside = (landmarks[:, :2] >= 0).all(1) & (landmarks[:, :2] < (width, height)).all(1)
    return float(np.clip((frontal + 0.6) / 1.2, 0.0, 1.0) * inside.mean())


def pack_track(points: list, scores: list[float]) -> FaceTrack:
    """Return the track of what `FaceAnalyzer.follow` yields.

    Frames without a face repeat the nearest earlier one, else the next.
    """
    found = np.array([landmarks is not None for landmarks in points], bool)
    if not found.any():
        landmarks = np.zeros((len(points), NUM_LANDMARKS, 3), np.float32)
    else:
        seen = np.flatnonzero(found)
        source = seen[np.maximum(np.searchsorted(seen, np.arange(len(points)), "right") - 1, 0)]
        landmarks = np.stack([points[index] for index in source])
    low, high = landmarks[..., :2].min(1), landmarks[..., :2].max(1)
    boxes = np.concatenate([low, high - low], 1).astype(np.float32)
    return FaceTrack(landmarks, boxes, found, np.array(scores, np.float32))
