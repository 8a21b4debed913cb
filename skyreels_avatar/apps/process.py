"""The process that a command runs in: what compiled code prints, and polite kills."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_native_code(verbose: bool) -> Iterator[None]:
    """Drop what compiled libraries print on stderr: notes to their developers.

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


@contextmanager
def stopped_by_termination() -> Iterator[None]:
    """Treat a polite kill like Ctrl-C, so that no half file stays."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
