"""Methods that keep nothing alive, for an object that holds what calls them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


def weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a bound method that does not keep its object alive.

    An object that holds its own method, as in a cache, is freed only when Python collects circles,
    and never if they were frozen, as programs that show streams do. Whoever calls it must hold the
    object.
    """
    weak = weakref.WeakMethod(method)

    def call(*given: Any) -> Any:
        known = weak()
        assert known is not None  # whoever calls holds it
        return known(*given)

    return call
