"""How the C library of this process reuses the memory that it has freed.

A setting of the whole process: `reuse_freed_memory` is for programs, not for the library.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

# Names of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def reuse_freed_memory() -> None:
    """Reuse freed memory instead of returning it to the system, where the C library can.

    Every frame allocates and frees some ten arrays of many megabytes on its way. The GNU C library
    returns such arrays at once, and getting them again, zeroed page by page, takes a tenth of the
    whole time. One arena for all threads also lets them reuse each other's.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)


def return_freed_memory() -> None:
    """Return freed memory to the system once, where the C library can.

    A long sound leaves holes that frames do not fill, and `reuse_freed_memory` would keep them.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where there is none, as in musl."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
