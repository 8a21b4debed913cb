"""SkyReels Avatar for ComfyUI: a portrait, a voice and a sentence become a directed talking video.

This folder is a pack of custom nodes. Link or copy it into ComfyUI/custom_nodes, and install the
package `skyreels-avatar` into the Python that runs ComfyUI.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def install_hint() -> str:
    """Return what to run where the package is not installed: from the checkout, if this is one."""
    source = _CHECKOUT if (_CHECKOUT / "skyreels_avatar").is_dir() else "THE_CHECKOUT"
    return f'"{sys.executable}" -m pip install -e "{source}[voice,provenance]"'


if importlib.util.find_spec("skyreels_avatar") is None:
    raise ImportError(
        "the package skyreels-avatar is not installed in the Python that runs ComfyUI; install it "
        f"with: {install_hint()}"
    )


async def comfy_entrypoint():
    """Return the nodes to ComfyUI, which calls this when it starts."""
    from .extension import AvatarExtension

    return AvatarExtension()
