"""Start the networks that look at a picture before they are asked for."""

from __future__ import annotations

from skyreels_avatar.faces.analyser import FaceAnalyser
from skyreels_avatar.faces.hands import hand_network
from skyreels_avatar.faces.matte import segmenter


def start_networks(analyser: FaceAnalyser) -> None:
    """Load an analyser's networks and those of persons and hands, which all callers share.

    Most of it happens outside the interpreter, and so beside other work.
    """
    analyser.start()
    segmenter()
    hand_network()
