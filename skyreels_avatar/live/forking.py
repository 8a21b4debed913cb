"""A copy of this process, forked off: it has everything loaded, and threads of its own alone."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from skyreels_avatar.parallel import num_cores, one_thread, work_alone

_STANDARD_FILES = 3


def is_possible() -> bool:
    """Tell whether there is a core for it, and a system that forks what holds PyTorch."""
    is_daemon = multiprocessing.current_process().daemon  # which may have no children
    return sys.platform == "linux" and num_cores() > 1 and not is_daemon


def start(program: Callable[..., None], *given: Any) -> tuple[BaseProcess, Connection]:
    """Start a copy that runs `program(connection, *given)`; return it and the other end.

    It loads nothing: one that was started as a program of its own loaded for 4.5 s of a core, in
    which streams stuttered. PyTorch's data loaders fork in the same way. A lock that another thread
    held at that moment is never released in the copy: who asks must not wait for ever.
    """
    ours, theirs = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_run, args=(program, theirs, given), daemon=True)
    # OpenCV's own threads end here: a copy, in which they are gone, would wait for them for ever.
    with one_thread(), warnings.catch_warnings():  # later Pythons warn where there are others
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()  # so that the end of either process ends the pipe
    return process, ours


def _run(program: Callable[..., None], connection: Connection, given: tuple[Any, ...]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an end from the keyboard is the other's
    # Sockets, and the pipes of other copies, end with who opened them.
    os.closerange(_STANDARD_FILES, connection.fileno())
    os.closerange(connection.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    gc.freeze()  # else what is collected later is copied first
    work_alone()
    program(connection, *given)
