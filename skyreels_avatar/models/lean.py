"""Import the parts of diffusers that the networks use, without what only others need."""

from __future__ import annotations

import importlib
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


def import_diffusers() -> None:
    """Load what is used of diffusers, so that later imports find it.

    On the way diffusers marks some functions for `torch.compile`, and only for that loads
    `torch._dynamo` and sympy; and where transformers and peft are installed it loads those as well,
    for pipelines of its own. Together they are more than two seconds and 100 MB of every start.
    Here the marks do nothing and the two are out of sight until diffusers is loaded. What is
    loaded already stays as it is.
    """
    if "diffusers" in sys.modules:
        return
    with _without_compiler():
        utils = importlib.import_module("diffusers.utils.import_utils")
        with _without(("transformers", "peft"), utils):
            for used in _USED:
                importlib.import_module(f"diffusers.{used}")


@contextmanager
def _without_compiler() -> Iterator[None]:
    name = "torch._dynamo"
    if name in sys.modules:
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
    """Let diffusers believe that packages are absent, while its modules are imported."""
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
