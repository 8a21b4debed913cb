"""Former names of parameters and attributes, which keep working with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def renamed_parameters(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keyword arguments by their former names, with a DeprecationWarning.

    Type checkers see the present names alone.

    Args:
        names: former="present".
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def accept(*args: Any, **options: Any) -> R:
            for former, present in names.items():
                if former not in options:
                    continue
                if present in options:
                    raise TypeError(
                        f"{function.__name__}() got {present} and its former name {former}; "
                        f"give {present} alone"
                    )
                warnings.warn(
                    f"{former} of {function.__name__}() is deprecated; use {present}",
                    DeprecationWarning,
                    stacklevel=2,
                )
                options[present] = options.pop(former)
            return function(*args, **options)

        return cast("Callable[P, R]", accept)

    return decorate


def renamed_attribute(former: str, present: str) -> Any:
    """Return a property under which an attribute or a method is found by its former name."""

    def get(instance: object) -> Any:
        warnings.warn(
            f"{type(instance).__name__}.{former} is deprecated; use {present}",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(instance, present)

    return property(get, doc=f"Deprecated: use `{present}`.")
