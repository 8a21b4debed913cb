"""What the command line prints: plain lines that no file name and no closed stream can break."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from skyreels_avatar.errors import InputError


class PipedConsole(Console):
    """A console whose reader may have left, as `| head` does."""

    def on_broken_pipe(self) -> None:
        """Leave the error to the caller; rich would end the process with exit code 1."""
        raise BrokenPipeError(errno.EPIPE, "nobody reads what is printed")


stderr = PipedConsole(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
stdout = PipedConsole(soft_wrap=True, highlight=False, markup=False, emoji=False)


def printable(text: object) -> str:
    """Return text whose control characters and bytes of foreign encodings are shown as U+FFFD."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(text))


def say(text: object, style: str = "") -> None:
    """Print a note on stderr; it is lost where stderr is closed."""
    _print(stderr, Text(printable(text), style=style))


def say_error(message: str) -> None:
    """Print an error on stderr, also where `--quiet` keeps notes and progress from it."""
    quiet, stderr.quiet = stderr.quiet, False
    try:
        _print(stderr, Text("error: ", style="bold red") + Text(printable(message)))
    finally:
        stderr.quiet = quiet


def print_result(text: object) -> None:
    """Print on stdout what was made; that it is made counts more than that it can be said."""
    _print(stdout, Text(printable(text)))


def print_output(content: RenderableType) -> None:
    """Print on stdout what the command is for: a table or JSON.

    Raises:
        OSError: it cannot be written; a reader that has left (`| head`) is not an error.
    """
    if isinstance(content, str):
        content = Text(printable(content))
    try:
        _write(stdout, content)
    except (BrokenPipeError, ValueError):
        return


def print_json(value: Any) -> None:
    """Print a result on stdout as JSON: plain values, dataclasses and paths.

    Raises:
        OSError: it cannot be written, as in `print_output`.
    """
    print_output(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def open_standard_streams() -> None:
    """Open what is closed of stdin, stdout and stderr, so that no file takes their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def flush_streams() -> None:
    """Write what is buffered, as far as anybody takes it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue


def confirm_overwriting(paths: Iterable[Path | None], overwrite: bool) -> None:
    """Ask before existing files are replaced; where nobody can be asked, refuse.

    Raises:
        InputError: one is there and may not be replaced.
    """
    for path in paths:
        if overwrite or path is None or not path.expanduser().is_file():
            continue
        if not (sys.stdin is not None and sys.stdin.isatty() and stderr.is_terminal):
            raise InputError(f"{path} exists already; give --overwrite or another name")
        answer = stderr.input(Text(f"{printable(path)} exists. Overwrite? [y/N] "))
        if answer.strip().lower() not in ("y", "yes"):
            raise InputError(f"{path} exists already and was kept")


@contextmanager
def log_lines() -> Iterator[None]:
    """Print log records as lines on stderr, and warnings of other packages not at all."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.partition(".")[0] in ("skyreels_avatar", "camera"):
                level = record.levelname.lower()
                say(f"{level}: {record.getMessage()}")

    root, lines = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(lines)
        root.setLevel(before)


def _print(console: Console, content: Text) -> None:
    try:
        _write(console, content)
    except (OSError, ValueError):
        return


def _write(console: Console, content: RenderableType) -> None:
    file = console.file
    if (encoding := getattr(file, "encoding", None)) and isinstance(content, Text):
        shown = content.plain.encode(encoding, "replace").decode(encoding)
        content = content if shown == content.plain else Text(shown)
    console.print(content)
    file.flush()
