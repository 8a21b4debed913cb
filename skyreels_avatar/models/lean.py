"""Import the parts of diffusers that the networks use, without their unused dependencies."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

_USED = (
    "configuration_utils",
    "loaders.peft",
    "models.attention",
    "models.attention_dispatch",
    "models.cache_utils",
    "models.embeddings",
    "models.modeling_outputs",
    "models.modeling_utils",
    "models.normalization",
)

# Optional packages that diffusers imports where they are installed, and that load the compiler.
_NEED_COMPILER = ("torchao", "bitsandbytes", "xformers", "flash_attn", "sageattention", "aiter")


def import_diffusers() -> None:
    """Import the parts of diffusers that the networks use, so that later imports find them.

    The slow imports are at the top of diffusers' own modules, so that we cannot defer them. Modules
    that are loaded already stay. CPU time and peak memory after `import torch` on two cores of an
    AMD EPYC with AVX-512: 3.7 s and 388 MB as diffusers does it, 1.9 s and 315 MB without
    transformers and peft, 0.6 s and 245 MB without the compiler as well.
    """
    if "diffusers" in sys.modules:
        return
    if "transformers" in sys.modules:
        # It loads its modules when they are first used, so diffusers would load more of them here,
        # and they need the compiler and keep what they find. Most of the cost is paid already.
        for used in _USED:
            importlib.import_module(f"diffusers.{used}")
        return
    with _without_compiler():
        utils = importlib.import_module("diffusers.utils.import_utils")
        with _without(("transformers", "peft"), utils):
            for used in _USED:
                importlib.import_module(f"diffusers.{used}")


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Make the decorators of `torch.compile` in diffusers do nothing: saves 1.3 s and 70 MB.

    They alone load `torch._dynamo` and sympy, which `torch.compile` imports when it is used; where
    packages for GPUs are installed that diffusers imports as well, these need it.
    """
    name = "torch._dynamo"
    if name in sys.modules or any(importlib.util.find_spec(one) for one in _NEED_COMPILER):
        yield
        return
    stand_in = types.ModuleType(name)
    stand_in.allow_in_graph = lambda function: function
    stand_in.disable = lambda function=None, *_, **__: function or (lambda inner: inner)
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _without(packages: tuple[str, ...], utils: types.ModuleType) -> Iterator[None]:
    """Hide packages from diffusers while it is imported.

    Hiding transformers and peft, which its pipelines use, saves 1.8 s and 73 MB where they are
    installed. Afterwards both are there for whoever imports them.
    """
    hidden = [
        name
        for name in packages
        if getattr(utils, f"_{name}_available", False) and name not in sys.modules
    ]
    for name in hidden:
        setattr(utils, f"_{name}_available", False)
        sys.modules[name] = None  # an import of it fails
    try:
        yield
    finally:
        for name in hidden:
            setattr(utils, f"_{name}_available", True)
            del sys.modules[name]
