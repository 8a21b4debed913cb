"""The exceptions a caller may want to catch.

AvatarError
 +- InputError (also a ValueError): what the user gave cannot be used; exit code 2
 |   +- MediaError: a picture, sound or video cannot be read or written
 |   +- FaceError: no usable face where one is needed
 +- MissingExtraError (also an ImportError): an optional package is not installed
 +- CheckpointError: weights are missing, damaged or of another shape
 +- Cancelled: the caller's progress callback asked to stop
"""

from __future__ import annotations


class AvatarError(Exception):
    """Base of everything this package raises on purpose."""


class InputError(AvatarError, ValueError):
    """Report input that cannot be used: what was given, what is allowed, what to do."""


class MediaError(InputError):
    """Report a picture, sound or video that cannot be read or written."""


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
