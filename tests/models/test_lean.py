"""Importing diffusers without the compiler and transformers leaves both usable."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

needs_transformers = pytest.mark.skipif(
    not find_spec("transformers"), reason="transformers is not installed"
)


def _python(code: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_networks_are_imported_without_what_others_need():
    loaded = _python(
        "import skyreels_avatar.models.transformer, sys;"
        "print(*(name in sys.modules for name in ('torch._dynamo', 'sympy', 'transformers')))"
    )
    assert loaded == "False False False"


def test_the_compiler_can_still_be_used():
    result = _python(
        "import skyreels_avatar.models.transformer, torch;"
        "print(torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)).item())"
    )
    assert result == "2.0"


@needs_transformers
def test_transformers_can_still_be_used():
    result = _python(
        "import skyreels_avatar.models.transformer;"
        "from transformers import CLIPVisionConfig, CLIPVisionModel;"
        "from diffusers.utils import is_transformers_available;"
        "from diffusers import AutoencoderKLWan;"
        "print(is_transformers_available())"
    )
    assert result == "True"
