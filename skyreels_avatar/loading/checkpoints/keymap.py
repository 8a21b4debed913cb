"""Rename the tensors of a public format to our names, by a table.

A row is (theirs, ours). `{i}` stands for a block number and `{p}` for weight or bias, on both
sides. `ours` may be several names: the tensor is split into equal parts along its first axis. It
may be None: the tensor is known and has no place here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch

from skyreels_avatar.errors import CheckpointError

Row = tuple[str, str | tuple[str, ...] | None]
_FIELDS = {"{i}": r"(?P<i>\d+)", "{p}": r"(?P<p>weight|bias)"}
_LISTED = 8


def convert(
    tensors: Mapping[str, torch.Tensor], table: Iterable[Row], source: str
) -> dict[str, torch.Tensor]:
    """Return the tensors under our names.

    Args:
        source: what the tensors come from, for the message.

    Raises:
        CheckpointError: names keys that no row of the table knows.
    """
    rows = [(_pattern(theirs), ours) for theirs, ours in table]
    converted: dict[str, torch.Tensor] = {}
    unknown = []
    for key, tensor in tensors.items():
        found = _our_names(key, rows)
        if found is None:
            unknown.append(key)
        elif found:
            converted.update(zip(found, tensor.chunk(len(found))))
    if unknown:
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise CheckpointError(f"{source} has unknown tensors: {', '.join(unknown[:_LISTED])}{more}")
    return converted


def to_public(tensors: Mapping[str, torch.Tensor], table: Iterable[Row]) -> dict[str, torch.Tensor]:
    """Return tensors of ours under the public names: the inverse of `convert`.

    Those without a row are left out.
    """
    public: dict[str, torch.Tensor] = {}
    for theirs, ours in table:
        if ours is None:
            continue
        names = (ours,) if isinstance(ours, str) else ours
        for key in tensors:
            if match := _pattern(names[0]).fullmatch(key):
                fields = match.groupdict()
                parts = [tensors[name.format(**fields)] for name in names]
                public.setdefault(theirs.format(**fields), torch.cat(parts))
    return public


def _our_names(key: str, rows: list) -> list[str] | None:
    """Return our names of a key, none if it has no place here; None if no row knows it."""
    for pattern, ours in rows:
        match = pattern.fullmatch(key)
        if match:
            names = () if ours is None else (ours,) if isinstance(ours, str) else ours
            return [name.format(**match.groupdict()) for name in names]
    return None


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    for field, expression in _FIELDS.items():
        escaped = escaped.replace(re.escape(field), expression)
    return re.compile(escaped)
