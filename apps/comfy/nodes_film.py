"""Nodes for films: shots one after the other, over one soundtrack or with sounds of their own."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from comfy_api.v0_0_2 import io

import skyreels_avatar as sa

from . import fields, film_script, generation
from .avatar import Avatar
from .conversion import check_memory, save_picture, save_sound
from .host import (
    NodeProgress,
    input_folder,
    make_room,
    output_path,
    results,
    temp_folder,
    video_file,
    work_folder,
)


class FilmShot(io.ComfyNode):
    """Add a shot to a film."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarShot",
            display_name="Film Shot",
            category=fields.CATEGORY,
            description="One shot of a film. Chain shots from the first to the last, and connect "
            "the last to Film.",
            inputs=[
                fields.ShotsType.Input("shots", optional=True, tooltip="Preceding shots."),
                io.Image.Input("image", optional=True, tooltip="The portrait."),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="Footage to retalk instead of an image, at the film's size.",
                ),
                fields.audio("The voice of this shot; or use text, or a soundtrack of the film."),
                fields.CameraType.Input("camera", optional=True, tooltip="From Camera Move."),
                fields.prompt(),
                *fields.text_and_voice(),
                io.Float.Input(
                    "start_s",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Where the shot starts in its audio. With a soundtrack, 0 follows the "
                    "previous shot.",
                ),
                io.Float.Input(
                    "end_s",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Where the shot ends in its audio; 0: at its end, or at the next shot.",
                ),
                io.Float.Input(
                    "fade_s",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.1,
                    tooltip="How long the shot before is blended into this one; 0 is a cut.",
                ),
                io.Int.Input(
                    "shot_seed",  # the editor would change a field "seed" after every run
                    default=-1,
                    min=-1,
                    max=generation.MAX_SEED,
                    tooltip="Of this shot alone; -1 takes the film's.",
                ),
                *fields.performance(),
                fields.face(),
            ],
            outputs=[fields.ShotsType.Output(display_name="shots")],
        )

    @classmethod
    def execute(
        cls,
        text: str,
        voice: str,
        start_s: float,
        end_s: float,
        shot_seed: int,
        face: str,
        shots: tuple[dict, ...] = (),
        image: torch.Tensor | None = None,
        video: object | None = None,
        audio: dict | None = None,
        camera: tuple[sa.CameraKeyframe, ...] | None = None,
        **plain: object,
    ) -> io.NodeOutput:
        """Return the shots up to this one; their files are written when the film is made."""
        if (image is None) == (video is None):
            raise sa.InputError("a shot starts from an image or a video: connect one of the two")
        has_sound = audio is not None or text.strip()
        shot = {
            **plain,
            **(generation.sound_arguments(audio, text, voice) if has_sound else {}),
            "camera": generation.camera_argument(camera),
            "face": generation.checked_face(face),
            "start_s": start_s or None,
            "end_s": end_s or None,
            "seed": None if shot_seed < 0 else shot_seed,
            "image": image,
            "video": video,
            "audio": audio,
        }
        return io.NodeOutput((*(shots or ()), shot))


class Film(io.ComfyNode):
    """Make a film of shots, or of a script."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the fields of the node."""
        return io.Schema(
            node_id="SkyReelsAvatarFilm",
            display_name="Avatar Film",
            category=fields.CATEGORY,
            description="Makes a film of several shots. A shot that is unchanged since the last "
            "run is not made again.",
            inputs=[
                fields.avatar(),
                fields.ShotsType.Input(
                    "shots", optional=True, tooltip="From the last Film Shot. Or write a script."
                ),
                fields.audio("The soundtrack, under all shots that have no sound of their own."),
                io.String.Input(
                    "script",
                    multiline=True,
                    default="",
                    placeholder="a script in YAML, where no shots are connected",
                    dynamic_prompts=False,
                    tooltip="A script in YAML in place of shots; its files lie in ComfyUI's input "
                    "folder. Size, fps and soundtrack stand in the script.",
                ),
                io.Int.Input("width", default=512, min=64, max=4096, step=2, tooltip="In pixels."),
                io.Int.Input("height", default=512, min=64, max=4096, step=2, tooltip="In pixels."),
                fields.fps(),
                fields.seed(),
                fields.decode_frames(),
            ],
            outputs=fields.video_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, script: str = "", **others: object) -> object:
        """Return what tells that files of the script have changed."""
        return film_script.fingerprint(script or "", input_folder())

    @classmethod
    def execute(
        cls,
        avatar: Avatar,
        script: str,
        width: int,
        height: int,
        fps: float,
        seed: int,
        decode_frames: bool,
        shots: tuple[dict, ...] = (),
        audio: dict | None = None,
    ) -> io.NodeOutput:
        """Make what is missing of the film, and join it."""
        if bool(script.strip()) == bool(shots):
            raise sa.InputError("a film needs either shots or a script, and not both")
        if script.strip() and audio is not None:
            raise sa.InputError(
                "the soundtrack of a script stands in the script: soundtrack: FILE; disconnect "
                "audio"
            )
        kept = temp_folder(f"film-{re.sub(r'[^0-9A-Za-z]', '-', str(cls.hidden.unique_id))}")
        progress = NodeProgress(cls.hidden.unique_id)
        with work_folder() as folder:
            if script.strip():
                film = film_script.read_film(script, input_folder())
            else:
                film = sa.Script(
                    [_written(shot, kept, folder / f"{i}") for i, shot in enumerate(shots)],
                    None if audio is None else save_sound(audio, kept),
                    height,
                    width,
                    fps,
                )
            make_room(avatar.tier, film.height, film.width)
            try:
                result = sa.render(
                    film,
                    output_path(),
                    tier=avatar.tier,
                    seed=seed,
                    work=kept / "work",
                    on_progress=progress,
                )
            finally:
                avatar.finish_run()
            if decode_frames:
                check_memory(result.num_frames, result.height, result.width)
            outputs = results(result.path, decode_frames)
        progress.finish(result, {"total": result.seconds})
        return io.NodeOutput(*outputs)


def _written(shot: dict, kept: Path, folder: Path) -> sa.Shot:
    """Return a shot whose picture, footage and sound are files.

    Args:
        kept: for files that are named after what they hold, so that the next run finds the shot.
        folder: for footage that is not in a file yet.
    """
    files: dict[str, Path | None] = {"image": None, "video": None, "audio": None}
    if shot["image"] is not None:
        files["image"] = save_picture(shot["image"], kept)
    if shot["video"] is not None:
        folder.mkdir()
        files["video"] = video_file(shot["video"], folder)
    if shot["audio"] is not None:
        files["audio"] = save_sound(shot["audio"], kept)
    return sa.Shot(**{**shot, **files})
