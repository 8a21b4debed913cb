"""The installer, with toy packages: no network, no package source of this machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.install.toys import Project
from tests.install.wheels import write_index, write_wheel

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture(scope="module")
def installed(tmp_path_factory, root) -> Project:
    """A project after `make install`, which every test copies; it began with half a .venv."""
    project = Project(tmp_path_factory.mktemp("project") / "project", root)
    (project.folder / ".venv" / "bin").mkdir(parents=True)
    project.python.symlink_to(sys.executable)
    done = project.make()
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(installed, tmp_path) -> Project:
    """A copy of its environment, to be spoilt."""
    copy = Project(tmp_path / "project", Path(__file__).parents[2])
    shutil.copytree(installed.folder / ".venv", copy.folder / ".venv", symlinks=True)
    return copy


def remove_torch(project: Project) -> None:
    """Take torch out of the environment, and its CPU build out of the package sources."""
    for wheel in project.second.glob("torch*"):
        wheel.unlink()
    (project.packages / "torch.py").unlink()
    shutil.rmtree(project.packages / "torch-2.13.0+cpu.dist-info")


def test_the_wheel_with_its_library_wins_wherever_it_lies(installed):
    """uv took the wheel of the first source, which has none."""
    assert installed.kind("soundfile") == "with library"
    assert installed.kind("torch") == "CPU"


def test_so_it_does_between_two_indexes(project):
    shutil.rmtree(project.packages / "soundfile-0.14.0.dist-info")
    first = write_index(project.folder / "index1", *project.first.iterdir())
    second = write_index(project.folder / "index2", *project.second.iterdir())
    del project.environment["PIP_NO_INDEX"], project.environment["PIP_FIND_LINKS"]
    (project.packages / "soundfile.py").unlink()
    done = project.install(PIP_INDEX_URL=first, PIP_EXTRA_INDEX_URL=second)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.kind("soundfile") == "with library"
    assert "again" not in done.stdout


def test_a_broken_package_is_installed_again(project):
    (project.packages / "soundfile.py").write_text("raise OSError('sndfile library not found')")
    done = project.install()
    assert done.returncode == 0, done.stderr
    assert "soundfile cannot be imported; installing it again" in done.stdout
    assert project.kind("soundfile") == "with library"


def test_a_package_that_stays_broken_is_named_with_the_reason(project):
    for wheel in project.second.glob("soundfile*"):
        wheel.unlink()
    (project.packages / "soundfile.py").write_text("raise OSError('damaged')")
    done = project.install()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: soundfile does not work here (OSError: sndfile library not found); "
        "try: rm -r .venv; make"
    )


def test_an_installation_that_was_cut_short_is_completed(project):
    (project.packages / "soundfile.py").unlink()
    (project.packages / "soundfile-0.14.0.dist-info" / "RECORD").unlink()
    done = project.install()
    assert done.returncode == 0, done.stderr
    assert project.kind("soundfile") == "with library"


def test_where_only_the_cpu_build_will_do_the_ways_out_are_named(project):
    remove_torch(project)
    done = project.install(UV_OFFLINE="1", TORCH="cpu")
    assert done.returncode == 1
    for way in ("PIP_EXTRA_INDEX_URL=", "PIP_FIND_LINKS=", "TORCH=cuda", ".venv/bin/pip install"):
        assert way in done.stderr
    assert not list(project.packages.glob("torch*"))


def test_without_a_cpu_build_of_torch_the_cuda_build_is_taken_and_said(project):
    """`make demo` has to work wherever some torch can be had."""
    remove_torch(project)
    done = project.install(UV_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "no CPU build of torch" in done.stdout and "CUDA build" in done.stdout
    assert project.kind("torch") == "CUDA"


def test_uv_is_asked_for_the_cpu_build_that_pip_does_not_find(project):
    remove_torch(project)
    uv = (
        "import sys, zipfile\n"
        "assert '--torch-backend=cpu' in sys.argv and sys.argv[-1] == 'torch==2.13.0'\n"
        f"wheel, packages = {str(project.folder / 'cpu.whl')!r}, {str(project.packages)!r}\n"
        "zipfile.ZipFile(wheel).extractall(packages)"
    )
    write_wheel(project.first, "uv", "1", uv)
    wheel = write_wheel(project.folder, "torch", "2.13.0+cpu", "kind = 'CPU build that uv found'")
    wheel.rename(project.folder / "cpu.whl")
    done = project.install()
    assert done.returncode == 0, done.stderr
    assert project.kind("torch") == "CPU build that uv found"


def test_the_cuda_build_replaces_the_cpu_build_when_it_is_asked_for(project):
    assert project.install(TORCH="cuda").returncode == 0
    assert project.kind("torch") == "CUDA"


def test_a_torch_of_the_users_own_stays(project):
    shutil.rmtree(project.packages / "torch-2.13.0+cpu.dist-info")
    write_wheel(project.folder, "torch", "2.14.1", "kind = 'own'")
    wheel = str(project.folder / "torch-2.14.1-py3-none-any.whl")
    done = project._run([project.python, "-m", "pip", "install", "-qq", wheel], {})
    assert done.returncode == 0, done.stderr
    assert project.install().returncode == 0
    assert project.kind("torch") == "own"


def test_no_python_is_said_in_one_line(project):
    shutil.rmtree(project.folder / ".venv")
    done = project.make("PYTHON=")
    assert done.returncode == 2
    assert "error: no Python 3.10 or newer was found" in done.stderr


def test_a_python_outside_an_environment_is_not_installed_into(project):
    """A folder .venv with a link to a Python and nothing else is that Python."""
    (project.folder / ".venv" / "pyvenv.cfg").unlink()
    done = project.install()
    assert done.returncode == 1
    assert "this is not a virtual environment; install with `make`" in done.stderr
