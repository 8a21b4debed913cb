"""Nodes to start with: the networks, and a portrait and a voice to try them."""

from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io

import skyreels_avatar as sa

from .avatar import TIERS, Avatar
from .conversion import to_audio
from .fields import CATEGORY, AvatarType


class LoadAvatar(io.ComfyNode):
    """Choose the networks that make the video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarLoad",
            display_name="Load Avatar",
            category=CATEGORY,
            description="Chooses the networks that make videos. They are loaded once and stay in "
            "memory for the next run.",
            inputs=[
                io.Combo.Input(
                    "tier",
                    options=list(TIERS),
                    default=sa.GenerationRequest.tier,
                    tooltip="nano comes with the package and needs no GPU; studio needs public "
                    "checkpoints (57 GB) and a large GPU.",
                ),
                io.String.Input(
                    "memory",
                    default="auto",
                    tooltip="GPU memory to use: auto (what is free), full, or a limit such as "
                    "24gb. Without a GPU it has no effect.",
                ),
                io.Boolean.Input(
                    "keep_loaded",
                    default=True,
                    tooltip="Keep the networks in memory for the next run. Off frees the memory "
                    "after every run.",
                ),
            ],
            outputs=[AvatarType.Output(display_name="avatar")],
        )

    @classmethod
    def execute(cls, tier: str, memory: str, keep_loaded: bool) -> io.NodeOutput:
        """Check that the networks are there, and hand them on."""
        avatar = Avatar(tier, memory.strip() or "auto", keep_loaded)
        avatar.check()
        return io.NodeOutput(avatar)


class ExampleInputs(io.ComfyNode):
    """Give a portrait and a voice that come with the package."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarExample",
            display_name="Example Portrait and Voice",
            category=CATEGORY,
            description="A drawn portrait and a synthetic voice, to try things with. Replace it by "
            "Load Image and Load Audio.",
            inputs=[
                io.Combo.Input(
                    "portrait",
                    options=["portrait.png", "portrait_man.png"],
                    default="portrait.png",
                    tooltip="Two drawn characters.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=60.0,
                    step=0.1,
                    tooltip="How much of the voice to use, from its start; 0 uses all of it.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image"),
                io.Audio.Output(display_name="audio"),
            ],
        )

    @classmethod
    def execute(cls, portrait: str, seconds: float) -> io.NodeOutput:
        """Read both files."""
        picture = sa.Portrait.load(sa.example_path(portrait))
        track = sa.AudioTrack.load(sa.example_path("speech.wav"))
        if 0 < seconds < track.duration_s:
            track = track.cut(0, seconds)
        image = torch.from_numpy(picture.pixels.copy()).float().div_(255)
        return io.NodeOutput(image[None], to_audio(track))
