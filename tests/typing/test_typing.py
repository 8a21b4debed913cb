"""What type checkers say about a user's program: all is known, and the one mistake is found."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPT = HERE / "user_script.py"
MISTAKE = (
    SCRIPT.read_text(encoding="utf-8")
    .splitlines()
    .index('sa.generate(image=3, audio="a.wav")  # the only mistake here, which has to be reported')
)


def _errors(command: list[str], folder: Path) -> list[tuple[int, str]]:
    """Return (line, message) of each error that a checker reports about the script."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    found = re.findall(r"user_script\.py:(\d+)\S* (?:- )?error: (.*)", done.stdout)
    return [(int(line), message) for line, message in found]


def _is_the_mistake(errors: list[tuple[int, str]]) -> bool:
    """Tell whether the one error is that `image` takes no number."""
    ((line, message),) = errors
    return line == MISTAKE + 1 and "image" in message and "str | Path" in message


def test_mypy_knows_the_public_names_and_finds_the_mistake(tmp_path):
    """`sa.generate` was an `object` to type checkers, since its module is loaded lazily."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed (extra dev)")
    options = ["--config-file", str(HERE / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")]
    errors = _errors([sys.executable, "-m", "mypy", *options, str(SCRIPT)], tmp_path)
    assert _is_the_mistake(errors), errors


def test_pyright_knows_the_public_names_and_finds_the_mistake(tmp_path):
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed; it needs Node.js and is not in the extra dev")
    errors = _errors([pyright, "--pythonpath", sys.executable, str(SCRIPT)], tmp_path)
    assert _is_the_mistake(errors), errors
