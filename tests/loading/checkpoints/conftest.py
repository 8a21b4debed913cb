"""A public checkpoint, as its folder looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def published(golden_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a talking-avatar transformer is published in: one file and its config."""
    folder = tmp_path_factory.mktemp("published")
    source = golden_dir / "skyreels_v3_a2v"
    save_file(load_file(source / "case1_weights.safetensors"), folder / "model.safetensors")
    (folder / "config.json").write_text((source / "case1_config.json").read_text())
    return folder
