"""What a film will take, before it is made: frames, windows, seconds and memory of each shot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from skyreels_avatar.camera.moves import CameraMove
from skyreels_avatar.errors import InputError, ScriptError
from skyreels_avatar.film.jobs import shot_request
from skyreels_avatar.film.sound import open_film
from skyreels_avatar.film.timeline import PlacedShot
from skyreels_avatar.loading.parts import time_factor
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.pipeline.estimate import ShotEstimate, estimate_planned
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.request.camera_spec import Camera
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.script import Script


@dataclass(frozen=True)
class FilmPlan:
    """What a film will take.

    Attributes:
        shots: each with its place and its estimate.
        num_frames, fps, height, width, duration_s: of the film.
        seconds: rough duration of making all shots one after the other.
        memory_mb: rough peak of memory.
        machine: what the two are for.
    """

    shots: tuple[tuple[PlacedShot, ShotEstimate], ...]
    num_frames: int
    fps: float
    height: int
    width: int
    duration_s: float
    seconds: float
    memory_mb: float
    machine: str

    def __repr__(self) -> str:
        return (
            f"FilmPlan({self.width}x{self.height}, {len(self.shots)} shots, {self.num_frames} "
            f"frames at {self.fps:g} fps, {self.duration_s:.2f} s, about {self.seconds:.0f} s and "
            f"{self.memory_mb / 1000:.1f} GB on {self.machine})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        film = {key: value for key, value in vars(self).items() if key != "shots"}
        return {**film, "shots": [_shot_values(*shot) for shot in self.shots]}

    def table(self) -> Table:
        """Return a table for people: a line for each shot, then the sum."""
        table = Table(box=None, pad_edge=False)
        for name in ("shot", "seconds", "frames", "fade", "camera", "windows", "time"):
            table.add_column(name, justify="left" if name == "camera" else "right")
        for placed, estimate in self.shots:
            fade = f"{placed.fade_in}" if placed.fade_in else "cut"
            table.add_row(
                str(placed.number),
                f"{placed.start_s:.2f} - {placed.end_s:.2f}",
                str(placed.num_frames),
                fade if placed.index else "",
                Text(describe_camera(placed.shot.camera)),
                str(len(estimate.segments)),
                f"{estimate.seconds:.0f} s",
            )
        size = f"{self.width}x{self.height}, {self.fps:g} fps"
        windows = sum(len(estimate.segments) for _, estimate in self.shots)
        table.add_row(
            "film", f"{self.duration_s:.2f}", str(self.num_frames), "", size, str(windows),
            f"{self.seconds:.0f} s",
        )  # fmt: skip
        table.caption = f"about {self.memory_mb / 1000:.1f} GB of memory, on {self.machine}"
        table.caption_justify = "left"
        return table


def _shot_values(placed: PlacedShot, estimate: ShotEstimate) -> dict[str, Any]:
    return {
        "shot": placed.number,
        "start_s": placed.start_s,
        "end_s": placed.end_s,
        "first_frame": placed.first_frame,
        "fade_in_frames": placed.fade_in,
        "fade_out_frames": placed.fade_out,
        "camera": describe_camera(placed.shot.camera),
        "source": str(placed.shot.image or placed.shot.video),
        **estimate.to_dict(),
    }


def describe_camera(camera: Camera) -> str:
    """Return a camera in a few words: "push_in 60 %, from 2 s swing 30 %"."""
    if isinstance(camera, CameraMove):
        still = camera.name == "static" or camera.strength == 0
        return "static" if still else f"{camera.name} {100 * camera.strength:.0f} %"
    legs = [describe_camera(keyframe.move) for keyframe in camera]
    return ", ".join(
        f"from {keyframe.time_s:g} s {leg}" if keyframe.time_s else leg
        for keyframe, leg in zip(camera, legs)
    )


def plan_script(
    script: Script, tier: str | None = None, seed: int = 0, num_inference_steps: int | None = None
) -> FilmPlan:
    """Say what a film would take, without loading any weights.

    Raises:
        ScriptError: shots cannot be placed, or their pictures cannot be read.
        InputError: the tier or a setting is not known.
    """
    film = open_film(script)
    _check_pictures(script)
    sampling = SamplingParams(num_inference_steps, seed=seed)
    timeline = film.timeline
    shots = []
    for placed in timeline.shots:
        request = shot_request(film, placed, sampling, tier, Path("sound.wav"))
        known = load_tier(request.tier)
        duration_s = float(placed.num_frames / timeline.fps)
        windows = known.fps, known.window, known.overlap, time_factor(known)
        plan = plan_shot(duration_s, script.fps, *windows)
        shots.append((placed, estimate_planned(request, plan, script.height, script.width)))
    return FilmPlan(
        shots=tuple(shots),
        num_frames=timeline.num_frames,
        fps=script.fps,
        height=script.height,
        width=script.width,
        duration_s=timeline.duration_s,
        seconds=sum(estimate.seconds for _, estimate in shots),
        memory_mb=max(estimate.memory_mb for _, estimate in shots),
        machine=shots[0][1].machine,
    )


def _check_pictures(script: Script) -> None:
    problems = []
    for number, shot in enumerate(script.shots, start=1):
        try:
            if shot.image is not None:
                Portrait.load(shot.image)
            else:
                VideoReader(shot.video)
        except InputError as error:
            problems.append(f"shot {number}: {error}")
    if problems:
        raise ScriptError(problems)
