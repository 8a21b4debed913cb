"""Write networks as the public files they stand for: the tables of `checkpoints`, backwards."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from skyreels_avatar.loading.checkpoints.public import PartFiles, PublicFormat, load_public


def write_pickled(folder: Path, tensors: dict[str, torch.Tensor], **config: object) -> Path:
    """Write a `.pth` and a config beside it, and return the folder."""
    folder.mkdir(parents=True)
    torch.save({key: value.contiguous() for key, value in tensors.items()}, folder / "model.pth")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def load(paths, kind: PublicFormat, extra=None, **how) -> torch.nn.Module:
    """Return the network that public files fill."""
    return load_public(PartFiles(paths, **how), kind, extra)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Tell whether two networks have the same tensors."""
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def shard(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write tensors as two shards with an index, and return the index."""
    names = sorted(tensors)
    half = len(names) // 2
    weight_map = {}
    for number, part in enumerate((names[:half], names[half:])):
        file = f"shard-{number}.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        weight_map.update(dict.fromkeys(part, file))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    return index


def load_golden(golden_dir: Path, folder: Path, case: str, kind: PublicFormat) -> torch.nn.Module:
    """Return a network filled with a golden case, written to a folder as it is published."""
    source = golden_dir / "skyreels_v3_a2v"
    tensors = load_file(source / f"{case}.safetensors")
    weights = {k.removeprefix("sd."): v for k, v in tensors.items() if k.startswith("sd.")}
    torch.save(weights or tensors, folder / "model.pth")
    config = source / f"{case}_config.json"
    sizes = json.loads(config.read_text()) if config.is_file() else {"vision_heads": 4}
    (folder / "config.json").write_text(json.dumps(sizes))
    return load(folder, kind)
