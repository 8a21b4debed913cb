"""The networks can be imported whatever else a program has loaded before them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
def test_networks_import_after_transformers(root):
    """Diffusers then loaded more of transformers while the compiler was hidden, and failed."""
    code = (
        "import transformers; transformers.PreTrainedConfig\n"
        "from skyreels_avatar.models.transformer import AvatarTransformer3DModel"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
