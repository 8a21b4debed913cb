"""Networks that look at pictures are started once for all."""

from __future__ import annotations

from skyreels_avatar.faces.hands import hand_network
from skyreels_avatar.faces.matte import segmenter
from skyreels_avatar.faces.start import face_analyzer, start_networks


def test_after_the_start_nothing_is_left_to_load() -> None:
    start_networks()
    assert hand_network.cache_info().currsize == segmenter.cache_info().currsize == 1
    assert face_analyzer() is face_analyzer()
