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


def test_packages_that_need_the_compiler_find_it(root, tmp_path):
    """With torchao installed no network could be imported: it found a stand-in of the compiler."""
    (tmp_path / "torchao").mkdir()
    (tmp_path / "torchao" / "__init__.py").write_text("import torch._dynamo.utils\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from skyreels_avatar.models.transformer import AvatarTransformer3DModel\n"
        "assert hasattr(sys.modules.get('torch._dynamo'), '__path__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
