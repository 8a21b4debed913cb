"""What `skyreels-avatar doctor` says about this machine, and about others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from skyreels_avatar import cli
from skyreels_avatar.api import doctor
from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading import components


def said(capsys, *arguments: str) -> tuple[int, str]:
    """Return the exit code of doctor and what it printed."""
    code = cli.run(["doctor", *arguments])
    return code, capsys.readouterr().out


def extras_of(project: str) -> dict[str, set[str]]:
    """Return the packages of each extra in a pyproject.toml."""
    block = project[project.index("[project.optional-dependencies]") :]
    block = block[: block.index("\n[project.scripts]")]
    lists = re.findall(r"^([a-z]+) = \[(.*?)\]$", block, re.MULTILINE | re.DOTALL)
    return {name: set(re.findall(r'"([\w-]+)', inside)) for name, inside in lists}


def test_every_extra_is_listed_with_the_packages_it_brings(root: Path):
    wanted = extras_of((root / "pyproject.toml").read_text())
    for name in ("dev", "docs"):  # of those who work on the project itself
        del wanted[name]
    assert {name: set(packages) for name, (_, *packages) in doctor.EXTRAS.items()} == wanted


def test_torch_is_described_without_being_imported(root: Path):
    """Importing it takes more than all the rest together."""
    code = (
        "import sys; from skyreels_avatar.cli import run; code = run(['doctor']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_extra_is_no_failure_and_names_its_command(monkeypatch, capsys, root):
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package != "peft")
    monkeypatch.chdir(root)
    code, printed = said(capsys)
    assert code == 0
    after = printed[printed.index("studio") :].splitlines()
    assert "pip install -e '.[studio]'" in after[1]
    assert "[voice]" not in printed


def test_a_package_that_cannot_be_imported_is_a_failure(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    code, printed = said(capsys)
    assert code == 1
    assert "pip install --force-reinstall --no-deps soundfile" in printed
    assert "libx264" in printed, "the others are still looked at"


def test_missing_public_weights_are_named_by_what_fetches_them(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path))
    code, printed = said(capsys, "--tier", "studio")
    assert code == 1
    assert "skyreels-avatar models pull skyreels-v3-a2v wan2.1-vae umt5-xxl" in printed


def test_a_missing_file_of_an_own_tier_is_named(capsys, tmp_path):
    tier = tmp_path / "own.yaml"
    parts = ("vae", "transformer", "controlnet", "audio_encoder", "text_encoder")
    (tmp_path / "a.safetensors").touch()
    tier.write_text("weights: {" + ", ".join(f"{part}: a.safetensors" for part in parts) + "}")
    assert said(capsys, "--tier", str(tier))[0] == 0
    (tmp_path / "a.safetensors").unlink()
    code, printed = said(capsys, "--tier", str(tier))
    assert code == 1 and "a.safetensors" in printed


@pytest.mark.parametrize("fails", [False, True])
def test_load_tells_whether_the_networks_can_be_loaded(monkeypatch, capsys, fails):
    def missing(*_, **__):
        raise CheckpointError("damaged weights")

    if fails:
        monkeypatch.setattr(components, "load_components", missing)
    code, printed = said(capsys, "--load")
    assert code == fails
    assert ("damaged weights" if fails else "million parameters on cpu") in printed


def test_the_build_of_torch_and_the_gpu_are_named(monkeypatch, tmp_path):
    (tmp_path / "version.py").write_text("cuda: Optional[str] = '13.0'\nhip = None\n")
    place = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(doctor, "find_spec", lambda name: place)
    monkeypatch.setattr(doctor, "_gpu", lambda: "")
    assert doctor._torch().endswith("for CUDA 13.0, no NVIDIA GPU")
    (tmp_path / "version.py").write_text("cuda: Optional[str] = None\n")
    monkeypatch.setattr(doctor, "_gpu", lambda: "NVIDIA H200")
    assert doctor._torch().endswith("without CUDA; it does not use the NVIDIA H200")
