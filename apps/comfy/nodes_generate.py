"""The node that makes a talking video of a portrait."""

from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io

import skyreels_avatar as sa

from . import fields, generation
from .avatar import Avatar
from .conversion import check_memory, save_picture, save_sound, video_size
from .host import NodeProgress, make_room, output_path, results, work_folder

DEFAULT_LONG_SIDE_PX = 768  # of a video whose size is left to the picture


class Generate(io.ComfyNode):
    """Make a talking video of a portrait, a voice and a sentence."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarGenerate",
            display_name="Avatar Generate",
            category=fields.CATEGORY,
            description="Makes a talking video: a portrait, a voice or a text, and a sentence that "
            "says how the person performs.",
            inputs=[
                fields.avatar(),
                io.Image.Input("image", tooltip="The portrait: photo, painting or drawing."),
                fields.audio(),
                fields.CameraType.Input(
                    "camera", optional=True, tooltip="From Camera Move. Nothing: it stands still."
                ),
                fields.prompt(),
                *fields.text_and_voice(),
                *fields.size(),
                fields.fps(),
                fields.seed(),
                *fields.performance(),
                fields.decode_frames(),
                fields.face(),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    tooltip="What the video should not show. Works where the prompt's guidance is "
                    "above 1.",
                ),
                io.Int.Input(
                    "steps", default=0, min=0, max=1000, tooltip="Of denoising; 0: the tier's own."
                ),
                io.Float.Input(
                    "guidance_scale",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strictly the prompt is followed; 1 is off, 0: the tier's own.",
                ),
                io.Float.Input(
                    "audio_guidance_scale",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strictly the voice is followed; 1 is off, 0: the tier's own.",
                ),
            ],
            outputs=fields.video_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        avatar: Avatar,
        image: torch.Tensor,
        width: int,
        height: int,
        fps: float,
        decode_frames: bool,
        face: str,
        text: str,
        voice: str,
        steps: int,
        guidance_scale: float,
        audio_guidance_scale: float,
        audio: dict | None = None,
        camera: tuple[sa.CameraKeyframe, ...] | None = None,
        **plain: object,
    ) -> io.NodeOutput:
        """Make the video; `plain` are fields that the library takes under the same names."""
        arguments = {
            **plain,
            **generation.sound_arguments(audio, text, voice),
            **generation.sampling_arguments(steps, guidance_scale, audio_guidance_scale),
            "camera": generation.camera_argument(camera),
            "face": generation.checked_face(face),
            "fps": fps,
            "tier": avatar.tier,
            "memory": avatar.memory if torch.cuda.is_available() else None,
        }
        size = video_size(width, height, image.shape[2], image.shape[1])
        arguments["size"], shape = generation.size_argument(size), _height_and_width(image, size)
        if audio is not None and decode_frames:
            duration_s = audio["waveform"].shape[-1] / audio["sample_rate"]
            check_memory(round(duration_s * fps), *shape)
        progress = NodeProgress(cls.hidden.unique_id)
        with work_folder() as folder:
            arguments["image"] = save_picture(image, folder)
            if audio is not None:
                arguments["audio"] = save_sound(audio, folder)
            make_room(avatar.tier, *shape)
            try:
                result = sa.generate(**arguments, output=output_path(), on_progress=progress)
            finally:
                avatar.finish_run()
            if decode_frames:
                check_memory(result.num_frames, result.height, result.width)
            outputs = results(result.path, decode_frames)
        progress.finish(result, result.seconds)
        return io.NodeOutput(*outputs)


def _height_and_width(image: torch.Tensor, size: tuple[int, int] | None) -> tuple[int, int]:
    if size is not None:
        return size[1], size[0]
    height, width = image.shape[1:3]
    scale = min(1.0, DEFAULT_LONG_SIDE_PX / max(height, width))
    return 2 * round(height * scale / 2), 2 * round(width * scale / 2)
