"""A toy project with the real Makefile and installer, and package sources of toy wheels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.tags import sys_tags

from tests.install.wheels import write_wheel

PLATFORM = str(next(t for t in sys_tags() if t.abi == "none" and t.platform != "any"))
BACKEND = """
import sys
sys.path.insert(0, {tests!r})
from wheels import write_wheel
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    needs = ["torch>=2.6", "soundfile>=0.12"]
    return write_wheel(Path(folder), "project", "1", "", needs=needs).name
"""


class Project:
    """A project of one's own that needs torch and soundfile and knows two package sources.

    The first source has soundfile without its library, the second has it with; both have the CUDA
    build of torch, the second also the CPU build.
    """

    def __init__(self, folder: Path, root: Path):
        self.folder, self.first, self.second = folder, folder / "first", folder / "second"
        (folder / "requirements").mkdir(parents=True)
        shutil.copy(root / "Makefile", folder)
        shutil.copy(root / "requirements" / "install.py", folder / "requirements")
        (folder / "requirements" / "constraints.txt").write_text("soundfile==0.14.0\n")
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "project"\nversion = "1"\n'
            'dependencies = ["torch>=2.6", "soundfile>=0.12"]\n'
        )
        (folder / "backend.py").write_text(BACKEND.format(tests=str(Path(__file__).parent)))
        write_wheel(self.first, "soundfile", "0.14.0", "raise OSError('sndfile library not found')")
        write_wheel(self.second, "soundfile", "0.14.0", "kind = 'with library'", PLATFORM)
        write_wheel(self.first, "torch", "2.13.0", "kind = 'CUDA'")
        write_wheel(self.second, "torch", "2.13.0+cpu", "kind = 'CPU'")
        links = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{self.first} {self.second}"}
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PIP_")},
            **{"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "PATH": "/usr/bin:/bin"},
            **{"PIP_REQUIRE_VIRTUALENV": "1"},
            **links,
        }
        for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TORCH", "MAKEFLAGS", "MAKELEVEL"):
            self.environment.pop(name, None)

    @property
    def python(self) -> Path:
        """The Python of the environment that was installed into."""
        return self.folder / ".venv" / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Its folder of packages."""
        return next((self.folder / ".venv").glob("lib/*/site-packages"))

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run `make install`."""
        command = ["make", "--always-make", "install", f"PYTHON={sys.executable}", *arguments]
        return self._run(command, environment)

    def install(self, **environment: str) -> subprocess.CompletedProcess:
        """Run the installer in the environment that is there."""
        return self._run([self.python, "requirements/install.py"], environment)

    def kind(self, package: str) -> str:
        """Return which toy was installed."""
        command = [self.python, "-c", f"import {package}; print({package}.kind)"]
        done = self._run(command, {})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, command, environment: dict[str, str]) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
        )
