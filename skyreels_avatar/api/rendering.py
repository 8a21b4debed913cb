"""The public verbs `render` and `frames`: a script becomes a film."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.film.assemble import film_frames
from skyreels_avatar.film.render import (
    FilmResult,
    MakeWindows,
    RenderSettings,
    made_folder,
    make_film,
)
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.script import Script

if TYPE_CHECKING:
    import numpy as np

    from skyreels_avatar.film.progress import OnFilmProgress


@renamed_parameters(num_inference_steps="steps")
def render(
    script: Script | str | Path,
    output: str | Path = "film.mp4",
    *,
    tier: str | None = None,
    seed: int = 0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    audio_guidance_scale: float | None = None,
    only: Collection[int] = (),
    resume: bool = True,
    work: str | Path | None = None,
    engine: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    on_progress: OnFilmProgress | None = None,
) -> FilmResult:
    """Make a film; what an earlier run of the same film has made is not made again.

    Each shot's video is kept in the work folder under a hash of everything that determines it. A
    change of one shot costs that shot. A run that is stopped or killed goes on where it was when it
    is started again. The arguments have the names of the options of `skyreels-avatar render`.

    Args:
        script: a Script, or the path of a YAML file; see `read_script`.
        output: an .mp4 file; it appears when it is complete.
        tier: the name of a file in configs/, or the path of a YAML file; None is the default one.
        seed: of the shots that have none of their own.
        steps: of denoising; None takes the tier's own.
        guidance_scale, audio_guidance_scale: weight of the prompt and of the voice; 1 is off, None
            takes the tier's own.
        only: numbers of shots, from 1; the others are not made, even if they are missing.
        resume: False makes all shots again.
        work: the work folder; None is the output's name with ".work" at its end.
        engine: "local" makes windows of all shots in parallel in processes of this machine, "ray"
            on a Ray cluster; None makes them one after the other, unless `workers` are given.
        workers: how many, with an engine; None = as many as there is room for.
        address: of a Ray cluster that runs; None starts one on this machine.
        on_progress: called with a `Progress` many times a second, which also says which shot and
            window is made; returning False stops.

    Raises:
        ScriptError: the script has problems; all that were found.
        InputError: something else that was given cannot be used.
        CheckpointError: weights of the tier are missing or damaged.
        MissingExtraError: Ray is asked for and not installed.
        Cancelled: `on_progress` returned False. Finished shots are kept.
    """
    make = None
    if engine is not None or workers is not None:
        make = _in_parallel(engine or "local", workers, address)
    sampling = SamplingParams(steps, guidance_scale, audio_guidance_scale, seed)
    settings = RenderSettings(tier, sampling, only, resume, work)
    return make_film(script, output, settings, on_progress, make)


@renamed_parameters(num_inference_steps="steps")
def frames(
    script: Script | str | Path,
    work: str | Path,
    *,
    tier: str | None = None,
    seed: int = 0,
    steps: int | None = None,
    guidance_scale: float | None = None,
    audio_guidance_scale: float | None = None,
    resume: bool = True,
    on_progress: OnFilmProgress | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (shot's number, picture (H, W, 3) uint8) of a film, for those who cut elsewhere.

    Shots are made one after the other as `render` would, and kept in `work`. Pictures of a
    cross-fade come twice, unblended: at the end of one shot and at the beginning of the next.

    Args:
        script: a `Script`, or the path of a YAML file.
        work: the folder that keeps finished shots.
        tier, seed, steps, guidance_scale, audio_guidance_scale, resume: as in `render`.
        on_progress: as in `render`, for one shot after the other.

    Raises:
        ScriptError: the script has problems; all that were found.
        InputError: something else that was given cannot be used.
        CheckpointError: weights of the tier are missing or damaged.
        Cancelled: `on_progress` returned False. Finished shots are kept.
    """
    sampling = SamplingParams(steps, guidance_scale, audio_guidance_scale, seed)
    whole = script if isinstance(script, Script) else read_script(script)
    folder = made_folder(Path(work))
    for number in range(1, len(whole.shots) + 1):
        settings = RenderSettings(tier, sampling, [number], resume, folder)
        result = make_film(whole, folder / "film.mp4", settings, on_progress)
        yield from film_frames([shot for shot in result.shots if shot.number == number])


def _in_parallel(engine: str, workers: int | None, address: str | None) -> MakeWindows:
    from skyreels_avatar.workers.farm import make_windows

    def make(requests, folder, on_progress):
        return make_windows(requests, folder, engine, workers, address, on_progress)

    return make
