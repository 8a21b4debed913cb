"""Networks that look at pictures start beside the reading of weights, once for all."""

from __future__ import annotations

from skyreels_avatar.faces.hands import hand_network
from skyreels_avatar.faces.matte import segmenter
from skyreels_avatar.loading.components import load_components


def test_after_loading_nothing_is_left_to_start() -> None:
    load_components("nano")
    assert hand_network.cache_info().currsize == segmenter.cache_info().currsize == 1
