"""The public verb `unload`: networks that nobody uses leave the memory."""

from __future__ import annotations

import gc
import weakref

import skyreels_avatar as sa
from skyreels_avatar.loading.components import load_components


def test_networks_leave_the_memory_and_are_loaded_again():
    loaded = load_components("nano")
    network = weakref.ref(loaded.transformer)
    sa.unload()
    assert network() is not None, "a run that still uses them keeps them"
    del loaded
    gc.collect()
    assert network() is None
    assert load_components("nano") is load_components("nano")


def test_networks_can_be_loaded_after_unloading_twice():
    sa.unload()
    sa.unload()
    assert load_components("nano").transformer is not None
