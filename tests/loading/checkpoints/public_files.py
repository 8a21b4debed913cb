"""Write networks as the public files they stand for: the tables of `checkpoints`, backwards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch

from skyreels_avatar.loading.checkpoints.keymap import Row, _pattern


def to_public(tensors: dict[str, torch.Tensor], table: Iterable[Row]) -> dict[str, torch.Tensor]:
    """Return tensors of ours under the public names; those without a row are left out."""
    public: dict[str, torch.Tensor] = {}
    for theirs, ours in table:
        if ours is None:
            continue
        names = (ours,) if isinstance(ours, str) else ours
        for key in tensors:
            match = _pattern(names[0]).fullmatch(key)
            if match:
                fields = match.groupdict()
                parts = [tensors[name.format(**fields)] for name in names]
                public.setdefault(theirs.format(**fields), torch.cat(parts))
    return public


def write_pickled(folder: Path, tensors: dict[str, torch.Tensor], **config: object) -> Path:
    """Write a `.pth` and a config beside it, and return the folder."""
    folder.mkdir(parents=True)
    torch.save({key: value.contiguous() for key, value in tensors.items()}, folder / "model.pth")
    (folder / "config.json").write_text(json.dumps(config))
    return folder
