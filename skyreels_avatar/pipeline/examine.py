"""Examine a picture: which faces it shows, and what keeps each from being animated well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.issue import FaceIssue
from skyreels_avatar.faces.occluder_mask import SegmentCrops
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.faces.suitability import examine_face
from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.models.occluder import OccluderNet
from skyreels_avatar.request.generation_request import GenerationRequest


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
    pixels, segment = Portrait.load(image).pixels, occluder_of(load_tier(GenerationRequest.tier))
    return tuple(
        SeenFace(face.box, examine_face(pixels, face, segment))
        for face in (fit_drawing(pixels, one) for one in face_analyzer().find(pixels))
    )


def occluder_of(tier: Tier) -> SegmentCrops | None:
    """Return what segments the occluders of a face, without the other networks of a tier.

    None for a tier that has no such network.
    """
    path = tier.weights.occluder
    return _occluder(path).look if path else None


@lru_cache(maxsize=2)
def _occluder(path: str) -> OccluderNet:
    return load_module(OccluderNet, path)
