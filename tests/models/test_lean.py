"""Importing diffusers without the compiler leaves the compiler usable."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest


def _python(code: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(bool(find_spec("transformers")), reason="transformers loads the compiler")
def test_the_networks_are_imported_without_the_compiler():
    loaded = _python(
        "import skyreels_avatar.models.transformer, sys;"
        "print('torch._dynamo' in sys.modules, 'sympy' in sys.modules)"
    )
    assert loaded == "False False"


def test_the_compiler_can_still_be_used():
    result = _python(
        "import skyreels_avatar.models.transformer, torch;"
        "print(torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)).item())"
    )
    assert result == "2.0"
