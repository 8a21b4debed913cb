"""Objects that hold their own methods are freed without a collection."""

from __future__ import annotations

import gc
import weakref
from functools import lru_cache

import pytest

from skyreels_avatar.camera.weak_methods import weakly


class Cached:
    def __init__(self, keep):
        self.double = lru_cache(2)(keep(self._double))

    def _double(self, number):
        return 2 * number


@pytest.fixture
def uncollected():
    gc.disable()
    yield
    gc.enable()


def test_an_object_that_holds_its_own_method_is_freed_at_once(uncollected):
    one, circle = Cached(weakly), Cached(lambda method: method)
    assert one.double(3) == circle.double(3) == 6
    seen, in_circle = weakref.ref(one), weakref.ref(circle)
    del one, circle
    assert seen() is None and in_circle() is not None
