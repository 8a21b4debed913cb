"""From arguments to an exit code: errors become one line, signals leave no half file."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from skyreels_avatar.cli.app import app
from skyreels_avatar.cli.console import (
    flush_streams,
    log_lines,
    open_standard_streams,
    say,
    say_error,
)
from skyreels_avatar.cli.process import INTERRUPTED, quiet_native_code, stopped_by_signals
from skyreels_avatar.errors import AvatarError, Cancelled, InputError
from skyreels_avatar.workers.allocator import reuse_freed_memory

DONE, FAILED, WRONG_INPUT = 0, 1, 2
PROGRAM = "skyreels-avatar"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    open_standard_streams()
    reuse_freed_memory()
    gc.set_threshold(500_000)  # importing PyTorch makes half a million objects, which all stay
    code = run(sys.argv[1:] if arguments is None else arguments)
    flush_streams()
    # Leaving by sys.exit takes PyTorch and the networks down object by object: 2.4 to 2.9 s after
    # `generate` on two busy cores, against 0.1 s (three runs each). Files are closed by now.
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code.

    0 is done, 1 failed, 2 wrong input, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    # torch reads this when it is imported, inside the commands: threads that wait must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # NumPy's matrices here are small, and its threads would spin while others work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = _flags_first(arguments)
    verbose = "--verbose" in arguments
    with log_lines(), stopped_by_signals() as asked, quiet_native_code(verbose):
        try:
            code = app(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        except BaseException as error:
            code = _report_error(error)
    if code == INTERRUPTED:
        say("stopped; no video was written")
        code = asked.exit_code
    return code if isinstance(code, int) else DONE


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Return arguments with --quiet and --verbose before the command, wherever they stood."""
    flags = [one for one in arguments if one in ("--quiet", "-q", "--verbose")]
    return flags + [one for one in arguments if one not in flags]


def _report_error(error: BaseException) -> int:
    """Print one line about an error and return its exit code."""
    if isinstance(error, (KeyboardInterrupt, Cancelled, typer.Abort)):
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    code, message = FAILED, str(error)
    if hasattr(error, "format_message"):
        # The argument parser's own: a missing option, a word where a number belongs.
        code, message = WRONG_INPUT, error.format_message()
        if not message:  # no arguments at all: the help has been printed
            return code
        message += " (see --help)"
    elif isinstance(error, InputError):
        code = WRONG_INPUT
        if error.parameter is not None:
            message += f" (--{error.parameter.replace('_', '-')})"
        for problem in getattr(error, "problems", ())[:-1]:
            say_error(problem)
            message = error.problems[-1]
    elif isinstance(error, MemoryError):
        message = "out of memory; give a smaller --size"
    elif not isinstance(error, AvatarError):
        message = f"{type(error).__name__}: {error} (--verbose shows where)"
    say_error(" ".join(message.split()))
    if logging.getLogger().isEnabledFor(logging.INFO):
        say("".join(traceback.format_exception(error)))
    return code
