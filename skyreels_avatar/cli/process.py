"""The process that a command runs in: what compiled code prints, and signals that end it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

INTERRUPTED = 130


@contextmanager
def quiet_native_code(verbose: bool) -> Iterator[None]:
    """Drop what compiled libraries print on stderr: notes to their developers.

    Python's own stderr goes on to where it went. `verbose` leaves everything as it is.
    """
    python_stderr = sys.stderr
    try:
        is_the_process_own = python_stderr.fileno() == 2
        python_stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError, ValueError):
        is_the_process_own = False  # captured or closed by whoever runs us
    if verbose or not is_the_process_own:
        yield
        return
    how = {"encoding": python_stderr.encoding, "errors": "backslashreplace", "closefd": False}
    with open(os.devnull, "w") as nowhere:
        sys.stderr = os.fdopen(kept, "w", **how)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):  # nobody takes it
                sys.stderr.flush()
            os.dup2(kept, 2)
            sys.stderr = python_stderr
            os.close(kept)


class Termination:
    """Which signal asked this process to end.

    Attributes:
        exit_code: as shells report it: 143 for SIGTERM, 129 for SIGHUP, 130 for Ctrl-C.
    """

    def __init__(self) -> None:
        self.exit_code = INTERRUPTED


@contextmanager
def stopped_by_signals() -> Iterator[Termination]:
    """Treat a polite kill and a lost terminal like Ctrl-C, so that no half file stays.

    A signal that whoever started us ignores, as `nohup` does, stays ignored.
    """
    asked = Termination()
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def stop(number: int, _: object) -> None:
        asked.exit_code = 128 + number
        for name in names:  # a second one would cut the cleaning up short
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {}
    try:
        for number in (getattr(signal, name) for name in names):
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield asked
        return
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
