"""The networks that look at a picture: made once for all callers, before they are asked for."""

from __future__ import annotations

from functools import cache

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.hands import hand_network
from skyreels_avatar.faces.matte import segmenter


@cache
def face_analyzer() -> FaceAnalyzer:
    """Return the analyzer that all callers share."""
    return FaceAnalyzer()


def start_networks() -> None:
    """Load the networks of faces, persons and hands.

    Most of it happens outside the interpreter, and so beside other work.
    """
    face_analyzer().start()
    segmenter()
    hand_network()
