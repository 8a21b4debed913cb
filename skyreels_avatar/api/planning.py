"""What a shot or a film would take, before it is made: what `sa.plan` is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from skyreels_avatar.errors import InputError

if TYPE_CHECKING:
    from skyreels_avatar.film.film_plan import FilmPlan
    from skyreels_avatar.pipeline.preview import ShotEstimate
    from skyreels_avatar.request.camera_spec import CameraLike
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.script import Script
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
    """Say what making a film or a shot would take, without loading any weights.

    Args:
        film: a `Script`, the path of a YAML file, or a `GenerationRequest`; or none of them, and
            a shot of `image`.
        image, audio, text, voice, camera, speakers, size, fps, audio_start, audio_end, windows,
            guidance_scale, audio_guidance_scale: of a shot, as in `generate`.
        tier: the name of a file in configs/, or the path of a yaml file; None is the usual one.
        seed: of a film's shots that have none of their own.
        steps: of denoising; None takes the tier's own.
        workers: how many make windows of a shot side by side; None = one process.

    Returns:
        size, frames, windows, seconds and memory; of a film also those of each shot.

    Raises:
        InputError: something given cannot be used; of a script every problem is named.
    """
    shot_options = {
        "image": image, "audio": audio, "text": text, "voice": voice, "speakers": speakers or None,
        "camera": None if camera == "static" else camera, "size": size,
        "fps": None if fps == 25.0 else fps, "guidance_scale": guidance_scale,
        "audio_guidance_scale": audio_guidance_scale, "audio_start": audio_start,
        "audio_end": audio_end, "windows": None if windows == "overlap" else windows,
    }  # fmt: skip
    options = {name: value for name, value in shot_options.items() if value is not None}
    if film is None:
        return _plan_shot(options, tier, steps, workers)
    if options:
        raise InputError(
            f"a script or a request says itself what is made; leave out {', '.join(options)}, or "
            "give them without it"
        )
    return _plan_given(film, tier, seed, steps, workers)


def _plan_shot(
    options: dict[str, Any], tier: str | None, steps: int | None, workers: int | None
) -> ShotEstimate:
    from skyreels_avatar.pipeline.preview import estimate
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.sampling import SamplingParams
    from skyreels_avatar.request.shot import Shot

    renamed = {"audio_start": "start_s", "audio_end": "end_s"}
    names = ("image", "audio", "text", "voice", "speakers", "camera", *renamed)
    shot = {renamed.get(name, name): options.pop(name) for name in names if name in options}
    scales = {
        name: options.pop(name)
        for name in ("guidance_scale", "audio_guidance_scale")
        if name in options
    }
    if tier is not None:
        options["tier"] = tier
    sampling = SamplingParams(steps, **scales)
    request = GenerationRequest(Shot(**shot), "output.mp4", sampling=sampling, **options)
    return estimate(request, workers)


def _plan_given(
    film: Script | GenerationRequest | str | Path,
    tier: str | None,
    seed: int,
    steps: int | None,
    workers: int | None,
) -> ShotEstimate | FilmPlan:
    from skyreels_avatar.film.film_plan import plan_script
    from skyreels_avatar.film.read import read_script
    from skyreels_avatar.pipeline.preview import estimate
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.script import Script

    if isinstance(film, GenerationRequest):
        if tier is not None or steps is not None or seed:
            raise InputError("a request has a tier, a seed and steps of its own; leave them out")
        return estimate(film, workers)
    if workers is not None:
        raise InputError("workers are counted for a shot; leave them out of the plan of a film")
    script = film if isinstance(film, Script) else read_script(film)
    return plan_script(script, tier, seed, steps)
