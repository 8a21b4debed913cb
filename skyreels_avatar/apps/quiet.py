"""What compiled libraries print on stderr, kept away from the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_native_code(verbose: bool) -> Iterator[None]:
    """Drop what compiled libraries print on stderr; mediapipe writes notes to its developers.

    Python's own stderr goes on to where it went. `verbose` leaves everything as it is.
    """
    python_stderr = sys.stderr
    try:
        is_the_process_own = python_stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        is_the_process_own = False  # captured or closed by whoever runs us
    if verbose or not is_the_process_own:
        yield
        return
    python_stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere, os.fdopen(kept, "w", closefd=False) as sys.stderr:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            sys.stderr = python_stderr
            os.close(kept)
