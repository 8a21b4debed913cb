"""Nodes for camera moves: what the camera does, and how that looks on a picture."""

from __future__ import annotations

import torch
from comfy_api.v0_0_2 import io

import skyreels_avatar as sa

from . import fields, generation
from .conversion import check_memory, save_picture, video_size
from .host import NodeProgress, output_path, results, work_folder

EASES = ["trapezoid", "linear", "smooth"]


class CameraMove(io.ComfyNode):
    """Say what the camera does, alone or after another move."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarCamera",
            display_name="Camera Move",
            category=fields.CATEGORY,
            description="A move of the camera through the picture. Chain several: each begins at "
            "its start_s.",
            inputs=[
                io.Combo.Input(
                    "move",
                    options=list(sa.MOVES),
                    default="push_in",
                    tooltip="push: toward or away from the person; pan: turn in place; crane: rise "
                    "or sink; swing: a handheld sway.",
                ),
                io.Float.Input(
                    "strength",
                    default=60.0,
                    min=0.0,
                    max=100.0,
                    step=1.0,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="In percent of the largest move that looks good in this image.",
                ),
                io.Combo.Input(
                    "ease",
                    options=EASES,
                    default="trapezoid",
                    tooltip="How the move speeds up and slows down.",
                ),
                io.Float.Input(
                    "start_s",
                    default=0.0,
                    min=0.0,
                    max=3600.0,
                    step=0.1,
                    tooltip="When this move starts, in seconds.",
                ),
                io.Int.Input(
                    "sway_seed",
                    default=0,
                    min=0,
                    max=generation.MAX_SEED,
                    tooltip="Random seed of swing's handheld sway.",
                ),
                fields.CameraType.Input("after", optional=True, tooltip="Preceding moves."),
            ],
            outputs=[fields.CameraType.Output(display_name="camera")],
        )

    @classmethod
    def execute(
        cls,
        move: str,
        strength: float,
        ease: str,
        start_s: float,
        sway_seed: int,
        after: tuple[sa.CameraKeyframe, ...] | None = None,
    ) -> io.NodeOutput:
        """Return the moves up to this one."""
        chosen = sa.CameraMove(move, strength / 100, ease=ease, seed=sway_seed)
        return io.NodeOutput(generation.camera_keyframes(after, chosen, start_s))


class CameraPreview(io.ComfyNode):
    """Show a camera move on a picture before anybody speaks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarCameraPreview",
            display_name="Camera Preview",
            category=fields.CATEGORY,
            description="Shows a camera move on a picture, silent and without the networks of an "
            "avatar. The finished video moves in exactly this way.",
            inputs=[
                io.Image.Input("image", tooltip="The portrait."),
                fields.CameraType.Input("camera", tooltip="From Camera Move."),
                io.Float.Input(
                    "seconds",
                    default=4.0,
                    min=0.1,
                    max=600.0,
                    step=0.1,
                    tooltip="Length in seconds.",
                ),
                *fields.size(),
                fields.fps(),
                fields.face(),
            ],
            outputs=[
                io.Image.Output(display_name="images"),
                io.Video.Output(display_name="video"),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        camera: tuple[sa.CameraKeyframe, ...],
        seconds: float,
        width: int,
        height: int,
        fps: float,
        face: str,
    ) -> io.NodeOutput:
        """Write the video and read its frames."""
        size = video_size(width, height, image.shape[2], image.shape[1])
        with work_folder() as folder:
            output = output_path()
            num_frames = sa.preview_camera(
                save_picture(image, folder),
                generation.camera_argument(camera),
                output,
                seconds=seconds,
                size=generation.size_argument(size),
                fps=fps,
                face=generation.checked_face(face),
                on_progress=NodeProgress(cls.hidden.unique_id),
            )
            made = sa.VideoReader(output)
            check_memory(num_frames, made.height, made.width)
            images, _, video, _ = results(output, True)
        return io.NodeOutput(images, video)
