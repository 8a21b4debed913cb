"""A reason why a face may not animate well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FaceIssue:
    """A reason why a face may not animate well, and what to do.

    Attributes:
        code: "no-mouth", "cut-mouth", "covered-mouth", "small", "turned", "sideways", "blurred",
            "dark", "burnt-out", "shut-eyes", "wide-open", "hidden-mouth" or "drawn".
        message: for people.
        fatal: no usable video can come of it.
    """

    code: str
    message: str
    fatal: bool = False
