"""Import the parts of diffusers that the networks use, without PyTorch's compiler."""

from __future__ import annotations

import importlib
import sys
import types
from importlib.util import find_spec

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
    `torch._dynamo` and sympy: more than a second of every start. Here the marks do nothing. Where
    the compiler is loaded already, or transformers, which needs it, is installed, nothing is
    changed.
    """
    name = "torch._dynamo"
    if name in sys.modules or "diffusers" in sys.modules or find_spec("transformers"):
        return
    stand_in = types.ModuleType(name)
    stand_in.allow_in_graph = lambda function: function
    stand_in.disable = lambda function=None, *_, **__: function or (lambda inner: inner)
    sys.modules[name] = stand_in
    try:
        for used in _USED:
            importlib.import_module(f"diffusers.{used}")
    finally:
        del sys.modules[name]
