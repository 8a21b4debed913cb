"""Examine a picture: which faces it shows, and what keeps each from being animated well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.suitability import FaceIssue, examine_face
from skyreels_avatar.media.image import Portrait


@dataclass(frozen=True)
class SeenFace:
    """A face in a picture, its box in pixels, and what keeps it from being animated well."""

    box: tuple[float, float, float, float]
    findings: tuple[FaceIssue, ...]


def examine_picture(image: str | Path) -> tuple[SeenFace, ...]:
    """Return the faces that a picture shows, the largest first, and what is wrong with each.

    Args:
        image: the file of a photo, painting or drawing.

    Raises:
        MediaError: the picture cannot be read.
    """
    pixels = Portrait.load(image).pixels
    return tuple(
        SeenFace(face.box, examine_face(pixels, face))
        for face in (fit_drawing(pixels, one) for one in FaceAnalyzer().find(pixels))
    )
