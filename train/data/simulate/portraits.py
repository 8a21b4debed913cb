"""Portraits for training with their landmarks, found once and cached; some are kept out."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.media.image import Portrait

logger = logging.getLogger(__name__)
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class FacePicture:
    """A portrait and the landmarks (478, 3) of its largest face, in pixels."""

    path: Path
    landmarks: np.ndarray

    @property
    def kept_out(self) -> bool:
        """Whether this person is for validation only; depends on the file's name alone."""
        return zlib.crc32(self.path.name.encode()) % 1000 < 1000 * VALIDATION_SHARE

    def pixels(self) -> np.ndarray:
        """Return (H, W, 3) uint8."""
        return Portrait.load(self.path).pixels


def load_portraits(folder: Path, cache: Path) -> list[FacePicture]:
    """Return every picture under a folder in which a face is found.

    Args:
        folder: searched for .jpg and .png at any depth.
        cache: an .npz of landmarks; made when absent, delete it when the folder changes.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    if not cache.is_file():
        _find_landmarks(paths, folder, cache)
    with np.load(cache) as stored:
        landmarks = dict(zip(stored["names"].tolist(), stored["landmarks"]))
    names = {str(path.relative_to(folder)): path for path in paths}
    return [FacePicture(names[n], marks) for n, marks in landmarks.items() if n in names]


def _find_landmarks(paths: list[Path], folder: Path, cache: Path) -> None:
    analyzer = FaceAnalyzer(max_faces=1)
    names, landmarks = [], []
    for path in paths:
        faces = analyzer.find(Portrait.load(path).pixels)
        if faces and faces[0].confidence > 0.5:
            names.append(str(path.relative_to(folder)))
            landmarks.append(faces[0].landmarks.astype(np.float32))
    logger.info("%d of %d portraits have a clear face", len(names), len(paths))
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_suffix(".part.npz")
    np.savez_compressed(part, names=np.array(names), landmarks=np.array(landmarks))
    part.replace(cache)
