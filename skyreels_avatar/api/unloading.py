"""The public verb `unload`: give the memory of loaded networks back."""

from __future__ import annotations

import gc
import sys

from skyreels_avatar.workers.allocator import return_freed_memory

# The caches that hold networks of a tier, by module: what was never imported holds nothing.
_CACHES = {
    "skyreels_avatar.loading.components": "unload_components",
    "skyreels_avatar.models.depth": "unload_depth",
}


def unload() -> None:
    """Forget the networks that calls have left in memory for the next call, on GPU and host.

    A call that is running keeps those that it uses until it ends. The next call loads them again.
    For programs that live long and need the memory for something else, such as servers.
    """
    for module, name in _CACHES.items():
        if module in sys.modules:
            getattr(sys.modules[module], name)()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return_freed_memory()
