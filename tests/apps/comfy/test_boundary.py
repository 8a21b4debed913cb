"""The nodes know the package by its public names alone, and the package knows no ComfyUI."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NODES = sorted((ROOT / "apps" / "comfy").rglob("*.py"))
PACKAGE = sorted((ROOT / "skyreels_avatar").rglob("*.py"))
OURS = {"skyreels_avatar", "camera", "train"}
COMFYUI = {"apps", "comfy", "comfy_api", "comfy_execution", "folder_paths", "nodes", "server"}
# All that imports ComfyUI, so that the rest is tested without it.
KNOW_COMFYUI = {"host.py", "fields.py", "extension.py"}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports from outside its own folder."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield f"{node.module}.{node.names[0].name}"


def test_nodes_use_the_public_face_alone():
    """They are copied out of this repository, so the rooms may change without them."""
    assert len(NODES) > 10
    for path in NODES:
        ours = {name for name in imported(path) if name.partition(".")[0] in OURS}
        assert ours <= {"skyreels_avatar"}, path.name


def test_few_files_know_comfyui():
    for path in NODES:
        knows = any(name.partition(".")[0] in COMFYUI for name in imported(path))
        assert not knows or path.name in KNOW_COMFYUI or path.name.startswith("nodes_"), path.name


def test_the_package_imports_nothing_of_comfyui():
    for path in PACKAGE:
        assert not {name.partition(".")[0] for name in imported(path)} & COMFYUI, path.name
