"""The nodes in a real ComfyUI, and what the folder tells ComfyUI and its registry.

Set COMFYUI_DIR to a checkout of ComfyUI, and COMFYUI_PYTHON to a Python that has its packages and
ours, to run the workflows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import skyreels_avatar as sa

if sys.version_info >= (3, 11):
    import tomllib

FOLDER = Path(__file__).resolve().parents[3] / "apps" / "comfy"
WORKFLOWS = sorted((FOLDER / "example_workflows").glob("*.json"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_links_of_workflows_lead_from_outputs_to_inputs(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert workflow["links"] and len(nodes) == len(workflow["nodes"])
    for number, source, output, target, slot, kind in workflow["links"]:
        taken, given = nodes[target]["inputs"][slot], nodes[source]["outputs"][output]
        assert taken["link"] == number and number in given["links"]
        assert taken["type"] == given["type"] == kind


def test_workflows_need_no_file_of_the_user():
    kinds = {
        node["type"]
        for path in WORKFLOWS
        for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]
    }
    assert len(WORKFLOWS) == 4 and not any(kind.startswith("Load") for kind in kinds)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_the_registry_gets_the_version_of_the_package():
    values = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    assert values["project"]["version"] == sa.__version__
    assert {"PublisherId", "DisplayName", "requires-comfyui"} <= values["tool"]["comfy"].keys()


def test_without_the_package_comfyui_is_told_what_to_run():
    """The message stands in ComfyUI's log, where it lists the nodes that it could not load."""
    code = (
        "import importlib.util, sys\n"
        f"place = importlib.util.spec_from_file_location('nodes_of_ours', {str(FOLDER)!r}"
        f" + '/__init__.py', submodule_search_locations=[{str(FOLDER)!r}])\n"
        "place.loader.exec_module(importlib.util.module_from_spec(place))\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd="/", capture_output=True, text=True
    )
    assert result.returncode == 1
    assert f'-m pip install -e "{FOLDER.parents[1]}[voice,provenance]"' in result.stderr


@pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR names no ComfyUI")
def test_workflows_run_in_comfyui():
    """Every check of `run_workflow.py`, in one ComfyUI; it takes minutes."""
    script = Path(__file__).with_name("run_workflow.py")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [python, str(script), "--comfyui", os.environ["COMFYUI_DIR"]]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr[-6000:]
