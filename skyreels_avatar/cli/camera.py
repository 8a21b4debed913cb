"""`skyreels-avatar camera`: the still image seen by a moving camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli import options as opt
from skyreels_avatar.cli.console import confirm_overwriting, print_json, print_result
from skyreels_avatar.cli.progress_bar import progress_bar


def camera_command(
    image: opt.Image,
    move: opt.Move,
    seconds: Annotated[float, typer.Option(help="Length of the video.")] = 4.0,
    output: opt.Output = Path("reference.mp4"),
    size: opt.Size = None,
    fps: opt.Fps = 25.0,
    face: opt.Face = "auto",
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
) -> None:
    """Render only the camera move over the still image."""
    confirm_overwriting([output], overwrite)
    with progress_bar() as on_progress:
        from skyreels_avatar.api.camera_preview import preview_camera

        num_frames = preview_camera(
            image, move, output, seconds=seconds, size=size, fps=fps, face=face,
            on_progress=on_progress,
        )  # fmt: skip
    if as_json:
        print_json({"path": output, "num_frames": num_frames, "fps": fps})
    else:
        print_result(f"{output}  {num_frames} frames at {fps:g} fps")
