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
    `torch._dynamo` and sympy; and where transformers is installed it loads that as well, for
    pipelines of its own. Together they are more than two seconds and 100 MB of every start. Here
    the marks do nothing and transformers is out of sight until diffusers is loaded. What is loaded
    already stays as it is.
    """
    if "diffusers" in sys.modules:
        return
    with _without_compiler():
        utils = importlib.import_module("diffusers.utils.import_utils")
        with _without_transformers(utils):
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
def _without_transformers(utils: types.ModuleType) -> Iterator[None]:
    """Let diffusers believe that transformers is absent, while its modules are imported."""
    known = getattr(utils, "_transformers_available", False)
    if not known or "transformers" in sys.modules:
        yield
        return
    utils._transformers_available = False
    sys.modules["transformers"] = None  # an import of it fails
    try:
        yield
    finally:
        utils._transformers_available = known
        del sys.modules["transformers"]
