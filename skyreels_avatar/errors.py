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

from collections.abc import Sequence


class AvatarError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(AvatarError, ValueError):
    """Report input that cannot be used: what was given, what is allowed, what to do."""


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
        super().__init__(
            f"{package} is not installed; install it with: pip install 'skyreels-avatar[{extra}]'"
        )


class CheckpointError(AvatarError):
    """Report weights that are missing, damaged or do not fit the network."""


class Cancelled(AvatarError):
    """Report that the caller's progress callback asked to stop."""
