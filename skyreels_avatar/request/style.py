"""How a person performs, as it is named in requests: a kind of talker, or a person's own file."""

from __future__ import annotations

STYLES = ("calm", "natural", "lively")
_SUFFIX = ".safetensors"


def names_style_file(style: object) -> bool:
    """Return whether a style is a file rather than a kind of talker."""
    return isinstance(style, str) and style.lower().endswith(_SUFFIX)
