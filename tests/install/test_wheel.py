"""The wheel: what is in it, and that it works without the checkout."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import skyreels_avatar


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, root: Path) -> Path:
    """The wheel of this checkout, unpacked as pip would."""
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = builder.WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_it_holds_what_a_first_video_needs_and_no_more(wheel: Path, root: Path):
    files = {str(p.relative_to(wheel)) for p in wheel.rglob("*") if p.is_file()}
    about = f"skyreels_avatar-{skyreels_avatar.__version__}.dist-info"
    # Another project's package is called camera: ours lies in this one.
    assert {file.split("/")[0] for file in files} == {"skyreels_avatar", about}
    package = "skyreels_avatar/"
    assert {package + "py.typed", package + "_configs/nano.yaml"} <= files
    nano = {f"{package}_assets/nano/{path.name}" for path in (root / "assets/nano").iterdir()}
    assert nano <= files
    examples = ("portrait.png", "portrait_man.png", "speech.wav", "film.yaml", "film.flac")
    assert {f"{package}_assets/examples/{name}" for name in (*examples, "film.srt")} <= files
    code = {str(path.relative_to(root)) for path in (root / "skyreels_avatar").rglob("*.py")}
    code |= {package + str(path.relative_to(root)) for path in (root / "camera").rglob("*.py")}
    assert code == {file for file in files if file.endswith(".py")}


def test_its_metadata_is_complete(wheel: Path):
    about = email.message_from_string(next(wheel.glob("*/METADATA")).read_text())
    assert about["Author"] == "SkyReels Avatar developers"
    assert about["License-Expression"] == "Apache-2.0"
    classifiers = about.get_all("Classifier")
    assert "Typing :: Typed" in classifiers and "Topic :: Multimedia :: Video" in classifiers
    low, high = (3, int(about["Requires-Python"].split(">=3.")[1])), (3, sys.version_info[1])
    claimed = [c.rpartition(" ")[2] for c in classifiers if ":: Python :: 3." in c]
    assert claimed[0] == f"{low[0]}.{low[1]}" and f"{high[0]}.{high[1]}" in claimed
    needs = about.get_all("Requires-Dist")
    assert all("==" not in need.partition(";")[0] for need in needs), "ranges are open upwards"


def test_it_works_without_the_checkout(wheel: Path, tmp_path: Path):
    code = (
        "import sys, skyreels_avatar; from skyreels_avatar.folders import asset_path;"
        "from skyreels_avatar.film.script_reader import read_script;"
        "assert skyreels_avatar.__file__.startswith(sys.argv[1]);"
        "assert len(read_script(asset_path('examples/film.yaml')).shots) == 3;"
        "from skyreels_avatar.cli import run; sys.exit(run(['doctor', '--load']))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(wheel)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tier nano" in done.stdout
