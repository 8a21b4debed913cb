"""The nodes as ComfyUI gets them."""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyExtension, io

from .nodes_avatar import ExampleInputs, LoadAvatar
from .nodes_camera import CameraMove, CameraPreview
from .nodes_film import Film, FilmShot
from .nodes_generate import Generate
from .nodes_retalk import Retalk
from .nodes_save import SaveSigned
from .nodes_speech import Speak


class AvatarExtension(ComfyExtension):
    """The pack of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return the classes of all nodes."""
        return [
            LoadAvatar,
            Generate,
            Retalk,
            CameraMove,
            CameraPreview,
            Speak,
            FilmShot,
            Film,
            SaveSigned,
            ExampleInputs,
        ]
