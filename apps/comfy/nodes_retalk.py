"""The node that lets the person in a video say something else."""

from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io

import skyreels_avatar as sa

from . import fields, generation
from .avatar import Avatar
from .conversion import check_memory, save_frames, save_sound
from .host import NodeProgress, make_room, output_path, results, video_file, work_folder

KEEPS = ["lips", "face", "none"]
LENGTHS = ["audio", "video", "loop", "bounce", "remap", "silence"]


class Retalk(io.ComfyNode):
    """Give a video a new voice; outside the face it stays as it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarRetalk",
            display_name="Avatar Retalk",
            category=fields.CATEGORY,
            description="Lets the person in a video say something else. Outside what may change, "
            "every pixel stays as it was.",
            inputs=[
                fields.avatar(),
                io.Video.Input("video", optional=True, tooltip="The footage. Or connect images."),
                io.Image.Input(
                    "images", optional=True, tooltip="The frames of the footage, in place of video."
                ),
                fields.audio("The new voice. Or write a text."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    placeholder="how the person performs",
                    dynamic_prompts=False,
                    tooltip="How the person performs, in English; may be empty.",
                ),
                *fields.text_and_voice(),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second of images; a video has its own.",
                ),
                fields.seed(),
                io.Combo.Input(
                    "keep",
                    options=KEEPS,
                    default="face",
                    tooltip="What may change. lips: mouth and jaw alone; face: the face; none: "
                    "head and shoulders move, too.",
                ),
                io.Combo.Input(
                    "length",
                    options=LENGTHS,
                    default="audio",
                    tooltip="Where video and voice differ in length. audio: as long as the voice, "
                    "the video's end is held or cut; video: as long as the video; loop, bounce: "
                    "the video is repeated, there and back; remap: its speed changes; silence: "
                    "the voice is filled with silence.",
                ),
                fields.face(),
                fields.decode_frames(),
            ],
            outputs=fields.video_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        avatar: Avatar,
        text: str,
        voice: str,
        fps: float,
        face: str,
        decode_frames: bool,
        video: object | None = None,
        images: torch.Tensor | None = None,
        audio: dict | None = None,
        **plain: object,
    ) -> io.NodeOutput:
        """Make the video; `plain` are fields that the library takes under the same names."""
        if (video is None) == (images is None):
            raise sa.InputError(
                "connect the footage to one of video and images, "
                + ("neither is connected" if video is None else "not to both")
            )
        arguments = {
            **plain,
            **generation.sound_arguments(audio, text, voice),
            "face": generation.checked_face(face),
            "tier": avatar.tier,
        }
        progress = NodeProgress(cls.hidden.unique_id)
        with work_folder() as folder:
            if video is None:
                arguments["video"] = save_frames(images, fps, None, folder)
            else:
                arguments["video"] = video_file(video, folder)
            if audio is not None:
                arguments["audio"] = save_sound(audio, folder)
            footage = sa.VideoReader(arguments["video"])
            make_room(avatar.tier, footage.height // 2 * 2, footage.width // 2 * 2)
            try:
                result = sa.retalk(**arguments, output=output_path(), on_progress=progress)
            finally:
                avatar.finish_run()
            if decode_frames:
                check_memory(result.num_frames, result.height, result.width)
            outputs = results(result.path, decode_frames)
        progress.finish(result, result.seconds)
        return io.NodeOutput(*outputs)
