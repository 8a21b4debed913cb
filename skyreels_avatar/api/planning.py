"""The public verb `plan`: what a shot or a film takes, before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.film_plan import FilmPlan, plan_script
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.pipeline.estimate import ShotEstimate, estimate
from skyreels_avatar.request.camera_spec import CameraLike
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.speaker import Speaker


@overload
def plan(
    film: Script | str | Path,
    *,
    tier: str | None = None,
    seed: int = 0,
    steps: int | None = None,
) -> FilmPlan: ...


@overload
def plan(film: GenerationRequest, *, workers: int | None = None) -> ShotEstimate: ...


@overload
def plan(
    *,
    image: str | Path,
    audio: str | Path | None = None,
    text: str | None = None,
    voice: str | None = None,
    camera: CameraLike = "static",
    speakers: Sequence[Speaker] = (),
    tier: str | None = None,
    size: str | None = None,
    fps: float = 25.0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    audio_guidance_scale: float | None = None,
    audio_start: float | None = None,
    audio_end: float | None = None,
    windows: str = "overlap",
    workers: int | None = None,
) -> ShotEstimate: ...


def plan(
    film: Script | GenerationRequest | str | Path | None = None,
    *,
    image: str | Path | None = None,
    audio: str | Path | None = None,
    text: str | None = None,
    voice: str | None = None,
    camera: CameraLike = "static",
    speakers: Sequence[Speaker] = (),
    tier: str | None = None,
    seed: int = 0,
    size: str | None = None,
    fps: float = 25.0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    audio_guidance_scale: float | None = None,
    audio_start: float | None = None,
    audio_end: float | None = None,
    windows: str = "overlap",
    workers: int | None = None,
) -> ShotEstimate | FilmPlan:
    """Estimate what making a film or a shot takes; nothing is generated.

    The picture of a shot is looked at: `picture` of the result says what keeps its faces from being
    animated well, `camera_limits` how much of each whole move 100 % is in it.

    Args:
        film: a `Script`, the path of a YAML file, or a `GenerationRequest`; or none of them, and
            a shot of `image`.
        image, audio, text, voice, camera, speakers, size, fps, audio_start, audio_end, windows,
            guidance_scale, audio_guidance_scale: of a shot, as in `generate`.
        tier: the name of a file in configs/, or the path of a YAML file; None is the default one.
        seed: of a film's shots that have none of their own.
        steps: of denoising; None takes the tier's own.
        workers: how many make windows of a shot side by side; None = one process.

    Returns:
        size, frames, windows, seconds and memory; of a film also those of each shot.

    Raises:
        InputError: something given cannot be used; of a script every problem is named.
    """
    if film is None:
        shot = Shot(
            image, audio=audio, text=text, voice=voice, camera=camera, speakers=speakers,
            start_s=audio_start, end_s=audio_end,
        )  # fmt: skip
        sampling = SamplingParams(steps, guidance_scale, audio_guidance_scale)
        chosen = GenerationRequest.tier if tier is None else tier
        request = GenerationRequest(
            shot, "output.mp4", chosen, size, fps, sampling, windows=windows
        )
        return estimate(request, workers)
    of_a_shot = {
        "image": image, "audio": audio, "text": text, "voice": voice, "speakers": speakers or None,
        "camera": None if camera == "static" else camera, "size": size,
        "fps": None if fps == 25.0 else fps, "guidance_scale": guidance_scale,
        "audio_guidance_scale": audio_guidance_scale, "audio_start": audio_start,
        "audio_end": audio_end, "windows": None if windows == "overlap" else windows,
    }  # fmt: skip
    if surplus := [name for name, value in of_a_shot.items() if value is not None]:
        raise InputError(
            f"a script or a request has these already; leave out {', '.join(surplus)}, or the "
            "script"
        )
    return _plan_given(film, tier, seed, steps, workers)


def _plan_given(
    film: Script | GenerationRequest | str | Path,
    tier: str | None,
    seed: int,
    steps: int | None,
    workers: int | None,
) -> ShotEstimate | FilmPlan:
    if isinstance(film, GenerationRequest):
        if tier is not None or steps is not None or seed:
            raise InputError("a request has a tier, a seed and steps of its own; leave them out")
        return estimate(film, workers)
    if workers is not None:
        raise InputError("workers are counted for a shot; leave them out of the plan of a film")
    script = film if isinstance(film, Script) else read_script(film)
    return plan_script(script, tier, seed, steps)
