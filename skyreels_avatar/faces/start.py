"""The shared networks for faces, persons and hands, and loading them ahead of use."""

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
    """Load the networks for faces, persons and hands.

    Most of it runs without the interpreter lock, so it can run beside other work.
    """
    face_analyzer().start()
    segmenter()
    hand_network()
