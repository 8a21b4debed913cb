"""How this process deals with memory that it has freed; for programs, not for the library."""

from __future__ import annotations

import ctypes
import sys

# Names of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Reuse freed memory instead of giving it back to the system, where the C library can.

    Every picture on its way takes and frees some ten arrays of many megabytes. The GNU C library
    gives such arrays back at once, and getting them again, zeroed page by page, takes a tenth of
    the whole time. One arena for all threads also lets them reuse each other's.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)
