"""Whose face in a video: chosen in its first frame, known again after every cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from skyreels_avatar.faces.analyser import Face, FaceAnalyser
from skyreels_avatar.faces.opening import mouth_opening
from skyreels_avatar.faces.pixel_cosine import aligned_pixels
from skyreels_avatar.faces.select import LOW_VISIBILITY, choose_face, most_alike

WATCHED_FRAMES, WATCHED_STEP = 50, 2  # of the beginning, to see who of several speaks
LIVELIER = 1.5  # lips of who speaks move so much more than anybody else's


class FaceChooser:
    """Says which face is meant in the first frame of each scene of a video.

    Args:
        selector: as in `choose_face`. "auto" is the one who speaks, else the largest.
        analyser: finds faces.
        video: its frames, (H, W, 3) uint8; may be read several times.
    """

    def __init__(self, selector: str, analyser: FaceAnalyser, video: Iterable[np.ndarray]):
        self._selector, self._analyser, self._video = selector.strip(), analyser, video
        self._signature: np.ndarray | None = None

    def __call__(self, pixels: np.ndarray) -> Face | None:
        """Return the face, or None where it is not there; the first call is for the first frame.

        Raises:
            FaceError: the first frame has no such face, and it was not left to "auto".
        """
        faces = self._analyser.find(pixels)
        if self._signature is not None:
            return most_alike(faces, self._signature, pixels)
        face = self._first(faces, pixels)
        if face is not None:
            self._signature = aligned_pixels(pixels, face.landmarks)
        return face

    @property
    def anyone(self) -> bool:
        """Whether a face that comes into the picture later is as good as any."""
        return self._selector.lower() == "auto"

    def _first(self, faces: list[Face], pixels: np.ndarray) -> Face | None:
        if not self.anyone:
            return choose_face(faces, self._selector, pixels, self._analyser)
        seen = [face for face in faces if face.visibility >= LOW_VISIBILITY] or faces
        if len(seen) < 2:
            return seen[0] if seen else None
        beginning = list(itertools.islice(self._video, 0, WATCHED_FRAMES, WATCHED_STEP))
        lively = sorted(
            ((self._liveliness(beginning, face), index) for index, face in enumerate(seen)),
            reverse=True,
        )
        if lively[0][0] > LIVELIER * lively[1][0]:
            return seen[lively[0][1]]
        return choose_face(seen, "auto", pixels, self._analyser)

    def _liveliness(self, frames: list[np.ndarray], face: Face) -> float:
        """Return how much the lips of a face move, of its height."""
        track = self._analyser.track(frames, face)
        if track.found.mean() < 0.5:
            return 0.0
        return float(np.std(mouth_opening(track.landmarks)))
