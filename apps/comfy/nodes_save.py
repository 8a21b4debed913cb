"""The node that saves a video with its signature."""

from __future__ import annotations

import shutil
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import io, ui

import skyreels_avatar as sa

from . import fields
from .host import NodeProgress, video_file, work_folder


class SaveSigned(io.ComfyNode):
    """Save a video byte for byte, so that its signature stays valid."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarSave",
            display_name="Save Signed Video",
            category=fields.CATEGORY,
            description="Saves a video exactly as it was made, with the signature that says it is "
            "generated (C2PA). ComfyUI's own Save Video re-encodes the file without it.",
            inputs=[
                io.Video.Input("video", tooltip="From a node of this pack; others are not signed."),
                io.String.Input(
                    "filename_prefix",
                    default="video/avatar",
                    tooltip="Folder and beginning of the name in ComfyUI's output folder.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, video: object, filename_prefix: str) -> io.NodeOutput:
        """Copy the file, and say on the node whether it is signed."""
        width, height = video.get_dimensions()
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory(), width, height
        )
        with work_folder() as work:
            source = video_file(video, work)
            path = Path(folder) / f"{name}_{counter:05}_{source.suffix}"
            shutil.copyfile(source, path)
        NodeProgress(cls.hidden.unique_id).show(f"{path.name}: {_signature(path)}")
        saved = ui.SavedResult(path.name, subfolder, io.FolderType.output)
        return io.NodeOutput(ui=ui.PreviewVideo([saved]))


def _signature(path: Path) -> str:
    """Return what the file says of who made it."""
    try:
        found = sa.verify(path)
    except sa.AvatarError as error:  # the extra `provenance` is not installed
        return str(error)
    return f"{found.state}, {found.signer}" if found.signer else found.state
