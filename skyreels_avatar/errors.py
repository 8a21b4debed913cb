"""The exceptions a caller may want to catch.

AvatarError
 +- InputError (also a ValueError): what the user gave cannot be used; exit code 2
 |   +- MediaError: a picture, sound or video cannot be read or written
 |   +- ScriptError: a film script has one or more problems
 |   +- FaceError: no usable face where one is needed
 +- MissingExtraError (also an ImportError): an optional package is not installed
 +- CheckpointError: weights are missing, damaged or of another shape
 +- Cancelled: the caller's progress callback asked to stop
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]


class AvatarError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(AvatarError, ValueError):
    """Report input that cannot be used: what was given, what is allowed, what to do.

    Attributes:
        parameter: the name of what to give in its place, where the message asks for that: "face".
            The command line adds how it is written there.
    """

    def __init__(self, *message: object, parameter: str | None = None):
        super().__init__(*message)
        self.parameter = parameter


class MediaError(InputError):
    """Report a picture, sound or video that cannot be read or written."""


class ScriptError(InputError):
    """Report everything that is wrong with a film script.

    Attributes:
        problems: one line each; of a file, "film.yaml:12: what is wrong".
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problems in the script: " if len(self.problems) > 1 else ""
        super().__init__(count + "; ".join(self.problems))


class FaceError(InputError):
    """Report a picture in which no usable face was found or chosen."""


class MissingExtraError(AvatarError, ImportError):
    """Report an optional package that is not installed, and the extra that brings it."""

    def __init__(self, package: str, extra: str):
        super().__init__(f"{package} is not installed; install it with: {install_command(extra)}")


class CheckpointError(AvatarError):
    """Report weights that are missing, damaged or do not fit the network."""


class Cancelled(AvatarError):
    """Report that the caller's progress callback asked to stop."""


def install_command(extra: str) -> str:
    """Return the shell command that brings an extra into the environment that is running.

    From a checkout that is the checkout itself with the extra. A wheel may have come from anywhere,
    so its extra is named by the packages that it consists of, which are public.
    """
    if (_CHECKOUT / "pyproject.toml").is_file():
        folder = "." if Path.cwd() == _CHECKOUT else str(_CHECKOUT)
        return shlex.join([*pip_command(), "install", "-e", f"{folder}[{extra}]"])
    ending = f'extra == "{extra}"'
    needs = [need.replace("'", '"') for need in metadata.requires("skyreels-avatar") or ()]
    packages = [need.partition(";")[0].strip() for need in needs if need.endswith(ending)]
    return shlex.join([*pip_command(), "install", *packages])


def pip_command() -> list[str]:
    """Return how pip of this environment is called from the folder that one is in."""
    if os.environ.get("VIRTUAL_ENV") == sys.prefix:
        return ["pip"]
    pip = Path(sys.executable).with_name("pip")
    if not pip.exists():
        return [sys.executable, "-m", "pip"]
    return [str(pip.relative_to(Path.cwd()) if pip.is_relative_to(Path.cwd()) else pip)]
